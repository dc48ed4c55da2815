"""What ``python -m quantize MODEL --prune SHARE`` does."""

from __future__ import annotations

import shlex
from pathlib import Path

import onnx_ir as ir
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from export.hub import load_hub
from training.distill import Watch
from training.prune import millions
from training.shrink import STEPS, Shrunk, clear, prune_hub
from validate.command import console
from validate.errors import BrushportError
from validate.files import replacing

LINES = 20  # that a log gets of a run, at most


def prune(
    model: str,
    share: float,
    *,
    student: str | None = None,
    photos: Path | None = None,
    output: Path | None = None,
    steps: int | None = None,
    size: tuple[int, int] | None = None,
    value_range: tuple[float, float] | None = None,
) -> Path:
    """Prune ``model`` (a zoo name, an ONNX file, a training run), write it to ``output`` and say what it costs.

    ``student`` is what an earlier call wrote, to learn on. ``output`` is NAME-pruned.onnx by default. An interrupted
    run leaves a folder beside it and goes on from there when it is called again. Raises :class:`BrushportError` for
    what a user can put right.
    """
    hub = load_hub(model, size=size, value_range=value_range)
    learner = None if student is None else load_hub(student, size=size, value_range=value_range)
    output = output or Path(f"{hub.name}-pruned.onnx")
    for known in (hub, learner):
        if known and output.exists() and known.source and output.samefile(known.source):
            raise BrushportError(f"{output} is the model itself; choose another --output.")
    folder = output.with_name(f"{output.stem}-run")
    steps = STEPS if steps is None else steps
    with _bar() as bar:
        result = prune_hub(
            hub,
            share,
            folder,
            student=learner,
            photos=photos,
            steps=steps,
            watch=_watching(bar, steps),
            report=lambda step: bar.console.print(escape(step)),
        )
    with replacing(output) as temporary:
        ir.save(result.model, temporary)
    clear(folder)
    show(result, output)
    return output


def _bar() -> Progress:
    return Progress(
        TextColumn("distilling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _watching(bar: Progress, steps: int) -> Watch:
    """What moves ``bar``, or where there is no terminal prints a line now and then."""
    task = None

    def watch(done: int, loss: float) -> None:
        nonlocal task
        if console.is_terminal:
            task = bar.add_task("", total=steps, loss=loss) if task is None else task
            bar.update(task, completed=done, loss=loss)
        elif done % -(-steps // LINES) == 0:
            console.print(f"step {done} of {steps}, loss {loss:.4f}", highlight=False)

    return watch


def show(result: Shrunk, output: Path) -> None:
    """Print what became of the channels, the scores and the next command to type."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("convolution", "channels", "left"):
        table.add_column(column, justify="left" if column == "convolution" else "right")
    for row in result.thinned:
        table.add_row(escape(row.name), str(row.before), str(row.after))
    console.print(table)
    console.print(
        f"{result.macs_after / result.macs_before:.1%} of the multiply-accumulates are left "
        f"({millions(result.macs_before)} to {millions(result.macs_after)} million); {result.score} against the dense "
        f"network on {result.judged} photo{'s' if result.judged > 1 else ''} outside training",
        soft_wrap=True,
        highlight=False,
    )
    following = f"python -m export {shlex.quote(str(output))} --target tflite"
    console.print(
        f"Wrote {output} ({output.stat().st_size / 1e6:.2f} MB). Next: {following}", soft_wrap=True, markup=False
    )
