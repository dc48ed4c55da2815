"""``python -m validate``: run artifacts and their hub on the same photos, and say whether they paint the same."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from validate.command import console, reporting_errors
from validate.errors import BrushportError

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
ENDINGS = (".mlpackage", ".tflite")


@app.command()
@reporting_errors
def validate(
    artifacts: Annotated[
        list[Path] | None, typer.Argument(help="Exported .mlpackage and .tflite, or their folder; default artifacts/.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos; default three that scikit-image ships.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many photos at most.")] = 8,
    floor: Annotated[float | None, typer.Option(min=0, max=1, help="Least mean SSIM; default by precision.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write photo, hub and artifacts side by side as PNG.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers as JSON.")] = None,
) -> None:
    """Compare exported files with the hub they came from: SSIM, PSNR, milliseconds, memory. Status 1 if one differs.

    Core ML files run on Linux too, operator by operator as the file says, rounding to half precision where it says so.
    """
    paths = find_artifacts(artifacts or [Path("artifacts")])
    from validate.compare import as_pictures, compare, feeds_for, style_weights
    from validate.photos import default_photos, load_photos
    from validate.report import Row, table, write_json, write_picture
    from validate.runners import OnnxRunner, open_artifact

    by_hub: dict[Path, list[tuple[Path, dict]]] = defaultdict(list)
    for path in paths:
        manifest = read_manifest(path)
        by_hub[find_hub(path, manifest)].append((path, manifest))
    rows, lines = [], []
    for hub_path, group in by_hub.items():
        runners = []
        with console.status(f"loading {hub_path.stem}"):
            for path, manifest in group:
                runners.append((path, manifest, open_artifact(path)))
            first = runners[0][2]
            reference = OnnxRunner(hub_path, first.inputs, first.outputs)
        image = next((port for port in first.inputs if port.is_image), None)
        if image is None:
            raise BrushportError(f"'{hub_path}' takes no picture, so photos cannot verify it.")
        size = image.shape[2], image.shape[3]
        shown = load_photos(photos, size, limit) if photos else default_photos(3, size)
        feeds = list(feeds_for(first.inputs, shown))
        for path, manifest, runner in runners:
            with console.status(f"running {path.name}"):
                result = compare(reference, runner, feeds)
            passed = result.passes(manifest["precision"], floor)
            native = path.suffix != ".mlpackage" or platform.system() == "Darwin"
            rows.append(Row(path, manifest["precision"], result, passed, native))
        if picture:
            styles = manifest.get("styles") or [""]
            port = first.outputs[0]
            for index, style in enumerate(styles):
                feed = dict(feeds[index % len(feeds)])
                for given in first.inputs:
                    if not given.is_image and len(given.shape) == 2:
                        feed[given.name] = style_weights(index, given.shape[1])
                expected = reference.run(feed)[port.name]
                line = [(f"{manifest['name']}: photo", shown[index % len(shown)] / 255.0)]
                line.append((f"hub {style}", as_pictures(expected, expected, port)[0]))
                for path, found, runner in runners:
                    drawn = as_pictures(expected, runner.run(feed)[port.name], port)[1]
                    line.append((f"{found['target']} {found['precision']}", drawn))
                lines.append(line)
    console.print(table(rows), soft_wrap=True)
    if picture:
        write_picture(lines, picture)
        console.print(f"Wrote {picture}.")
    if json_file:
        write_json(rows, json_file)
        console.print(f"Wrote {json_file}.")
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


def find_artifacts(given: list[Path]) -> list[Path]:
    """The artifacts among ``given`` and inside its folders, in order; raises BrushportError when there is none."""
    found = []
    for path in given:
        if path.suffix in ENDINGS:
            if not path.exists():
                raise BrushportError(f"The artifact '{path}' does not exist; check the path.")
            found.append(path)
        elif path.is_dir():
            found += sorted(inner for inner in path.iterdir() if inner.suffix in ENDINGS)
        else:
            raise BrushportError(f"'{path}' is neither an artifact (.mlpackage, .tflite) nor a folder of them.")
    if not found:
        raise BrushportError(f"There are no artifacts in '{given[0]}'; make one: python -m export --target coreml")
    return found


def read_manifest(path: Path) -> dict:
    """The manifest beside an artifact; raises BrushportError when it is missing or damaged."""
    manifest = path.with_suffix(".json")
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        return facts | {"precision": facts["precision"], "hub": facts["hub"]}
    except FileNotFoundError as error:
        raise BrushportError(f"'{path}' has no manifest {manifest.name} beside it; export it again.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrushportError(f"The manifest '{manifest}' is damaged; export the model again.") from error


def find_hub(path: Path, manifest: dict) -> Path:
    """The hub an artifact was compiled from, checked by its hash; raises BrushportError when it is another one."""
    hub = path.parent / manifest["hub"]["file"]
    if not hub.is_file():
        raise BrushportError(f"'{path}' needs its hub '{hub}' to be compared with; export the model again.")
    if hashlib.sha256(hub.read_bytes()).hexdigest() != manifest["hub"]["sha256"]:
        raise BrushportError(f"'{hub}' is not the hub that '{path.name}' came from; export the model again.")
    return hub


def main() -> None:
    """Run the command."""
    app(prog_name="python -m validate")
