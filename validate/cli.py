"""``python -m validate``: run artifacts and their hub on the same photos, and say whether they paint the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from validate.command import console, reporting_errors, start
from validate.errors import BrushportError

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
    device_report: Annotated[
        Path | None,
        typer.Option(help="Judge what a phone measured: the JSON file that the Android app's benchmark saves."),
    ] = None,
) -> None:
    """Compare exported files with the hub they came from: SSIM, PSNR, milliseconds, memory. Status 1 if one differs.

    Core ML files run on Linux too, operator by operator as the file says, rounding to half precision where it says so.
    """
    from validate.artifacts import find_artifacts, load_families
    from validate.report import table, write_json, write_picture

    if picture and picture.suffix.lower() != ".png":
        raise BrushportError(f"The picture is written as PNG; call it '{picture.with_suffix('.png')}'.")
    for path in (picture, json_file):
        if path and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise BrushportError(f"'{path}' cannot be written: it is a folder, or its folder is missing.")
    if device_report:
        judge_device(device_report, artifacts or [Path("artifacts")], floor, json_file)
        return
    rows, lines = [], []
    with console.status("loading") as status:
        for family in load_families(find_artifacts(artifacts or [Path("artifacts")]), photos, limit):
            for row in family.rows(floor):
                rows.append(row)
                status.update(f"compared {escape(row.path.name)}")
            if picture:
                lines += family.lines()
    console.print(table(rows), soft_wrap=True)
    if picture:
        write_picture(lines, picture)
        console.print(f"Wrote {picture}.", markup=False)
    if json_file:
        write_json(rows, json_file)
        console.print(f"Wrote {json_file}.", markup=False)
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


def judge_device(report: Path, artifacts: list[Path], floor: float | None, json_file: Path | None) -> None:
    """Print how fast a phone painted, and whether it painted what the hub paints; status 1 where it did not."""
    from validate.artifacts import find_artifacts
    from validate.device_report import device_table, read_device_report
    from validate.report import write_json

    runs = read_device_report(report, find_artifacts(artifacts), floor)
    console.print(device_table(runs), soft_wrap=True)
    for reason in dict.fromkeys(run.fallback for run in runs if run.fallback):
        console.print(reason, soft_wrap=True, markup=False, highlight=False)
    if json_file:
        write_json(runs, json_file)
        console.print(f"Wrote {json_file}.", markup=False)
    if not all(run.passed for run in runs):
        raise typer.Exit(1)


def main() -> None:
    """Run the command."""
    start(app, "python -m validate")
