"""Joining, cutting, picking and repeating along axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering, plain
from export.tflite.ops.pieces import concatenate, take
from export.tflite.registry import lowering, unsupported

MAX_SPLIT = 4  # XNNPACK takes a SPLIT into two, three or four


@lowering("Concat", 13)
def concat(context: Lowering, node: ir.Node) -> None:
    """The inputs one after the other along an axis."""
    rank = len(node.outputs[0].shape)
    values = [value for value in node.inputs if 0 not in context.shape(value)]
    perm = context.broadcast_perm(values, rank)
    axis = perm.index(context.attribute(node, "axis") % rank)
    tensors = [context.get(value, perm) for value in values]
    y = concatenate(context, tensors, axis)
    context.bind(node.outputs[0], y, perm)


@lowering("Split", 18)
def split(context: Lowering, node: ir.Node) -> None:
    """The input cut along an axis into as many parts as there are outputs."""
    placed = context.place(node.inputs[0])
    x, builder = placed.tensor, context.builder
    hub_axis = context.attribute(node, "axis", 0) % x.rank
    axis = placed.perm.index(hub_axis)
    lengths = [context.shape(output)[hub_axis] for output in node.outputs]
    if len(set(lengths)) == 1 and 1 < len(lengths) <= MAX_SPLIT and x.dtype != np.bool_:  # SPLIT has no bool kernel
        shape = list(x.shape)
        shape[axis] = lengths[0]
        place = builder.constant(np.int32(axis))
        parts = builder.emit_many("SPLIT", [place, x], [shape] * len(lengths), like=x, numSplits=len(lengths))
    else:
        starts = np.cumsum([0, *lengths])
        parts = [take(context, x, axis, int(start), n) for start, n in zip(starts, lengths, strict=False)]
    for output, part in zip(node.outputs, parts, strict=True):
        context.bind(output, part, placed.perm)


@lowering("Slice", 13)
def slice(context: Lowering, node: ir.Node) -> None:
    """``x[start:stop:step]`` along any axes; negative steps run backwards."""
    placed = context.place(node.inputs[0])
    x, rank = placed.tensor, placed.tensor.rank
    starts = context.need_constant(node, 1, "list of starts")
    stops = context.need_constant(node, 2, "list of ends")
    axes = context.constant(context.input(node, 3))
    steps = context.constant(context.input(node, 4))
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    ranges = [range(d) for d in x.shape]
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        physical = placed.perm.index(int(axis) % rank)
        ranges[physical] = _range(int(start), int(stop), int(step), x.shape[physical])
    context.bind(node.outputs[0], _slice(context, node, x, ranges), placed.perm)


def _range(start: int, stop: int, step: int, length: int) -> range:
    """The lines that a Slice takes; unlike Python's, a backward one that starts before the first line takes that."""
    start, stop = (at + length if at < 0 else at for at in (start, stop))
    if step > 0:
        return range(min(max(start, 0), length), min(max(stop, 0), length), step)
    return range(min(max(start, 0), length - 1), min(max(stop, -1), length - 1), step)


def _slice(context: Lowering, node: ir.Node, x: Tensor, ranges: list[range]) -> Tensor:
    builder = context.builder
    shape = [len(r) for r in ranges]
    if 0 in shape:
        raise unsupported(node, "it leaves nothing.")
    if shape == list(x.shape) and all(r.step == 1 for r in ranges):
        return x
    if all(r.step == 1 for r in ranges):
        return builder.emit("SLICE", [x, builder.ints(r.start for r in ranges), builder.ints(shape)], shape, like=x)
    # A backward range that runs to the beginning stops at -1, which TFLite would read as the last line.
    mask = sum(1 << i for i, r in enumerate(ranges) if r.stop < 0)
    limits = [builder.ints(values) for values in zip(*((r.start, max(r.stop, 0), r.step) for r in ranges), strict=True)]
    return builder.emit("STRIDED_SLICE", [x, *limits], shape, like=x, endMask=mask)


@lowering("Tile", 13)
def tile(context: Lowering, node: ir.Node) -> None:
    """The input repeated along each axis."""
    placed = context.place(node.inputs[0])
    repeats = context.need_constant(node, 1, "number of repeats")
    physical = [int(repeats[axis]) for axis in placed.perm]
    shape = [d * r for d, r in zip(placed.tensor.shape, physical, strict=True)]
    y = context.builder.emit("TILE", [placed.tensor, context.builder.ints(physical)], shape, like=placed.tensor)
    context.bind(node.outputs[0], y, placed.perm)


@lowering("Expand", 13)
def expand(context: Lowering, node: ir.Node) -> None:
    """Axes of length 1 stretched, and new ones put in front, as broadcasting would."""
    value, builder = node.inputs[0], context.builder
    target = context.shape(node.outputs[0])
    placed = context.place(value)
    x, perm = placed.tensor, placed.perm
    missing = len(target) - x.rank
    if missing:
        perm = plain(len(target))
        x = context.reshape(context.plain(value), (1,) * missing + context.shape(value))
    shape = tuple(target[axis] for axis in perm)
    y = x if x.shape == shape else builder.emit("BROADCAST_TO", [x, builder.ints(shape)], shape, like=x)
    context.bind(node.outputs[0], y, perm)
