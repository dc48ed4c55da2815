"""LRN: LOCAL_RESPONSE_NORMALIZATION for windows of odd size, sums of shifted squares for even ones."""

from __future__ import annotations

from functools import reduce

import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.pieces import take
from export.tflite.ops.spatial import as_picture, bind_spatial, pad_axes, read_spatial
from export.tflite.registry import lowering


@lowering("LRN", 13)
def lrn(context: Lowering, node: ir.Node) -> None:
    """``x / (bias + alpha / size * s)^beta``, ``s`` being the sum of squares over ``size`` neighboring channels.

    The window of channel ``c`` runs from ``c - floor((size - 1) / 2)`` to ``c + ceil((size - 1) / 2)``; channels that
    do not exist count as zeros.
    """
    x = as_picture(context, read_spatial(context, node))
    size = context.attribute(node, "size")
    alpha = context.attribute(node, "alpha", 1e-4) / size
    beta, bias = context.attribute(node, "beta", 0.75), context.attribute(node, "bias", 1.0)
    if size % 2:
        y = context.builder.emit(
            "LOCAL_RESPONSE_NORMALIZATION", [x], x.shape, radius=size // 2, bias=bias, alpha=alpha, beta=beta
        )
    else:
        f = Formula(context)
        before = (size - 1) // 2
        squares = pad_axes(context, f.unary("SQUARE", x), (0, 0, 0, before), (0, 0, 0, size - 1 - before))
        total = reduce(f.add, [take(context, squares, 3, shift, x.shape[3]) for shift in range(size)])
        y = f.mul(x, f.binary("POW", f.add(f.mul(total, float(alpha)), float(bias)), -float(beta)))
    bind_spatial(context, node.outputs[0], y)
