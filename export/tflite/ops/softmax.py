"""Softmax and LogSoftmax along one axis."""

from __future__ import annotations

import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.registry import lowering


def _along_last(context: Lowering, node: ir.Node, code: str, **options: float) -> None:
    value = node.inputs[0]
    placed = context.place(value)
    axis = context.attribute(node, "axis", -1) % len(placed.perm)
    perm = (*tuple(a for a in placed.perm if a != axis), axis)
    x = context.get(value, perm)
    context.bind(node.outputs[0], context.builder.emit(code, [x], x.shape, **options), perm)


@lowering("Softmax", 13)
def softmax(context: Lowering, node: ir.Node) -> None:
    """``exp(x) / sum(exp(x))`` along an axis; along the channels of a picture it is TFLite's own last axis."""
    _along_last(context, node, "SOFTMAX", beta=1.0)


@lowering("LogSoftmax", 13)
def log_softmax(context: Lowering, node: ir.Node) -> None:
    """The logarithm of Softmax."""
    _along_last(context, node, "LOG_SOFTMAX")
