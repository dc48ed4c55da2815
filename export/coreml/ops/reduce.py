"""Reductions along axes."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


def _reduction(op_type: str, since: int, mil_op: str) -> None:
    """Register a reduction whose axes are its second input (ONNX's form since opset 13 or 18)."""

    def lower(call: Call) -> Any:
        if not call.is_float():
            raise call.unsupported("a reduction of integers")
        axes = [int(axis) % call.rank for axis in call.required(1, "axes")] if call.has(1) else []
        if not axes and call.attr("noop_with_empty_axes", 0):
            return mb.identity(x=call.var(0))
        keep = bool(call.attr("keepdims", 1))
        return getattr(mb, mil_op)(x=call.var(0), axes=axes or list(range(call.rank)), keep_dims=keep)

    lower.__name__, lower.__doc__ = op_type.lower(), f"{op_type} along constant axes."
    lowers(op_type, since)(lower)


_reduction("ReduceMean", 18, "reduce_mean")
_reduction("ReduceSum", 13, "reduce_sum")
_reduction("ReduceMax", 18, "reduce_max")
_reduction("ReduceMin", 18, "reduce_min")
_reduction("ReduceProd", 18, "reduce_prod")
_reduction("ReduceL1", 18, "reduce_l1_norm")
_reduction("ReduceL2", 18, "reduce_l2_norm")
_reduction("ReduceSumSquare", 18, "reduce_sum_square")
_reduction("ReduceLogSum", 18, "reduce_log_sum")
_reduction("ReduceLogSumExp", 18, "reduce_log_sum_exp")
