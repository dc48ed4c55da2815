"""``python -m quantize``: an ONNX file and photos in, a Q/DQ ONNX file out, and what became of every convolution."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from validate.command import console, parse_range, parse_size, reporting_errors, start
from validate.errors import BrushportError

HELD_OUT_PHOTOS = 3
PRUNING = {
    "model",
    "prune",
    "student",
    "calibration",
    "output",
    "steps",
    "size",
    "value_range",
}  # options that go together
app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
@reporting_errors
def quantize(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="An .onnx file with static shapes; with --prune of any, or a zoo name.")],
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of photos to calibrate and to learn on; default those that scikit-image ships."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write; default NAME-int8.onnx, or NAME-pruned.onnx.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many calibration photos at most.")] = 64,
    min_ssim: Annotated[float, typer.Option(min=0, max=1, help="Mean SSIM to reach on calibration photos.")] = 0.97,
    min_psnr: Annotated[float | None, typer.Option(help="Mean PSNR in dB to reach as well; default 34.")] = None,
    min_share: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of the work in int8, even where float is faster.")
    ] = 0.0,
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
    learn: Annotated[
        int, typer.Option(min=0, help="Train what is rounded for so many steps, so that more of it can be (300, say).")
    ] = 0,
    prune: Annotated[
        float | None,
        typer.Option(help="Quantize nothing: remove channels until this share of the work is left, and distill."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="--prune: steps of distillation; default 1600.")] = None,
    student: Annotated[
        str | None, typer.Option(help="--prune: what an earlier --prune wrote; it learns on, nothing more is removed.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="--prune: N or HxW in pixels; needed when the model leaves it open.")
    ] = None,
) -> None:
    """Make a model's convolutions int8 (Q/DQ), as many as the picture bears, and say what it costs.

    With --prune, make it smaller in float instead: whole channels go, and what is left learns to paint the same.
    """
    given = {name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"}
    if prune is not None:
        choices = {"size": parse_size(size), "value_range": parse_range(value_range)}
        prune_model(model, prune, given, student=student, photos=calibration, output=output, steps=steps, **choices)
        return
    if stray := sorted(given & {"steps", "size", "student"}):
        raise BrushportError(f"--{stray[0]} means nothing without --prune; leave it out.")
    import onnx_ir as ir

    from quantize.judge import Aim
    from quantize.learned import quantize_and_learn
    from quantize.pareto import draw_pareto
    from quantize.planfile import read_plan, write_plan
    from quantize.ports import ports_of
    from quantize.quantizer import quantize_hub
    from quantize.source import read_onnx
    from validate.files import replacing
    from validate.onnx_files import read_value_range
    from validate.photos import iterate_default_photos, iterate_photos, photo_samples

    model = Path(model)
    output = output or Path(f"{model.stem}-int8.onnx")
    stated = parse_range(value_range)
    graph = read_onnx(model)
    if output.exists() and output.samefile(model):
        raise BrushportError(f"{output} is the model itself; choose another --output.")
    stated = stated or read_value_range(graph)
    if stated is None:
        raise BrushportError(f"{model} does not say what values its pictures have; add --range 0..1, 0..255 or -1..1.")
    inputs, outputs = ports_of(graph, stated, parse_range(value_range) or read_value_range(graph, "output_range"))
    plane = next((port.shape[2:] for port in inputs if port.is_image), None)
    if plane is None:
        raise BrushportError(f"{model} takes no picture (1x3xHxW or 1x1xHxW), so photos cannot calibrate it.")
    if calibration is None:
        photos = iterate_default_photos(limit, plane, use="calibration")
    else:
        photos = iterate_photos(calibration, plane, limit)
    with console.status("") as status:
        options = {
            "inputs": inputs,
            "outputs": outputs,
            "held_out": photo_samples(iterate_default_photos(HELD_OUT_PHOTOS, plane), inputs),
            "aim": Aim(min_ssim, min_psnr, share=min_share),
            "plan": None if plan is None else read_plan(plan),
            "survey": pareto is not None,
            "equalize": equalize,
            "report": lambda step: status.update(escape(step)),
        }
        learned = quantize_and_learn(graph, photos, learn, **options) if learn else None
        result = learned.result if learned else quantize_hub(graph, photo_samples(photos, inputs), **options)
        with replacing(output) as temporary:
            ir.save(result.model, temporary)
    planned = learned.planned if learned else result
    if save_plan is not None:
        write_plan(save_plan, planned)
    if pareto is not None:
        draw_pareto(pareto, planned, model.stem)
    if learned:
        console.print(f"{learned.learning}.", soft_wrap=True, highlight=False)
    show(result, output)
    for written in filter(None, (save_plan, pareto)):
        console.print(f"Wrote {written}", soft_wrap=True, markup=False, highlight=False)


def prune_model(model: str, share: float, given: set[str], **settings) -> None:
    """Run :func:`training.shrink_command.prune` with its ``settings``; ``given`` are the options on the command line.

    Raises :class:`BrushportError` for options that pruning has no use for, or where torch is missing.
    """
    if stray := sorted(given - PRUNING):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in stray)
        raise BrushportError(
            f"--prune quantizes nothing, so it has no use for {names}; prune first, then quantize what it writes."
        )
    try:
        from training.shrink_command import prune
    except ModuleNotFoundError as error:
        raise BrushportError(
            f"--prune needs the package '{error.name}'; install it with: pip install 'brushport[training]'."
        ) from error
    prune(model, share, **settings)


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
        f"{result.int8_share:.1%} of the multiply-accumulates are int8"
        + (f" ({result.dynamic_share:.1%} rounded at run time)" if result.dynamic_share else "")
        + f"; {result.calibrated} calibration photos, "
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
