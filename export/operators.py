"""``python -m export.operators``: which ONNX operators compile, as a table made from the registries themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from export.hub.model import HUB_OPSET

DOCUMENT = Path(__file__).resolve().parent / "OPERATORS.md"
SECTION = "registries"
FOLDED = ("Constant", "ConstantOfShape", "Range", "Shape", "Size")
"""Computed when the hub is made: every shape in a hub is fixed. They need no lowering, and none is registered."""

REMOVED = ("Dropout", "Identity", "If")
"""Taken out when the hub is made: what does nothing when a network is used, and the branch that is not taken."""

NO = "–"


def table() -> str:
    """One row an operator: what each compiler and the hub do with it, as Markdown."""
    compilers = {"TFLite": tflite_lowerings(), "Core ML": coreml_lowerings()}
    rewritten = rewritten_on_hub()
    rows = []
    for op_type in sorted({*rewritten, *(name for found in compilers.values() for name in found)}):
        cells = [_versions(found.get(op_type, ())) for found in compilers.values()]
        rows.append([f"`{op_type}`", *cells, rewritten.get(op_type, "")])
    counts = " and ".join(f"{len(found)} operators to {name}" for name, found in compilers.items())
    return "\n".join(
        [
            f"The compilers lower {counts}; {len(rewritten)} are computed, removed or rewritten on the hub "
            f"(opset {HUB_OPSET}).",
            "",
            *markdown(("operator", *compilers, "on the hub"), rows),
        ]
    )


def tflite_lowerings() -> dict[str, list[int]]:
    """The operators that the TFLite compiler lowers, with the opsets of the definitions that it knows."""
    from export.tflite import compiler  # noqa: F401 - registers the rules
    from export.tflite.registry import lowering

    return _by_operator(lowering.rules)


def coreml_lowerings() -> dict[str, list[int]]:
    """The operators that the Core ML compiler lowers, with the opsets of the definitions that it knows."""
    from export.coreml.registry import registered

    return _by_operator(registered())


def rewritten_on_hub() -> dict[str, str]:
    """What the hub does with operators before the compilers see them."""
    from export.hub.decompose import registered
    from export.hub.decompose.registry import find

    said = {op_type: "decomposed" for op_type, _ in registered()}
    for op_type in {*tflite_lowerings(), *coreml_lowerings()} - said.keys():
        if find(op_type, on_request=True):
            said[op_type] = "decomposed where a target lacks it"
    return said | dict.fromkeys(FOLDED, "computed") | dict.fromkeys(REMOVED, "removed")


def _by_operator(rules: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for op_type, since in sorted(rules):
        found.setdefault(op_type, []).append(since)
    return found


def _versions(versions: Iterable[int]) -> str:
    """The opsets whose definition of the operator is lowered."""
    return ", ".join(f"{since}" for since in versions) or NO


def markdown(header: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A Markdown table's lines."""
    lines = [header, ["---"] * len(tuple(header)), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def _marks(section: str) -> tuple[str, str]:
    return f"<!-- {section}: generated -->", f"<!-- end of {section} -->"


def read_section(section: str, document: Path = DOCUMENT) -> str:
    """What stands between the marks of a generated ``section``; raises ValueError where the marks are missing."""
    start, end = _marks(section)
    text = document.read_text(encoding="utf-8")
    return text[text.index(start) + len(start) : text.index(end)].strip("\n")


def write_section(section: str, content: str, document: Path = DOCUMENT) -> None:
    """Put ``content`` between the marks of a generated ``section``."""
    start, end = _marks(section)
    text = document.read_text(encoding="utf-8")
    before, after = text[: text.index(start) + len(start)], text[text.index(end) :]
    document.write_text(f"{before}\n\n{content}\n\n{after}", encoding="utf-8")


if __name__ == "__main__":
    write_section(SECTION, table())
    sys.stdout.write(f"Wrote the table of operators to {DOCUMENT}.\n")
