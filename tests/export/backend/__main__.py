"""``python -m tests.export.backend --target tflite``: ONNX's backend node tests on one target."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Collection

os.environ.setdefault("OMP_NUM_THREADS", "1")

from export.targets import TARGETS
from tests.export.backend.cases import BackendCase, collect
from tests.export.backend.judge import CRASHED, ERROR, FOLDS, MATCH, OUTCOMES, REFUSED, WRONG, Verdict, judge
from tests.export.backend.scope import OPERATORS
from tests.export.backend.workers import Died, run_all

TIMEOUT = 60.0  # seconds a case; the slowest takes less than two


def run(cases: list[BackendCase], target: str, jobs: int) -> list[Verdict]:
    """The verdict on each case, computed in worker processes."""
    if target == "coreml":  # before the processes are forked, as it takes seconds
        from validate.coreml.tools import load_coremltools

        load_coremltools()
    verdicts: list[Verdict | None] = [None] * len(cases)
    for index, result in run_all(functools.partial(judge, target=target), cases, jobs, TIMEOUT):
        verdicts[index] = Verdict(CRASHED, result.how) if isinstance(result, Died) else result
    return verdicts


def main(arguments: Collection[str] | None = None) -> int:
    """Run, print the counts by operator and every case that does not match; 1 where one is wrong or breaks."""
    parser = argparse.ArgumentParser(prog="python -m tests.export.backend", description=__doc__)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="default: all")
    parser.add_argument("--ops", help="only these operators, with commas; also operators beyond the promised ones")
    parser.add_argument("--cases", help="only cases with this in their name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="every reason in full")
    options = parser.parse_args(arguments)
    collection = collect(options.ops.split(",") if options.ops else OPERATORS)
    cases = [case for case in collection.cases if not options.cases or options.cases in case.name]
    broken = False
    for target in options.target or sorted(TARGETS):
        verdicts = run(cases, target, options.jobs)
        broken |= report(target, cases, verdicts, options.verbose)
    outside = sum(sum(counter.values()) for counter in collection.outside.values())
    print(f"{outside} cases of these operators have other dtypes or no tensors and are outside the scope.")
    return int(broken)


def report(target: str, cases: list[BackendCase], verdicts: list[Verdict], verbose: bool) -> bool:
    """Print a table; returns whether anything is wrong, broken or vaguely refused."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case, verdict in zip(cases, verdicts, strict=True):
        counts[case.op_type][verdict.outcome] += 1
        counts[case.op_type]["vague"] += verdict.vague
    columns = (*OUTCOMES, "vague")
    print(f"{target:26}" + "".join(f"{column:>9}" for column in columns))
    for op_type in sorted(counts):
        print(f"{op_type:26}" + "".join(f"{counts[op_type][c] or '':>9}" for c in columns))
    total = sum(counts.values(), Counter())
    print(f"{'total':26}" + "".join(f"{total[column]:>9}" for column in columns))
    good = total[MATCH] + total[FOLDS]
    print(f"{good} of {len(cases)} compile and match: {100 * good / max(len(cases), 1):.1f} %\n")
    for outcome in (REFUSED, WRONG, ERROR, CRASHED):
        for case, verdict in zip(cases, verdicts, strict=True):
            if verdict.outcome == outcome:
                reason = verdict.reason if verbose else verdict.reason.splitlines()[-1][:200]
                print(f"{outcome}{' VAGUELY' if verdict.vague else ''}: {case.name} ({case.op_type}): {reason}")
    return any(verdict.outcome in (WRONG, ERROR, CRASHED) or verdict.vague for verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
