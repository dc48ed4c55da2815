"""Normalizations: BatchNormalization, InstanceNormalization, LayerNormalization, GroupNormalization.

Each is ``y = x * s + t`` with one ``s = scale / sqrt(variance + epsilon)`` and ``t = bias - mean * s`` per channel or
group, so that the whole plane is read and written as few times as can be. The variance is the mean of
``(x - mean)^2``: SQUARED_DIFFERENCE reads the plane as often as ``x^2`` would, and where the mean is 100 standard
deviations the result is off by 1e-5 instead of the 3e-3 of ``mean(x^2) - mean(x)^2`` (128 x 128 planes, float32).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering, Placed, plain
from export.tflite.ops.formula import Formula
from export.tflite.ops.lines import unfolded
from export.tflite.ops.plane import dequantized_moments, plane_mean
from export.tflite.ops.spatial import as_picture, bind_spatial, read_spatial
from export.tflite.registry import lowering, unsupported

DEFAULT_EPSILON = 1e-5
DEFAULT_MOMENTUM = 0.9


@lowering("BatchNormalization", 15)
def batch_normalization(context: Lowering, node: ir.Node) -> None:
    """``(x - mean) / sqrt(var + eps) * scale + bias``: with constants one MUL and one ADD."""
    epsilon = context.attribute(node, "epsilon", DEFAULT_EPSILON)
    if context.attribute(node, "training_mode", 0):
        _train_batch_normalization(context, node, epsilon)
        return
    f, placed = Formula(context), context.place(node.inputs[0])
    known = [context.constant(value) for value in node.inputs[1:]]
    if all(array is not None for array in known):
        scale, bias, mean, variance = (array.astype(np.float64) for array in known)
        s = scale / np.sqrt(variance + epsilon)
        t = bias - mean * s
        per_channel = (-1,) + (1,) * (placed.tensor.rank - 2)
        s, t = (context.broadcast_constant(a.astype(np.float32).reshape(per_channel), placed.perm) for a in (s, t))
        context.bind(node.outputs[0], f.add(f.mul(placed.tensor, s), t), placed.perm)
        return
    scale, bias, mean, variance = (_along_channels(context, value, placed) for value in node.inputs[1:])
    context.bind(node.outputs[0], _scale_and_shift(f, placed.tensor, mean, variance, epsilon, scale, bias), placed.perm)


def _along_channels(context: Lowering, value: ir.Value, placed: Placed) -> Tensor:
    """A vector with a number per channel, shaped to broadcast against ``placed``."""
    channels = context.shape(value)[0]
    return context.reshape(context.plain(value), [channels if axis == 1 else 1 for axis in placed.perm])


def _train_batch_normalization(context: Lowering, node: ir.Node, epsilon: float) -> None:
    """Normalizes by the batch's own mean and variance; the running ones move towards them by ``1 - momentum``."""
    f, builder, placed = Formula(context), context.builder, context.place(node.inputs[0])
    x = placed.tensor
    axes = [i for i, axis in enumerate(placed.perm) if axis != 1]
    shape = tuple(1 if i in axes else d for i, d in enumerate(x.shape))
    mean = builder.emit("MEAN", [x, builder.ints(axes)], shape, keepDims=True)
    squares = f.binary("SQUARED_DIFFERENCE", x, mean)
    variance = builder.emit("MEAN", [squares, builder.ints(axes)], shape, keepDims=True)
    scale, bias = (_along_channels(context, value, placed) for value in node.inputs[1:3])
    context.bind(node.outputs[0], _scale_and_shift(f, x, mean, variance, epsilon, scale, bias), placed.perm)
    momentum = context.attribute(node, "momentum", DEFAULT_MOMENTUM)
    for value, output, batch in zip(node.inputs[3:5], node.outputs[1:3], (mean, variance), strict=False):
        if output is not None:
            moved = f.mul(context.reshape(batch, context.shape(value)), 1.0 - momentum)
            context.bind(output, f.add(f.mul(context.plain(value), float(momentum)), moved))


@lowering("InstanceNormalization", 6)
def instance_normalization(context: Lowering, node: ir.Node) -> None:
    """Each plane to zero mean and unit variance, then scale and bias per channel (run-time ones too)."""
    x = unfolded(as_picture(context, read_spatial(context, node)))
    channels = x.shape[3]
    scale, bias = (_per_channel(context, value, channels) for value in node.inputs[1:3])
    f = Formula(context)
    if context.statistics is not None:
        mean, variance = context.statistics.moments(x)
    elif x.producer is not None and x.producer.code == "DEQUANTIZE":
        mean, variance = dequantized_moments(context, x)
    else:
        mean = plane_mean(context, x)
        variance = plane_mean(context, f.binary("SQUARED_DIFFERENCE", x, mean))
    y = _scale_and_shift(f, x, mean, variance, context.attribute(node, "epsilon", DEFAULT_EPSILON), scale, bias)
    bind_spatial(context, node.outputs[0], y)


