"""The Hypothesis strategy of random valid graphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import reject
from hypothesis import strategies as st

from export.operators import coreml_lowerings, rewritten_on_hub, tflite_lowerings
from tests.export.fuzz.builder import Builder, Graph, Unsuitable
from tests.export.fuzz.makers import MAKERS

MAX_NODES = 8  # that are drawn; some bring a guard with them
ATTEMPTS = 4  # to draw a node that is valid

OFTEN = ("Conv", "Transpose", "Reshape", "Concat", "Add", "Mul", "Slice", "Pad", "Relu")
"""Drawn more often than others: what networks are made of, and where layouts meet."""


@cache
def registered(target: str) -> frozenset[str]:
    """The operators that ``target``, or the hub before it, takes."""
    lowered = {"tflite": tflite_lowerings, "coreml": coreml_lowerings}[target]()
    return frozenset(lowered) | frozenset(rewritten_on_hub())


def op_types(target: str) -> list[str]:
    """What graphs for ``target`` are made of, the most frequent first."""
    known = registered(target) & MAKERS.keys()
    return [op for op in OFTEN if op in known] * 3 + sorted(known)


@st.composite
def graphs(draw, ops: Sequence[str]) -> Graph:
    """Graphs of one to about eight nodes of the operators ``ops``."""
    b = Builder(draw, draw(st.integers(0, 2**16)))
    for place in range(MAX_NODES):
        if place and draw(st.integers(0, 11)) == 0:
            break
        for _ in range(ATTEMPTS):
            op_type = b.choose(ops)
            try:
                MAKERS[op_type](b, op_type)
            except Unsuitable:
                continue
            break
    graph = b.finish()
    if not graph.feeds:  # all of it is constant, and no artifact
        reject()
    return graph
