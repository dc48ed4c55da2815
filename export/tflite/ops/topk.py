"""TopK: the largest or smallest elements along an axis, and where they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import NARROW, Formula
from export.tflite.registry import lowering


def largest(context: Lowering, x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest elements along the last axis, the largest first, and their places (int32).

    Of equal elements the one in front comes first, as in ONNX.
    """
    shape = (*x.shape[:-1], count)
    inputs = [x, context.builder.constant(np.int32(count))]
    values, places = context.builder.emit_many("TOPK_V2", inputs, [shape, shape], like=x)
    places.dtype, places.quantization = np.dtype(np.int32), None
    return values, places


@lowering("TopK", 11)
def top_k(context: Lowering, node: ir.Node) -> None:
    """The ``k`` largest (or smallest) elements along an axis in order, and their places."""
    f, value = Formula(context), node.inputs[0]
    count = int(context.need_constant(node, 1, "number of elements").reshape(-1)[0])
    perm = context.place(value).perm
    axis = context.attribute(node, "axis", -1) % len(perm)
    perm = (*(a for a in perm if a != axis), axis)
    x = context.get(value, perm)
    kind = x.dtype
    x = f.cast(x, np.int32) if kind in NARROW else x
    if context.attribute(node, "largest", 1):
        values, places = largest(context, x, count)
    else:
        values, places = largest(context, f.reversed(x), count)
        values = f.reversed(values)
    context.bind(node.outputs[0], f.cast(values, kind), perm)
    if len(node.outputs) > 1:
        context.bind(node.outputs[1], f.cast(places, np.int64), perm)
