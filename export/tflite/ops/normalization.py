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
from export.tflite.lowering import NHWC, Lowering, plain
from export.tflite.ops.formula import Formula
from export.tflite.ops.plane import plane_mean
from export.tflite.registry import lowering, unsupported

DEFAULT_EPSILON = 1e-5


@lowering("BatchNormalization", 15)
def batch_normalization(context: Lowering, node: ir.Node) -> None:
    """``(x - mean) / sqrt(var + eps) * scale + bias`` with constants: one MUL, one ADD."""
    if context.attribute(node, "training_mode", 0) or len([o for o in node.outputs if o and o.uses()]) > 1:
        raise unsupported(node, "training mode is not supported.")
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, variance = (
        context.need_constant(node, i + 1, name).astype(np.float64) for i, name in enumerate(names)
    )
    s = scale / np.sqrt(variance + context.attribute(node, "epsilon", DEFAULT_EPSILON))
    t = bias - mean * s
    placed = context.place(node.inputs[0])
    per_channel = (-1,) + (1,) * (placed.tensor.rank - 2)
    s, t = (context.broadcast_constant(a.astype(np.float32).reshape(per_channel), placed.perm) for a in (s, t))
    f = Formula(context)
    context.bind(node.outputs[0], f.add(f.mul(placed.tensor, s), t), placed.perm)


@lowering("InstanceNormalization", 6)
def instance_normalization(context: Lowering, node: ir.Node) -> None:
    """Each plane to zero mean and unit variance, then scale and bias per channel (run-time ones too)."""
    x = context.nhwc(node)
    channels = x.shape[3]
    scale, bias = (_per_channel(context, value, channels) for value in node.inputs[1:3])
    mean = plane_mean(context, x)
    f = Formula(context)
    variance = plane_mean(context, f.binary("SQUARED_DIFFERENCE", x, mean))
    y = _scale_and_shift(f, x, mean, variance, context.attribute(node, "epsilon", DEFAULT_EPSILON), scale, bias)
    context.bind(node.outputs[0], y, NHWC)


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
    """Normalizes over the trailing axes from ``axis`` on; scale and bias have their shape."""
    if any(output is not None and output.uses() for output in node.outputs[1:]):
        raise unsupported(node, "its mean and deviation outputs are not supported.")
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
    y = f.mul(centered, f.unary("RSQRT", f.add(variance, float(context.attribute(node, "epsilon", DEFAULT_EPSILON)))))
    y = f.mul(y, _aligned(context, node.inputs[1], perm))
    if context.input(node, 2) is not None:
        y = f.add(y, _aligned(context, node.inputs[2], perm))
    context.bind(node.outputs[0], y, perm)


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
    x = context.nhwc(node)
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
    context.bind(node.outputs[0], y, NHWC)
