"""``python -m tests.export.fuzz --target tflite --graphs 20000 --seed 0``: random graphs against ONNX Runtime."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.export.backend.table import TITLES
from tests.export.backend.workers import Died, run_all
from tests.export.fuzz.graphs import op_types
from tests.export.fuzz.hunt import Fault, Hunt, hunt, load, save
from tests.export.fuzz.judge import BROKEN, CRASHED, OUTCOMES, Verdict, judge

CHUNK = 50  # graphs from one seed, in one task of a worker
RECYCLED_AFTER = 20  # tasks
TIMEOUT = 180.0  # seconds a chunk, shrinking included
FAULTS = 12  # after which a run ends; more would be the same ones again


@dataclass(frozen=True)
class Task:
    """One chunk; ``trace`` is where its worker keeps the graph it is at."""

    target: str
    seed: int
    graphs: int
    ops: tuple[str, ...]
    trace: Path


def work(task: Task) -> Hunt:
    """Judge the graphs of one chunk."""
    return hunt(task.target, task.graphs, task.seed, task.ops, task.trace)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print what came out and how to repeat each fault; 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.export.fuzz", description=__doc__)
    parser.add_argument("--target", choices=list(TITLES), required=True)
    parser.add_argument("--graphs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help=f"of the first {CHUNK} graphs; the next have the next seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ops", help="only these operators, with commas")
    parser.add_argument("--faults", type=Path, default=Path(tempfile.gettempdir()) / "brushport-fuzz")
    parser.add_argument("--max-faults", type=int, default=FAULTS)
    parser.add_argument("--replay", type=Path, help="judge this saved graph again")
    options = parser.parse_args(arguments)
    if options.target == "coreml":  # before the processes are forked, as it takes seconds
        from validate.coreml.tools import load_coremltools

        load_coremltools()
    if options.replay:
        with tempfile.TemporaryDirectory() as folder:
            verdict = judge(load(options.replay), options.target, Path(folder))
        print(f"{verdict.outcome}: {verdict.reason}")
        return int(verdict.broken)
    options.faults.mkdir(parents=True, exist_ok=True)
    ops = tuple(options.ops.split(",") if options.ops else op_types(options.target))
    with tempfile.TemporaryDirectory(prefix="traces") as folder:
        tasks = [
            Task(
                options.target,
                options.seed + i,
                min(CHUNK, options.graphs - i * CHUNK),
                ops,
                Path(folder) / f"{i}.onnx",
            )
            for i in range(-(-options.graphs // CHUNK))
        ]
        return report(tasks, options)


def report(tasks: Sequence[Task], options: argparse.Namespace) -> int:
    """Run the tasks and say what came out."""
    started, total, faults = time.monotonic(), Hunt(), 0
    for index, ended in run_all(work, tasks, options.jobs, TIMEOUT, RECYCLED_AFTER):
        result = _crash(ended, tasks[index]) if isinstance(ended, Died) else ended
        for mine, its in (
            (total.outcomes, result.outcomes),
            (total.operators, result.operators),
            (total.refusals, result.refusals),
        ):
            mine.update(its)
        total.sentences = result.sentences | total.sentences
        total.invalid = total.invalid or result.invalid
        if result.fault:
            faults += 1
            _tell(result.fault, tasks[index], options.faults)
        if faults >= options.max_faults:
            print(f"{faults} faults: stopped.")
            break
    seconds, number = time.monotonic() - started, sum(total.outcomes.values())
    seeds = f"seeds {options.seed} to {options.seed + len(tasks) - 1} of {CHUNK} graphs"
    print(f"{options.target}: {number} graphs in {seconds:.0f} s ({number / seconds:.0f} a second), {seeds}")
    print("; ".join(f"{outcome} {total.outcomes[outcome]}" for outcome in OUTCOMES if total.outcomes[outcome]))
    nodes = ", ".join(f"{op} {count}" for op, count in total.operators.most_common())
    print(f"{len(total.operators)} operators, in so many graphs: {nodes}")
    never = sorted(set(tasks[0].ops) - set(total.operators))
    print(f"never drawn: {', '.join(never) or 'none'}")
    for op_type, count in total.refusals.most_common():
        print(f"refused {count} times: {op_type}, for example: {total.sentences[op_type][:250]}")
    if total.invalid:
        print(f"invalid, for example: {total.invalid[:250]}")
    return int(any(total.outcomes[outcome] for outcome in BROKEN))


def _crash(died: Died, task: Task) -> Hunt:
    """What is left of a chunk whose worker died: the graph that it died of."""
    found = Hunt(fault=Fault(load(task.trace), Verdict(CRASHED, died.how)) if task.trace.is_file() else None)
    found.outcomes[CRASHED] += 1
    return found


def _tell(fault: Fault, task: Task, folder: Path) -> None:
    ops = "-".join(node.op_type for node in fault.graph.model.graph.node)
    path = folder / f"{task.target}-{task.seed}-{fault.verdict.outcome}-{ops[:60]}.onnx"
    save(fault.graph, path)
    last = fault.verdict.reason.splitlines()[-1] if fault.verdict.reason else ""
    print(f"{fault.verdict.outcome} (seed {task.seed}): {ops}: {last[:300]}")
    print(f"  python -m tests.export.fuzz --target {task.target} --replay {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
