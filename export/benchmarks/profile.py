"""``python -m export.benchmarks.profile``: where a file spends its time, and what its convolutions alone would take."""

from __future__ import annotations

import multiprocessing
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from export.benchmarks.litert_profiler import Timing, profile_runs
from validate.command import console, reporting_errors, start
from validate.errors import BrushportError

# How XNNPACK and TFLite name what multiplies and accumulates.
CONVOLUTIONS = ("Convolution", "Fully Connected", "Deconvolution", "Batch Matrix", "CONV", "FULLY_CONNECTED", "MATMUL")

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@dataclass(frozen=True)
class Kind:
    """All operators of one name: how many, and milliseconds (the sum of each one's median over the runs)."""

    name: str
    count: int
    milliseconds: float

    @property
    def is_convolution(self) -> bool:
        """Whether it multiplies and accumulates."""
        return self.name.startswith(CONVOLUTIONS)


@dataclass(frozen=True)
class Profile:
    """A file's time by kind of operator, largest first, and in how many pieces XNNPACK took it."""

    kinds: tuple[Kind, ...]
    pieces: int
    outside: int

    @property
    def total(self) -> float:
        """Milliseconds of all operators."""
        return sum(kind.milliseconds for kind in self.kinds)

    @property
    def convolutions(self) -> float:
        """Milliseconds of what multiplies and accumulates."""
        return sum(kind.milliseconds for kind in self.kinds if kind.is_convolution)


def profile(path: Path, runs: int, threads: int) -> Profile:
    """Profile a file in a process of its own.

    Raises :class:`BrushportError` where LiteRT refuses the file or has no profiler.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return summarize(*pool.apply(_measure, (path, runs, threads)))


def _measure(path: Path, runs: int, threads: int) -> tuple[list[list[Timing]], int, int]:
    from ai_edge_litert.interpreter import Interpreter

    from validate.runners import quiet_stderr

    with quiet_stderr():
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
        names = [operator["op_name"] for operator in interpreter._get_ops_details()]
        timings = profile_runs(path, runs, threads)
    return timings, names.count("DELEGATE"), _run_outside(timings[0])


def _run_outside(timings: list[Timing]) -> int:
    return sum(not timing.delegated for timing in timings)


def summarize(runs: list[list[Timing]], pieces: int, outside: int) -> Profile:
    """Medians over the runs, operator by operator, added up by name."""
    names = [timing.name for timing in runs[0]]
    if any([timing.name for timing in run] != names for run in runs):
        raise BrushportError("The profiler saw other operators in one run than in another; run it again.")
    totals: dict[str, float] = defaultdict(float)
    for i, name in enumerate(names):
        totals[name] += median(run[i].microseconds for run in runs) / 1000
    counts = Counter(names)
    kinds = (Kind(name, counts[name], total) for name, total in totals.items())
    return Profile(tuple(sorted(kinds, key=lambda kind: -kind.milliseconds)), pieces, outside)


@app.command()
@reporting_errors
def main_command(
    files: Annotated[list[Path], typer.Argument(help=".tflite files.")],
    runs: Annotated[int, typer.Option(min=1, help="Runs; each operator's median counts.")] = 15,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 2,
) -> None:
    """Time every operator with LiteRT's profiler, those inside XNNPACK too, and add them up by kind.

    The last line compares the whole with what multiplies and accumulates: the convolutions alone would take that.
    """
    for path in files:
        if not path.is_file():
            raise BrushportError(f"The file '{path}' does not exist; check the path.")
        with console.status(f"profiling {path.name}"):
            found = profile(path, runs, threads)
        table = Table("operator", title=str(path), title_justify="left", box=None, header_style="bold", pad_edge=False)
        for column in ("count", "ms", "share"):
            table.add_column(column, justify="right")
        for kind in found.kinds:
            share = kind.milliseconds / found.total
            table.add_row(kind.name, str(kind.count), f"{kind.milliseconds:.2f}", f"{share:.1%}")
        console.print(table)
        console.print(
            f"{found.total:.1f} ms in {found.pieces} XNNPACK partition(s), {found.outside} operator(s) outside; the "
            f"convolutions alone {found.convolutions:.1f} ms, {found.convolutions / found.total:.0%}.\n"
        )


def main() -> None:
    """Run the command."""
    start(app, "python -m export.benchmarks.profile")


if __name__ == "__main__":
    main()
