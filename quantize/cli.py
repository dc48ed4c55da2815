"""``python -m quantize``: an ONNX file and photos in, a Q/DQ ONNX file out, and what became of every convolution."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from validate.command import console, parse_range, reporting_errors, start
from validate.errors import BrushportError

HELD_OUT_PHOTOS = 3
app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
@reporting_errors
def quantize(
    model: Annotated[Path, typer.Argument(help="An .onnx file with static shapes.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Folder of photos to calibrate on; default those that scikit-image ships.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; default NAME-int8.onnx.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many calibration photos at most.")] = 64,
    min_ssim: Annotated[float, typer.Option(min=0, max=1, help="Mean SSIM to reach on calibration photos.")] = 0.97,
    min_psnr: Annotated[float | None, typer.Option(help="Mean PSNR in dB to reach as well; default 32.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A plan to follow, as --save-plan writes; no search then.")] = None,
    save_plan: Annotated[Path | None, typer.Option(help="Where to write the plan (YAML), to edit it.")] = None,
    pareto: Annotated[
        Path | None, typer.Option(help="Where to draw SSIM against work and size in int8 (PNG); tries more plans.")
    ] = None,
    value_range: Annotated[
        str | None, typer.Option("--range", help="Values of black and white, such as 0..1, 0..255 or -1..1.")
    ] = None,
    equalize: Annotated[
        bool, typer.Option("--equalize/--no-equalize", help="Rescale convolutions in front of norms, exactly.")
    ] = True,
) -> None:
    """Make a model's convolutions int8 (Q/DQ), as many as the picture bears, and say what it costs."""
    import onnx_ir as ir

    from quantize.judge import Aim
    from quantize.pareto import draw_pareto
    from quantize.planfile import read_plan, write_plan
    from quantize.ports import ports_of
    from quantize.quantizer import quantize_hub
    from quantize.source import read_onnx
    from validate.files import replacing
    from validate.onnx_files import read_value_range
    from validate.photos import iterate_default_photos, iterate_photos, photo_samples

    output = output or Path(f"{model.stem}-int8.onnx")
    stated = parse_range(value_range)
    graph = read_onnx(model)
    if output.exists() and output.samefile(model):
        raise BrushportError(f"{output} is the model itself; choose another --output.")
    stated = stated or read_value_range(graph)
    if stated is None:
        raise BrushportError(f"{model} does not say what values its pictures have; add --range 0..1, 0..255 or -1..1.")
    inputs, outputs = ports_of(graph, stated, parse_range(value_range) or read_value_range(graph, "output_range"))
    size = next((port.shape[2:] for port in inputs if port.is_image), None)
    if size is None:
        raise BrushportError(f"{model} takes no picture (1x3xHxW or 1x1xHxW), so photos cannot calibrate it.")
    if calibration is None:
        photos = iterate_default_photos(limit, size, use="calibration")
    else:
        photos = iterate_photos(calibration, size, limit)
    with console.status("") as status:
        result = quantize_hub(
            graph,
            photo_samples(photos, inputs),
            inputs=inputs,
            outputs=outputs,
            held_out=photo_samples(iterate_default_photos(HELD_OUT_PHOTOS, size), inputs),
            aim=Aim(min_ssim, min_psnr),
            plan=None if plan is None else read_plan(plan),
            survey=pareto is not None,
            equalize=equalize,
            report=lambda step: status.update(escape(step)),
        )
        with replacing(output) as temporary:
            ir.save(result.model, temporary)
    if save_plan is not None:
        write_plan(save_plan, result)
    if pareto is not None:
        draw_pareto(pareto, result, model.stem)
    show(result, output)
    for written in filter(None, (save_plan, pareto)):
        console.print(f"Wrote {written}", soft_wrap=True, markup=False, highlight=False)


def show(result, output: Path) -> None:
    """Print the plan, the scores and the next command to type."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("convolution", "op", "output", "MMACs", "precision", "cost dB", "why"):
        table.add_column(column, justify="right" if column in ("MMACs", "cost dB") else "left")
    for row in result.plan:
        table.add_row(
            escape(row.node),
            row.op_type,
            "x".join(map(str, row.shape)),
            f"{row.macs / 1e6:.1f}",
            row.precision if row.precision == "int8" else f"[yellow]{row.precision}[/]",
            "–" if row.psnr is None else f"{row.psnr:.1f}",
            row.reason,
        )
    console.print(table)
    for what, score in (("calibration", result.calibration_score), ("held-out", result.score)):
        worst = "" if score.worst_ssim is None else f"{score.worst_ssim:.4f}, "
        console.print(
            f"{score} against the float model on {score.photos} {what} photos (worst {worst}{score.worst_psnr:.1f} dB)",
            soft_wrap=True,
            highlight=False,
        )
    console.print(
        f"{result.int8_share:.1%} of the multiply-accumulates are int8; {result.calibrated} calibration photos, "
        f"ranges by {result.method}"
        + "".join(f", {count} {what.replace('_', ' ')}" for what, count in result.preparation.items() if count),
        soft_wrap=True,
        highlight=False,
    )
    megabytes = os.path.getsize(output) / 1e6
    following = f"python -m export {shlex.quote(str(output))} --target tflite"
    console.print(f"Wrote {output} ({megabytes:.2f} MB). Next: {following}", soft_wrap=True, markup=False)


def main() -> None:
    """Run the command."""
    start(app, "python -m quantize")
