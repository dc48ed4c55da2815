"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.integers import to_bool, truncated_div
from export.coreml.mil import mb
from export.coreml.registry import lowers

_OF_INTEGERS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum_square", "reduce_l1_norm")
"""MIL's reductions that stay among the integers."""

_OF_NOTHING: dict[str, Callable[[Any], Any]] = {
    "reduce_l1_norm": lambda x: mb.abs(x=x),
    "reduce_l2_norm": lambda x: mb.abs(x=x),
    "reduce_sum_square": lambda x: mb.square(x=x),
    "reduce_log_sum": lambda x: mb.log(x=x, epsilon=0.0),
}
"""What a reduction over an empty set of axes does to each element; the others leave it as it is."""


def _reduction(op_type: str, since: int, mil_op: str) -> None:
    """Register a reduction whose axes are its second input (ONNX's form since opset 13 or 18)."""

    def lower(call: Call) -> Any:
        x, rank = call.var(0), call.rank
        axes = sorted({int(axis) % rank for axis in call.required(1, "axes")}) if call.has(1) and rank else []
        idle = (not axes and bool(call.attr("noop_with_empty_axes", 0))) or not rank
        axes = axes or list(range(rank))
        is_bool = call.dtype(0).name == "BOOL"
        if is_bool:
            x = mb.cast(x=x, dtype="int32")
        if idle:
            y = _OF_NOTHING.get(mil_op, lambda x: mb.identity(x=x))(x)
        elif call.is_float() or mil_op in _OF_INTEGERS:
            y = getattr(mb, mil_op)(x=x, axes=axes, keep_dims=True)
        elif mil_op == "reduce_mean":
            count = np.int32(prod(call.shape(0)[axis] for axis in axes))
            y = truncated_div(mb.reduce_sum(x=x, axes=axes, keep_dims=True), count)
        else:
            raise call.unsupported(f"{op_type} of integers")
        y = reshaped(y, call.out_shape()) if tuple(y.shape) != call.out_shape() else y
        return to_bool(y) if is_bool else y

    lower.__name__, lower.__doc__ = op_type.lower(), f"{op_type} along constant axes."
    lowers(op_type, since)(lower)


_reduction("ReduceMean", 18, "reduce_mean")
_reduction("ReduceSum", 13, "reduce_sum")
_reduction("ReduceMax", 20, "reduce_max")
_reduction("ReduceMin", 20, "reduce_min")
_reduction("ReduceProd", 18, "reduce_prod")
_reduction("ReduceL1", 18, "reduce_l1_norm")
_reduction("ReduceL2", 18, "reduce_l2_norm")
_reduction("ReduceSumSquare", 18, "reduce_sum_square")
_reduction("ReduceLogSum", 18, "reduce_log_sum")
_reduction("ReduceLogSumExp", 18, "reduce_log_sum_exp")
