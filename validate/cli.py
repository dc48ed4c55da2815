"""``python -m validate``: run artifacts and their hub on the same photos, and say whether they paint the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from validate.command import console, reporting_errors

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
@reporting_errors
def validate(
    artifacts: Annotated[
        list[Path] | None, typer.Argument(help="Exported .mlpackage and .tflite, or their folder; default artifacts/.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos; default three that scikit-image ships.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many photos of the folder at most.")] = 8,
    floor: Annotated[float | None, typer.Option(min=0, max=1, help="Least mean SSIM; default by precision.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write photo, hub and artifacts side by side as PNG.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers as JSON.")] = None,
) -> None:
    """Compare exported files with the hub they came from: SSIM, PSNR, milliseconds, memory. Status 1 if one differs.

    Core ML files run on Linux too, operator by operator as the file says, rounding to half precision where it says so.
    """
    from validate.artifacts import find_artifacts, load_families
    from validate.report import table, write_json, write_picture

    rows, lines = [], []
    with console.status("loading") as status:
        for family in load_families(find_artifacts(artifacts or [Path("artifacts")]), photos, limit):
            for row in family.rows(floor):
                rows.append(row)
                status.update(f"compared {row.path.name}")
            if picture:
                lines += family.lines()
    console.print(table(rows), soft_wrap=True)
    if picture:
        write_picture(lines, picture)
        console.print(f"Wrote {picture}.")
    if json_file:
        write_json(rows, json_file)
        console.print(f"Wrote {json_file}.")
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


def main() -> None:
    """Run the command."""
    app(prog_name="python -m validate")
