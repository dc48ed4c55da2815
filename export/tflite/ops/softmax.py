"""Softmax, LogSoftmax and ArgMax along one axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.registry import lowering, unsupported


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


@lowering("ArgMax", 13)
def arg_max(context: Lowering, node: ir.Node) -> None:
    """The place of the largest element along an axis, the first if several are equal."""
    if context.attribute(node, "select_last_index", 0):
        raise unsupported(node, "select_last_index is not supported.")
    placed = context.place(node.inputs[0])
    hub_axis = context.attribute(node, "axis", 0) % len(placed.perm)
    axis = placed.perm.index(hub_axis)
    shape = [d for i, d in enumerate(placed.tensor.shape) if i != axis]
    inputs = [placed.tensor, context.builder.constant(np.int32(axis))]
    y = context.builder.emit("ARG_MAX", inputs, shape, dtype=np.int64, outputType=np.int64)
    if context.attribute(node, "keepdims", 1):
        shape.insert(axis, 1)
        context.bind(node.outputs[0], context.reshape(y, shape), placed.perm)
        return
    perm = tuple(a - (a > hub_axis) for a in placed.perm if a != hub_axis)
    context.bind(node.outputs[0], y, perm)
