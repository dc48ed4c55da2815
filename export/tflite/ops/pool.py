"""Pooling over windows and over whole planes, along one to three axes.

Windows are separable: three axes are pooled as the last two (the first in the batch) and then the first. Along a
dilated axis the taps are strided slices, compared or added one after the other.
"""

from __future__ import annotations

from functools import reduce
from math import prod

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.plane import plane_mean
from export.tflite.ops.spatial import as_picture, bind_spatial, lines, pad_spatial, read_spatial
from export.tflite.ops.windows import Sizes, Window, read_window
from export.tflite.registry import lowering, unsupported

MAX_TAPS = 1024  # of a window whose places are asked for: each is a slice of its own


def lowest(dtype: np.dtype) -> np.ndarray:
    """The smallest number of a type; of floats that is minus infinity."""
    return np.asarray(np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf, dtype)


def _window(context: Lowering, node: ir.Node, x: Tensor) -> Window:
    kernel = tuple(context.attribute(node, "kernel_shape"))
    return read_window(context, node, kernel, x.shape[1:-1], context.shape(node.outputs[0])[2:])


def _pool(context: Lowering, code: str, x: Tensor, window: Window, padding: str) -> Tensor:
    """Writes a pooling operator over each of the axes of ``x`` (channels last) that :func:`_dilated` has left."""
    axes = len(window.kernel)
    if axes == 1:
        picture = context.reshape(x, (x.shape[0], 1, *x.shape[1:]))
        y = _pool_2d(context, code, picture, window.with_height(), padding)
        return context.reshape(y, (y.shape[0], *y.shape[2:]))
    if axes == 2:
        return _pool_2d(context, code, x, window, padding)
    n, depth, *plane = x.shape
    y = _pool(context, code, context.reshape(x, (n * depth, *plane)), window.axes(1, None), padding)
    first = window.axes(0, 1)
    along = Window((*first.kernel, 1), (*first.strides, 1), (1, 1), (*first.before, 0), (*first.after, 0))
    folded = context.reshape(y, (n, depth, prod(y.shape[1:-1]), y.shape[-1]))
    z = _pool_2d(context, code, folded, along, padding)
    return context.reshape(z, (n, z.shape[1], *y.shape[1:]))


