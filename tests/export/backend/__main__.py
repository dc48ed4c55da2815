"""``python -m tests.export.backend --target tflite``: ONNX's backend node tests on one target or both."""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from export.operators import DOCUMENT, write_section
from tests.export.backend.cases import BackendCase, Cases, collect
from tests.export.backend.judge import BROKEN, CRASHED, FOLDS, MATCH, OUTCOMES, REFUSED, Verdict, judge
from tests.export.backend.scope import OPERATORS
from tests.export.backend.table import SECTION, TITLES, content
from tests.export.backend.workers import Died, run_all

TIMEOUT = 60.0  # seconds a case; the slowest takes less than two


def run(cases: Sequence[BackendCase], target: str, jobs: int) -> list[Verdict]:
    """The verdict on each case, computed in worker processes."""
    if target == "coreml":  # before the processes are forked, as it takes seconds
        from validate.coreml.tools import load_coremltools

        load_coremltools()
    verdicts: list[Verdict | None] = [None] * len(cases)
    for index, result in run_all(functools.partial(judge, target=target), cases, jobs, TIMEOUT):
        verdicts[index] = Verdict(CRASHED, result.how) if isinstance(result, Died) else result
    return verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the counts by operator and every case that does not match; 1 where one is wrong or breaks."""
    parser = argparse.ArgumentParser(prog="python -m tests.export.backend", description=__doc__)
    parser.add_argument("--target", choices=list(TITLES), action="append", help="default: all")
    parser.add_argument("--ops", help="only these operators, with commas; also operators beyond the promised ones")
    parser.add_argument("--cases", help="only cases with this in their name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="every reason in full")
    parser.add_argument("--write", action="store_true", help=f"write the counts to {DOCUMENT.name}")
    parser.add_argument("--json", type=Path, help="write every verdict to this file")
    options = parser.parse_args(arguments)
    if options.write and (options.target or options.ops or options.cases):
        parser.error("--write takes all targets, operators and cases")
    found = collect(options.ops.split(",") if options.ops else OPERATORS)
    found.cases = [case for case in found.cases if not options.cases or options.cases in case.name]
    verdicts = {target: run(found.cases, target, options.jobs) for target in options.target or TITLES}
    for target, given in verdicts.items():
        report(target, found, given, options.verbose)
    outside = sum(sum(counter.values()) for counter in found.outside.values())
    print(f"{outside} cases of these operators have inputs of other dtypes or no tensors and are outside the scope.")
    if options.write:
        write_section(SECTION, content(found, verdicts))
    if options.json:
        stored = {target: [asdict(verdict) for verdict in given] for target, given in verdicts.items()}
        names = [(case.name, case.op_type) for case in found.cases]
        text = content(found, verdicts) if found.cases else ""
        options.json.write_text(json.dumps({"cases": names, "verdicts": stored, "section": text}))
    return int(any(verdict.outcome in BROKEN or verdict.vague for given in verdicts.values() for verdict in given))


def report(target: str, found: Cases, verdicts: Sequence[Verdict], verbose: bool) -> None:
    """Print a table of counts, then what does not match."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case, verdict in zip(found.cases, verdicts, strict=True):
        counts[case.op_type][verdict.outcome] += 1
        counts[case.op_type]["vague"] += verdict.vague
    columns = (*OUTCOMES, "vague")
    print(f"{target:26}" + "".join(f"{column:>9}" for column in columns))
    for op_type in sorted(counts):
        print(f"{op_type:26}" + "".join(f"{counts[op_type][c] or '':>9}" for c in columns))
    total = sum(counts.values(), Counter())
    print(f"{'total':26}" + "".join(f"{total[column]:>9}" for column in columns))
    good = total[MATCH] + total[FOLDS]
    print(f"{good} of {len(verdicts)} compile and match: {100 * good / max(len(verdicts), 1):.1f} %\n")
    for outcome in (REFUSED, *BROKEN):
        for case, verdict in zip(found.cases, verdicts, strict=True):
            if verdict.outcome == outcome:
                reason = verdict.reason if verbose else verdict.reason.splitlines()[-1][:200]
                print(f"{outcome}{' VAGUELY' if verdict.vague else ''}: {case.name} ({case.op_type}): {reason}")


if __name__ == "__main__":
    sys.exit(main())
