"""The README's figures, measured: ``python -m tests.figures MODEL [MODEL …]``. No test; it asserts nothing.

Every export runs as a process of its own, from start to verified file: seconds, peak memory, and what the manifest
says (SSIM, PSNR, size, operators). Files are written to a temporary folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from validate.command import console

RUNS = (
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("tflite", "int8"),
    ("coreml", "fp32"),
    ("coreml", "fp16"),
    ("coreml", "int8"),
)


def measure(model: str, target: str, precision: str, io: str, folder: Path) -> dict:
    """Export ``model`` in a process of its own; seconds, peak memory in MB and the manifest."""
    output = folder / f"{Path(model).stem}-{target}-{precision}-{io}"
    command = [sys.executable, "-m", "export", model, "--target", target, "--precision", precision]
    command += ["--io", io, "--output", str(output)]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    facts = {"seconds": time.monotonic() - started, "megabytes": usage.ru_maxrss / 1024}
    manifests = list(output.glob("*.json")) if output.exists() else []
    if status or not manifests:
        return facts | {"error": complaint.strip().splitlines()[-1] if complaint.strip() else f"status {status}"}
    return facts | {"manifest": json.loads(manifests[0].read_text())["artifacts"][target]}


def main(
    models: Annotated[list[str], typer.Argument(help="Zoo names or .onnx files.")],
    io: Annotated[str, typer.Option(help="image or tensor.")] = "tensor",
    only: Annotated[str | None, typer.Option(help="Such as tflite-fp32,coreml-fp16.")] = None,
) -> None:
    """Export each model in every precision and print what it cost and how well it paints."""
    table = Table("model", "file", "s", "peak MB", "MB", "SSIM", "PSNR dB", "8-bit MACs", "TRANSPOSE", box=None)
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for target, precision in RUNS:
                if only and f"{target}-{precision}" not in only.split(","):
                    continue
                facts = measure(model, target, precision, io, Path(folder))
                cost = [f"{facts['seconds']:.1f}", f"{facts['megabytes']:.0f}"]
                if "error" in facts:
                    table.add_row(Path(model).stem, f"{target} {precision}", *cost, facts["error"])
                    continue
                manifest = facts["manifest"]
                quality, census = manifest["quality"], manifest["census"]
                in_8_bit = sum(share for key, share in census["macs_share"].items() if key.count("int8") == 2)
                transposes = sum(n for op, n in census["operators"].items() if op.lower() == "transpose")
                table.add_row(
                    Path(model).stem,
                    f"{target} {precision}",
                    *cost,
                    f"{manifest['bytes'] / 1e6:.2f}",
                    f"{quality['ssim']:.4f}",
                    f"{quality['psnr_db'] or float('inf'):.1f}",
                    f"{in_8_bit:.0%}",
                    str(transposes),
                )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
