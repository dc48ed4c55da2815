"""``python -m export.benchmarks.latency``: our TFLite against litert-torch's and ONNX Runtime, taking turns."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from export.benchmarks.contest import Score, compete
from validate.command import console, reporting_errors, start
from validate.errors import BrushportError

OURS, PEER, RUNTIME = "brushport", "litert-torch", "onnxruntime"
PEER_SCRIPT = Path(__file__).with_name("litert_torch_peer.py")
REQUIREMENTS = Path(__file__).with_name("peers.txt")

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
@reporting_errors
def latency(
    networks: Annotated[list[Path], typer.Argument(help="ONNX files; or .tflite files, to compare with the first.")],
    peer_python: Annotated[
        Path | None, typer.Option(help=f"Python of an environment made with `pip install -r {REQUIREMENTS}`.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Turns each file gets, of three runs.")] = 15,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each runtime.")] = 2,
    precision: Annotated[str, typer.Option(help="Of Brushport's files, such as fp32,int8: one file each.")] = "fp32",
    calibration: Annotated[Path | None, typer.Option(help="Folder of photos to quantize with.")] = None,
    cache: Annotated[Path, typer.Option(help="Where the compiled files are kept.")] = Path("benchmarks-cache"),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers as JSON.")] = None,
) -> None:
    """Compile each network with Brushport, time it beside litert-torch's file and ONNX Runtime, both fp32.

    Each file runs in a process of its own; they take turns. Milliseconds are medians, ratios are ratios of medians,
    memory is the peak of the process that loads and runs the file and does nothing else.
    """
    for path in networks:
        if not path.is_file():
            raise BrushportError(f"The file '{path}' does not exist; check the path.")
    table = Table("network", "file", box=None, header_style="bold", pad_edge=False)
    for column in ("median ms", "fastest", "ratio", "peak MB", "ratio"):
        table.add_column(column, justify="right")
    numbers = {}
    if all(path.suffix == ".tflite" for path in networks):
        contests = {"": {str(path): path for path in networks}}
    else:
        cache.mkdir(parents=True, exist_ok=True)
        wanted = _precisions(precision)
        contests = {path.stem: _contenders(path, cache, peer_python, wanted, calibration) for path in networks}
    for name, files in contests.items():
        with console.status(f"timing {name}"):
            scores = compete(files, runs, threads)
        numbers[name] = _add_rows(table, name, scores)
    console.print(table)
    if json_file:
        json_file.write_text(json.dumps(numbers, indent=1) + "\n")


def _precisions(text: str) -> list[str]:
    from export.tflite.compiler import PRECISIONS

    wanted = text.split(",")
    for name in wanted:
        if name not in PRECISIONS:
            raise BrushportError(f"Precision '{name}' is unknown to TFLite; choose among {', '.join(PRECISIONS)}.")
    return wanted


def _contenders(
    network: Path, cache: Path, peer_python: Path | None, precisions: list[str], calibration: Path | None
) -> dict[str, Path]:
    """The files to time: the peer's if its Python is given, ours in each precision, and the ONNX file itself."""
    from export.hub import load_hub
    from export.schemes import Options, prepare
    from export.tflite import compile_tflite

    hub, files = load_hub(network), {}
    if peer_python is not None:
        digest = hashlib.sha256(network.read_bytes()).hexdigest()[:12]
        peer = cache / f"{network.stem}.{digest}.{PEER}.tflite"
        if not peer.exists():
            _convert(peer_python, network, peer)
        files[PEER] = peer
    for precision in precisions:
        label = OURS if precision == "fp32" else f"{OURS} {precision}"
        with console.status(f"compiling {network.name} in {precision}"):
            prepared, _ = prepare(hub, precision, Options("tflite", calibration), lambda step: None)
            files[label] = cache / f"{network.stem}.{label.replace(' ', '-')}.tflite"
            compile_tflite(prepared, files[label], precision=precision, io="tensor")
    return files | {RUNTIME: network}


def _convert(peer_python: Path, network: Path, target: Path) -> None:
    with console.status(f"litert-torch converts {network.name}"):
        try:
            done = subprocess.run(
                [peer_python, "-P", PEER_SCRIPT, network, target], capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise BrushportError(f"'{peer_python}' cannot be started; give a Python by --peer-python.") from error
    if done.returncode or not target.exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BrushportError(f"litert-torch did not convert '{network}': {last}")


def _add_rows(table: Table, name: str, scores: dict[str, Score]) -> dict[str, dict[str, float]]:
    first = next(iter(scores.values()))
    numbers = {}
    for label, score in scores.items():
        numbers[label] = {
            "median_ms": score.median,
            "fastest_ms": score.fastest,
            "ratio": score.median / first.median,
            "fastest_ratio": score.fastest / first.fastest,
            "peak_mb": score.peak / 1e6,
            "peak_ratio": score.peak / first.peak,
        }
        n = numbers[label]
        cells = (f"{n['median_ms']:.1f}", f"{n['fastest_ms']:.1f}", f"{n['ratio']:.2f}", f"{n['peak_mb']:.0f}")
        table.add_row(name, label, *cells, f"{n['peak_ratio']:.2f}")
    return numbers


def main() -> None:
    """Run the command."""
    start(app, "python -m export.benchmarks.latency")


if __name__ == "__main__":
    main()
