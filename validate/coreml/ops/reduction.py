"""Reductions over axes; sums are accumulated in float32 and rounded once."""

from __future__ import annotations

from typing import Any

from validate.coreml.graph import Graph, kind_of, param, unsupported
from validate.coreml.registry import mil_op

_REDUCE = {
    "reduce_l1_norm": "ReduceL1",
    "reduce_l2_norm": "ReduceL2",
    "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp",
    "reduce_max": "ReduceMax",
    "reduce_mean": "ReduceMean",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
    "reduce_sum_square": "ReduceSumSquare",
}
_ARGUMENT = {"reduce_argmax": "ArgMax", "reduce_argmin": "ArgMin"}
_INTEGER = {"reduce_max", "reduce_min", "reduce_sum", "reduce_prod", "reduce_sum_square", "reduce_l1_norm"}


@mil_op(*_REDUCE)
def reduce(graph: Graph, op: Any) -> str:
    """Reduce over ``axes``, or over all of them when none are given."""
    if kind_of(op.x) != "f" and op.op_type not in _INTEGER:
        raise unsupported(op, "its operand is an integer")
    axes = param(op, "axes")
    keepdims = int(bool(param(op, "keep_dims")))
    inputs = [graph.tensor(op.x)]
    if axes is not None:
        inputs.append(graph.ints(axes))
    return graph.node(_REDUCE[op.op_type], *inputs, keepdims=keepdims)


@mil_op(*_ARGUMENT)
def argument(graph: Graph, op: Any) -> str:
    """The position of the largest or smallest value along ``axis``; the first one if several."""
    keepdims = int(bool(param(op, "keep_dims")))
    found = graph.node(_ARGUMENT[op.op_type], graph.tensor(op.x), axis=int(param(op, "axis")), keepdims=keepdims)
    return graph.cast(found, "i")
