"""Picking elements by index: Gather, GatherElements, GatherND. The indices may come at run time and be negative."""

from __future__ import annotations

import math

import onnx_ir as ir

from export.tflite.lowering import Lowering, Perm
from export.tflite.ops.indices import along_axis, as_tensor, index_of, of_tuples
from export.tflite.registry import lowering


@lowering("Gather", 13)
def gather(context: Lowering, node: ir.Node) -> None:
    """The lines of the first input that the second one lists, along ``axis``; the list may have any shape."""
    placed = context.place(node.inputs[0])
    x = placed.tensor
    hub_axis = context.attribute(node, "axis", 0) % x.rank
    axis = placed.perm.index(hub_axis)
    index = as_tensor(context, index_of(context, node, 1, x.shape[axis]))
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    y = context.builder.emit("GATHER", [x, index], shape, like=x, axis=axis)
    context.bind(node.outputs[0], y, _gathered_perm(placed.perm, hub_axis, index.rank))


def _gathered_perm(perm: Perm, hub_axis: int, inserted: int) -> Perm:
    """The order after one hub axis has become ``inserted`` axes (possibly none) in its place."""
    order: list[int] = []
    for axis in perm:
        if axis == hub_axis:
            order.extend(range(hub_axis, hub_axis + inserted))
        else:
            order.append(axis if axis < hub_axis else axis + inserted - 1)
    return tuple(order)


@lowering("GatherElements", 13)
def gather_elements(context: Lowering, node: ir.Node) -> None:
    """For each place of the indices the element with that index along ``axis``, all else equal: one flat GATHER."""
    placed = context.place(node.inputs[0])
    x, perm = placed.tensor, placed.perm
    axis = perm.index(context.attribute(node, "axis", 0) % x.rank)
    index = along_axis(context, node, index_of(context, node, 1, x.shape[axis], perm), x.shape, axis)
    flat = context.reshape(x, (math.prod(x.shape),))
    y = context.builder.emit("GATHER", [flat, as_tensor(context, index)], index.shape, like=x, axis=0)
    context.bind(node.outputs[0], y, perm)


@lowering("GatherND", 13)
def gather_nd(context: Lowering, node: ir.Node) -> None:
    """The rows that tuples of indices point to, after ``batch_dims`` shared axes: one GATHER of flattened rows."""
    x, batch = context.plain(node.inputs[0]), context.attribute(node, "batch_dims", 0)
    depth = node.inputs[1].shape[-1]
    index = index_of(context, node, 1, x.shape[batch : batch + depth])
    index = as_tensor(context, of_tuples(context, node, index, x.shape, batch))
    row = x.shape[batch + depth :]
    rows = context.reshape(x, (math.prod(x.shape[: batch + depth]), *row))
    y = context.builder.emit("GATHER", [rows, index], (*index.shape, *row), like=x, axis=0)
    context.bind(node.outputs[0], y)