def _per_channel(context: Lowering, value: ir.Value, channels: int) -> Tensor:
    array = context.constant(value)
    if array is not None:
        return context.builder.constant(array.reshape(-1))
    return context.reshape(context.plain(value), (1, 1, 1, channels))


def _scale_and_shift(
    f: Formula, x: Tensor, mean: Tensor, variance: Tensor, epsilon: float, scale: Tensor | None, bias: Tensor | None
) -> Tensor:
    s = f.unary("RSQRT", f.add(variance, float(epsilon)))
    s = s if scale is None else f.mul(s, scale)
    t = f.mul(mean, s)
    t = f.unary("NEG", t) if bias is None else f.sub(bias, t)
    return f.add(f.mul(x, s), t)


@lowering("LayerNormalization", 17)
def layer_normalization(context: Lowering, node: ir.Node) -> None:
    """Normalizes over the trailing axes from ``axis`` on; also gives the mean and the inverse deviation."""
    value = node.inputs[0]
    rank = len(value.shape)
    first = context.attribute(node, "axis", -1) % rank
    placed = context.place(value)
    x, perm = placed.tensor, placed.perm
    axes = [i for i, axis in enumerate(perm) if axis >= first]
    reduced = tuple(1 if i in axes else d for i, d in enumerate(x.shape))
    f, builder = Formula(context), context.builder
    mean = builder.emit("MEAN", [x, builder.ints(axes)], reduced, keepDims=True)
    centered = f.sub(x, mean)
    variance = builder.emit("MEAN", [f.unary("SQUARE", centered), builder.ints(axes)], reduced, keepDims=True)
    inverse = f.unary("RSQRT", f.add(variance, float(context.attribute(node, "epsilon", DEFAULT_EPSILON))))
    for output, statistic in zip(node.outputs[1:], (mean, inverse), strict=False):
        if output is not None:
            context.bind(output, statistic, perm)
    y = f.mul(centered, inverse)
    if not _is_all(context, node.inputs[1], 1.0):
        y = f.mul(y, _aligned(context, node.inputs[1], perm))
    bias = context.input(node, 2)
    if bias is not None and not _is_all(context, bias, 0.0):
        y = f.add(y, _aligned(context, bias, perm))
    context.bind(node.outputs[0], y, perm)


def _is_all(context: Lowering, value: ir.Value, number: float) -> bool:
    """Whether ``value`` is a constant of this number alone: a scale or bias that a layer norm was given for form."""
    array = context.constant(value)
    return array is not None and bool(np.all(array == number))


def _aligned(context: Lowering, value: ir.Value, perm: tuple[int, ...]) -> Tensor:
    """A trailing-axes operand, broadcast against a tensor in the order ``perm``."""
    array = context.constant(value)
    if array is not None:
        return context.broadcast_constant(array, perm)
    tensor = context.plain(value)
    shape = (1,) * (len(perm) - tensor.rank) + tensor.shape
    return context.relayout(context.reshape(tensor, shape), plain(len(perm)), perm)


@lowering("GroupNormalization", 21)
def group_normalization(context: Lowering, node: ir.Node) -> None:
    """Normalizes groups of neighboring channels together; scale and bias per channel.

    Planes are equally large, so the mean of a group is the mean of its channels' means: no axis moves.
    """
    if context.statistics is not None:
        raise unsupported(node, "a file for tiles cannot hold it; export without --tiles.")
    x = as_picture(context, read_spatial(context, node))
    n, _h, _w, c = x.shape
    groups = context.attribute(node, "num_groups")
    f, builder = Formula(context), context.builder

    def group_mean(t: Tensor) -> Tensor:
        per_channel = context.reshape(plane_mean(context, t), (n, groups, c // groups))
        mean = builder.emit("MEAN", [per_channel, builder.ints([2])], (n, groups, 1), keepDims=True)
        return context.reshape(f.mul(mean, builder.constant(np.ones((1, 1, c // groups), np.float32))), (n, 1, 1, c))

    mean = group_mean(x)
    variance = group_mean(f.binary("SQUARED_DIFFERENCE", x, mean))
    scale, bias = (_per_channel(context, value, c) for value in node.inputs[1:3])
    y = _scale_and_shift(f, x, mean, variance, context.attribute(node, "epsilon", DEFAULT_EPSILON), scale, bias)
    bind_spatial(context, node.outputs[0], y)
