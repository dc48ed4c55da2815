"""The place of the largest or smallest element along an axis: ArgMax, ArgMin."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.reduction import reduced_perm
from export.tflite.ops.topk import largest
from export.tflite.registry import lowering


@lowering("ArgMax", 13)
def arg_max(context: Lowering, node: ir.Node) -> None:
    """The place of the largest element along an axis, the first or the last if several are equal."""
    _arg(context, node, "ARG_MAX")


@lowering("ArgMin", 13)
def arg_min(context: Lowering, node: ir.Node) -> None:
    """The place of the smallest element along an axis, the first or the last if several are equal."""
    _arg(context, node, "ARG_MIN")


def _arg(context: Lowering, node: ir.Node, code: str) -> None:
    placed, f, builder = context.place(node.inputs[0]), Formula(context), context.builder
    x, hub_axis = placed.tensor, context.attribute(node, "axis", 0) % len(placed.perm)
    axis = placed.perm.index(hub_axis)
    last = context.attribute(node, "select_last_index", 0)
    if last:  # the first from behind
        x = builder.emit("REVERSE_V2", [x, builder.ints([axis])], x.shape, like=x)
    y = _first(context, f, x, axis, code)
    if last:
        y = f.sub(x.shape[axis] - 1, y)
    keepdims = bool(context.attribute(node, "keepdims", 1))
    if keepdims:
        y = context.reshape(y, [1 if i == axis else d for i, d in enumerate(x.shape)])
    context.bind(node.outputs[0], y, reduced_perm(placed.perm, [hub_axis], keepdims))


def _first(context: Lowering, f: Formula, x: Tensor, axis: int, code: str) -> Tensor:
    shape = [d for i, d in enumerate(x.shape) if i != axis]
    if x.dtype != np.int64:
        inputs = [x, context.builder.constant(np.int32(axis))]
        return context.builder.emit(code, inputs, shape, dtype=np.int64, outputType=np.int64)
    # ARG_MAX has no int64 kernel, TOPK_V2 has one.
    x = context.transpose(x, (*(i for i in range(x.rank) if i != axis), axis))
    _, place = largest(context, f.reversed(x) if code == "ARG_MIN" else x, 1)
    return f.cast(context.reshape(place, shape), np.int64)
