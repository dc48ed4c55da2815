"""What the backend tests found, as the Markdown that ``export/OPERATORS.md`` holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import onnx

from export.operators import markdown
from tests.export.backend.cases import Cases
from tests.export.backend.judge import BROKEN, FOLDS, MATCH, REFUSED, Verdict
from tests.export.backend.scope import DTYPES, PARAMETERS

SECTION = "backend"
TITLES = {"tflite": "TFLite", "coreml": "Core ML"}
Verdicts = Mapping[str, Sequence[Verdict]]

_PREFIX = re.compile(r"^(Core ML: )?[Nn]ode '.*?' \([^)]*\):? (cannot become TFLite: )?")
_PLACE = re.compile(r"/\S+?/[\w./]+:\d+: ")  # of a source file, in a message of ONNX's own


def content(found: Cases, verdicts: Verdicts) -> str:
    """The section: counts, refusals, what is stored as a parameter, what is left out."""
    return "\n".join(
        [*_summary(found, verdicts), "", *_counts(found, verdicts), "", *_refusals(found, verdicts), "", *_scope(found)]
    )


def _summary(found: Cases, verdicts: Verdicts) -> list[str]:
    rows = []
    for target, given in verdicts.items():
        total = Counter(verdict.outcome for verdict in given)
        broken = sum(total[outcome] for outcome in BROKEN)
        share = f"{100 * (total[MATCH] + total[FOLDS]) / len(given):.1f} %"
        rows.append([TITLES[target], len(given), total[MATCH], total[FOLDS], total[REFUSED], broken, share])
    header = ("target", "cases", "match", "fold", "refused", "wrong or broken", "compile and match")
    return [f"The cases are those of onnx {onnx.__version__}.", "", *markdown(header, rows)]


def _counts(found: Cases, verdicts: Verdicts) -> list[str]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for target, given in verdicts.items():
        for case, verdict in zip(found.cases, given, strict=True):
            counts[case.op_type][target, verdict.outcome] += 1
    columns = [(target, outcome) for target in verdicts for outcome in (MATCH, FOLDS, REFUSED)]
    header = ["operator", *(f"{TITLES[target]} {outcome}" for target, outcome in columns)]
    return [
        "A case that *folds* has nothing but parameters for inputs; the hub's constant is compared.",
        "",
        *markdown(header, [[f"`{op}`", *(counts[op][c] or "" for c in columns)] for op in sorted(counts)]),
    ]


def _refusals(found: Cases, verdicts: Verdicts) -> list[str]:
    reasons: Counter = Counter()
    for target, given in verdicts.items():
        for case, verdict in zip(found.cases, given, strict=True):
            if verdict.outcome == REFUSED:
                reasons[case.op_type, TITLES[target], plain(verdict.reason)] += 1
    rows = [[f"`{op}`", target, number, why] for (op, target, why), number in sorted(reasons.items())]
    return ["What is refused, and why:", "", *markdown(("operator", "target", "cases", "reason"), rows)]


def plain(reason: str) -> str:
    """A refusal without the names of nodes, places and shapes, in which cases differ."""
    reason = _PLACE.sub("", _PREFIX.sub("", reason)).replace("|", "\\|")
    return re.sub(r"supported are .*", "", reason).rstrip("; ")


def _scope(found: Cases) -> list[str]:
    ops = sorted({case.op_type for case in found.cases} & PARAMETERS.keys())
    outside = [
        [f"`{op}`", ", ".join(f"{reason} {number}" for reason, number in sorted(counter.items()))]
        for op, counter in sorted(found.outside.items())
    ]
    return [
        "An artifact's shapes are fixed, so the inputs that decide a shape are stored in the file, and so are those",
        "that ONNX itself had as attributes in an older opset; every other input is fed at run time:",
        "",
        *markdown(("operator", "stored inputs"), [[f"`{op}`", PARAMETERS[op][1]] for op in ops]),
        "",
        f"Cases with an input of another dtype than {', '.join(sorted(DTYPES))}, or with a port that is no tensor, are",
        "not run:",
        "",
        *markdown(("operator", "cases left out"), outside),
    ]