def _pool_2d(context: Lowering, code: str, x: Tensor, window: Window, padding: str) -> Tensor:
    if window.kernel == window.strides == (1, 1):
        return x
    size = [
        -(-n // s) if padding == "SAME" else (n - k) // s + 1
        for n, k, s in zip(x.shape[1:3], window.kernel, window.strides, strict=True)
    ]
    return context.builder.emit(
        code, [x], (x.shape[0], *size, x.shape[3]), like=x, padding=padding,
        filterHeight=window.kernel[0], filterWidth=window.kernel[1],
        strideH=window.strides[0], strideW=window.strides[1],
    )  # fmt: skip


def _dilated(context: Lowering, code: str, x: Tensor, window: Window, output: Sizes) -> tuple[Tensor, Window]:
    """Folds the taps of each dilated axis by ``code``; the result and the window that is left, without pads."""
    kernel, strides = list(window.kernel), list(window.strides)

    def fold(a: Tensor, b: Tensor) -> Tensor:
        return context.builder.emit(code, [a, b], a.shape, like=a)

    for i, dilation in enumerate(window.dilations):
        if dilation > 1 and kernel[i] > 1:
            taps = [lines(context, x, i + 1, tap * dilation, output[i], strides[i]) for tap in range(kernel[i])]
            x = reduce(fold, taps)
            kernel[i] = strides[i] = 1
    ones = (1,) * len(kernel)
    return x, Window(tuple(kernel), tuple(strides), ones, window.before, window.after).without_pads()


@lowering("MaxPool", 12)
def max_pool(context: Lowering, node: ir.Node) -> None:
    """The largest element of each window, and its place if asked for; the padding never wins."""
    x = read_spatial(context, node)
    window = _window(context, node, x)
    output = context.shape(node.outputs[0])[2:]
    if len(node.outputs) > 1 and node.outputs[1] is not None and _is_used(node.outputs[1]):
        _max_with_places(context, node, x, window, output)
        return
    plain = all(d == 1 or k == 1 for d, k in zip(window.dilations, window.kernel, strict=True))
    if window.padded and plain and window.is_same(x.shape[1:-1]):
        bind_spatial(context, node.outputs[0], _pool(context, "MAX_POOL_2D", x, window, "SAME"))
        return
    # After a ReLU nothing is below zero, and XNNPACK takes PAD but not PADV2.
    fill = None if _is_rectified(x) else lowest(x.dtype)
    x = pad_spatial(context, x, window.before, window.after, fill)
    f, kind = Formula(context), x.dtype
    if not plain and x.quantization is None:
        x = f.cast(x, np.float32)  # MAXIMUM of 8-bit numbers expects a scale
    x, window = _dilated(context, "MAXIMUM", x, window, output)
    bind_spatial(context, node.outputs[0], f.cast(_pool(context, "MAX_POOL_2D", x, window, "VALID"), kind))


def _is_used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


def _is_rectified(x: Tensor) -> bool:
    rectifiers = ("RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC")
    if x.producer is None:
        return False
    return x.producer.code in rectifiers or x.producer.options.get("fusedActivationFunction") in rectifiers


def _max_with_places(context: Lowering, node: ir.Node, x: Tensor, window: Window, output: Sizes) -> None:
    """Compares the taps of the window one after the other; the first of equal ones keeps its place.

    A place counts the elements of the whole hub tensor, its last axis fastest, or with ``storage_order`` 1 its first
    spatial axis.
    """
    if prod(window.kernel) > MAX_TAPS:
        raise unsupported(node, f"the places of {prod(window.kernel)} elements a window are too many.")
    if prod(context.shape(node.inputs[0])) > np.iinfo(np.int32).max:
        raise unsupported(node, "the places in its input do not fit into 32 bits.")
    f, builder, size, kind = Formula(context), context.builder, x.shape[1:-1], x.dtype
    axes = range(len(size))
    first = bool(context.attribute(node, "storage_order", 0))
    strides = [prod(size[:i] if first else size[i + 1 :]) for i in axes]
    x = f.cast(x, np.float32)  # comparisons of 8-bit numbers expect a scale
    x = pad_spatial(context, x, window.before, window.after, lowest(x.dtype))
    best = place = None
    for tap in np.ndindex(*window.kernel):
        value, at = x, np.zeros(output, np.int64)
        for i, k in zip(axes, tap, strict=True):
            start, step = k * window.dilations[i], window.strides[i]
            value = lines(context, value, i + 1, start, output[i], step)
            along = (start + np.arange(output[i]) * step - window.before[i]) * strides[i]
            at = at + along.reshape([-1 if axis == i else 1 for axis in axes])
        value = as_picture(context, value)
        here = builder.constant(at.reshape(1, *value.shape[1:3], 1).astype(np.int32))
        if best is None:
            best, place = value, here
            continue
        larger = f.binary("GREATER", value, best, np.bool_)
        place = f.select(larger, here, place)
        best = f.maximum(best, value)
    n, channels = best.shape[0], best.shape[3]
    planes = np.arange(n * channels).reshape(n, 1, 1, channels) * prod(size)
    place = f.add(place, builder.constant(planes.astype(np.int32)))
    bind_spatial(context, node.outputs[0], f.cast(best, kind))
    bind_spatial(context, node.outputs[1], f.cast(place, np.int64))


@lowering("AveragePool", 11, 19)
def average_pool(context: Lowering, node: ir.Node) -> None:
    """The mean of each window; pads count or not as ``count_include_pad`` says, what hangs over the end never does."""
    x = read_spatial(context, node)
    window = _window(context, node, x)
    output = context.shape(node.outputs[0])[2:]
    counts = _counts(context, node, window, x.shape[1:-1], output)
    if np.any(counts == 0):
        raise unsupported(node, "some of its windows lie wholly in the padding, where there is no mean.")
    dilated = any(d > 1 and k > 1 for d, k in zip(window.dilations, window.kernel, strict=True))
    include = context.attribute(node, "count_include_pad", 0)
    if window.padded and not dilated and not include and window.is_same(x.shape[1:-1]):
        bind_spatial(context, node.outputs[0], _pool(context, "AVERAGE_POOL_2D", x, window, "SAME"))
        return
    x = pad_spatial(context, x, window.before, window.after)
    x, rest = _dilated(context, "ADD", x, window, output)
    y = _pool(context, "AVERAGE_POOL_2D", x, rest, "VALID")
    correction = float(prod(rest.kernel)) / counts
    if np.any(correction != 1):
        y = Formula(context).mul(y, context.builder.constant(correction.astype(np.float32)[..., None]))
    bind_spatial(context, node.outputs[0], y)


def _counts(context: Lowering, node: ir.Node, window: Window, size: Sizes, output: Sizes) -> np.ndarray:
    """How many elements each window's mean is taken over, of shape ``output``."""
    axes = len(size)
    pads = context.attribute(node, "pads", (0,) * (2 * axes))
    auto_pad = context.attribute(node, "auto_pad", "NOTSET")
    if auto_pad != "NOTSET":
        pads = (0,) * (2 * axes) if auto_pad == "VALID" else (*window.before, *window.after)
    include = context.attribute(node, "count_include_pad", 0)
    counts = np.ones((), np.float64)
    for i in range(axes):
        starts = np.arange(output[i]) * window.strides[i] - window.before[i]
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        low, high = (-pads[i], size[i] + pads[i + axes]) if include else (0, size[i])
        counts = np.multiply.outer(counts, ((taps >= low) & (taps < high)).sum(axis=1))
    return counts


@lowering("GlobalAveragePool", 1)
def global_average_pool(context: Lowering, node: ir.Node) -> None:
    """The mean of each plane."""
    x = as_picture(context, read_spatial(context, node))
    bind_spatial(context, node.outputs[0], plane_mean(context, x))


@lowering("GlobalMaxPool", 1)
def global_max_pool(context: Lowering, node: ir.Node) -> None:
    """The largest element of each plane."""
    x = as_picture(context, read_spatial(context, node))
    shape = (x.shape[0], 1, 1, x.shape[3])
    y = context.builder.emit("REDUCE_MAX", [x, context.builder.ints((1, 2))], shape, like=x, keepDims=True)
    bind_spatial(context, node.outputs[0], y)
