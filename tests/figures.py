"""The README's figures, measured: ``python -m tests.figures MODEL [MODEL …]``. No test; it asserts nothing.

Every export runs as a process of its own, from start to verified file: seconds, peak memory, and what the manifest
says (SSIM, PSNR, size, operators). With ``--judge FOLDER``, SSIM and PSNR are those of that folder's photos instead
(``python -m validate``): PSNR of their mean squared error, and in brackets the mean of theirs. Files are written to a
temporary folder, or kept in ``--keep``.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.table import Table

from export.targets import TARGETS
from validate.command import console

RUNS = [(target.name, precision) for target in TARGETS.values() for precision in target.precisions]


def measure(command: list[str]) -> dict:
    """Run ``command``: seconds, peak memory in MB, and its last complaint where it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    facts = {"seconds": time.monotonic() - started, "megabytes": usage.ru_maxrss / 1024}
    if status:
        facts["error"] = complaint.strip().splitlines()[-1] if complaint.strip() else f"status {status}"
    return facts


def judged(output: Path, photos: Path) -> dict:
    """SSIM and PSNR of the only artifact in ``output``, means over all of ``photos``."""
    answer = output / "judged.txt"
    command = [sys.executable, "-m", "validate", str(output), "--photos", str(photos), "--limit", "1000"]
    subprocess.run([*command, "--floor", "0", "--json", str(answer)], check=True, stdout=subprocess.DEVNULL)
    return json.loads(answer.read_text())[0]


def main(
    models: Annotated[list[str], typer.Argument(help="Zoo names or .onnx files.")],
    io: Annotated[str, typer.Option(help="image or tensor.")] = "tensor",
    only: Annotated[str | None, typer.Option(help="Such as tflite-fp32,coreml-fp16.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Folder of calibration photos.")] = None,
    judge: Annotated[Path | None, typer.Option(help="Folder of other photos, to judge the files by.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder to keep the files in.")] = None,
    extra: Annotated[str, typer.Option(help="More options for python -m export.")] = "",
) -> None:
    """Export each model in every precision and print what it cost and how well it paints."""
    columns = ("model", "file", "s", "peak MB", "MB", "SSIM", "PSNR dB", "8-bit MACs", "TRANSPOSE")
    table = Table(*columns, box=None)
    with tempfile.TemporaryDirectory() as temporary:
        for model in models:
            for target, precision in RUNS:
                if only and f"{target}-{precision}" not in only.split(","):
                    continue
                output = (keep or Path(temporary)) / f"{Path(model).stem}-{target}-{precision}"
                command = [sys.executable, "-m", "export", model, "--target", target, "--precision", precision]
                command += ["--io", io, "--output", str(output), *shlex.split(extra)]
                command += ["--calibration", str(calibration)] if calibration else []
                facts = measure(command)
                cells = [Path(model).stem, f"{target} {precision}", f"{facts['seconds']:.1f}"]
                cells.append(f"{facts['megabytes']:.0f}")
                if "error" in facts:
                    cells.append(facts["error"])
                else:
                    manifest = json.loads(next(output.glob("*.json")).read_text())["artifacts"][target]
                    cells += described(manifest, judged(output, judge) if judge else None)
                table.add_row(*cells)
                console.print(" ".join(cells), soft_wrap=True, highlight=False)
    console.print(table)


def described(manifest: dict, judged: dict | None) -> list[str]:
    """The table's cells from ``MB`` on."""
    quality = manifest["quality"] if judged is None else judged
    census = manifest["census"]
    in_8_bit = sum(share for key, share in census["macs_share"].items() if key.count("int8") == 2)
    transposes = sum(n for op, n in census["operators"].items() if op.lower() == "transpose")
    psnr = f"{quality['psnr_db'] or float('inf'):.1f}"
    if judged is not None:
        psnr += " (" + ", ".join(f"{mean(output['psnr_db']):.1f}" for output in judged["outputs"].values()) + ")"
    return [
        f"{manifest['bytes'] / 1e6:.2f}",
        f"{quality['ssim']:.4f}",
        psnr,
        f"{in_8_bit:.0%}",
        str(transposes),
    ]


if __name__ == "__main__":
    typer.run(main)
