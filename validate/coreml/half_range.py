"""Which operator's value leaves the range of fp16, and where.

A value beyond 65504 is infinite in fp16, whatever computes it. A sum of squares over a plane is different: the
executor adds in float32, as a CPU does, but a device may add in half precision, and then a norm over 512x512 numbers
of size 1 has overflowed before it is divided. Both are looked for: the first among everything that the program keeps
in fp16, the second inside the operators that add squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from validate.coreml.graph import Graph, is_fp16, param, shape_of
from validate.coreml.session import Session
from validate.coreml.translate import translate

LARGEST = 65504.0  # fp16's largest number
SPATIAL = ("instance_norm", "batch_norm")
SQUARING = ("instance_norm", "layer_norm", "reduce_sum_square", "reduce_l2_norm", "l2_norm")


@dataclass(frozen=True)
class Beyond:
    """One operator that leaves the range: its MIL name and type, the largest magnitude, and what reaches it.

    ``what`` is ``"value"`` for the operator's result and ``"sum of squares"`` for what it adds on its way there.
    """

    name: str
    op_type: str
    peak: float
    what: str

    def __str__(self) -> str:
        return f"the {self.what} of {self.op_type} '{self.name}' reaches {self.peak:.3g}, and fp16 ends at 65504"


def find_beyond(function: Any, tensors: Mapping[str, np.ndarray], threads: int, name: str) -> list[Beyond]:
    """Run a MIL function once in float32 and list what would leave the range of fp16, in the program's order.

    Values beyond the range count once: at the operator where they arise, not where they are passed on.
    """
    watched: dict[str, tuple[Any, str]] = {}

    def watch(graph: Graph, op: Any, results: list[str]) -> list[str]:
        seen = []
        for var, result in zip(op.outputs, results, strict=True):
            if is_fp16(var):
                seen.append(_peak(graph, result))
                watched[seen[-1]] = (op, "value")
        if op.op_type in SQUARING and is_fp16(op.x):
            seen.append(_sum_of_squares(graph, op))
            watched[seen[-1]] = (op, "sum of squares")
        return seen

    session = Session(translate(function, round_fp16=False, watch=watch), threads, name, keep_memory=False)
    values = session.run(dict(tensors))
    found = []
    for seen, (op, what) in watched.items():
        peak = float(values[seen])
        if not peak <= LARGEST:  # also where it is not a number
            found.append(Beyond(op.name, op.op_type, peak, what))
    return found


def _peak(graph: Graph, value: str) -> str:
    highest, lowest = (graph.node(reduce, value, keepdims=0) for reduce in ("ReduceMax", "ReduceMin"))
    return graph.node("Max", highest, graph.node("Neg", lowest))  # without a copy of the value, as Abs would make


def _sum_of_squares(graph: Graph, op: Any) -> str:
    rank = len(shape_of(op.x))
    axes = range(2, rank) if op.op_type in SPATIAL else param(op, "axes", range(rank))
    sums = graph.node("ReduceSumSquare", graph.tensor(op.x), graph.ints(sorted(int(a) % rank for a in axes)))
    return graph.node("ReduceMax", sums, keepdims=0)
