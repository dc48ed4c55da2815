"""Pooling over windows and over whole planes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.plane import plane_mean
from export.tflite.ops.windows import Window, pad_nhwc, read_window
from export.tflite.registry import lowering, unsupported


def lowest(dtype: np.dtype) -> np.ndarray:
    """The smallest number of a type."""
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else np.finfo(dtype)
    return np.asarray(limits.min, dtype)


def _window(context: Lowering, node: ir.Node, x: Tensor) -> Window:
    kernel = tuple(context.attribute(node, "kernel_shape"))
    window = read_window(context, node, kernel, x.shape[1:3], context.shape(node.outputs[0])[2:])
    if window.dilations != (1, 1):
        raise unsupported(node, f"dilations {list(window.dilations)} have no TFLite kernel.")
    return window


def emit_pool(context: Lowering, code: str, x: Tensor, window: Window, padding: str, size: tuple[int, int]) -> Tensor:
    """Writes a pooling operator over ``x`` (NHWC); the output is ``[N, *size, C]``."""
    return context.builder.emit(
        code, [x], (x.shape[0], *size, x.shape[3]), like=x, padding=padding,
        filterHeight=window.kernel[0], filterWidth=window.kernel[1],
        strideH=window.strides[0], strideW=window.strides[1],
    )  # fmt: skip


@lowering("MaxPool", 12)
def max_pool(context: Lowering, node: ir.Node) -> None:
    """The largest element of each window; the padding never wins."""
    if len(node.outputs) > 1 and node.outputs[1] is not None and node.outputs[1].uses():
        raise unsupported(node, "the indices output is not supported.")
    x = context.nhwc(node)
    window = _window(context, node, x)
    size = context.shape(node.outputs[0])[2:]
    padding = "SAME" if window.padded and window.is_same(x.shape[1:3]) else "VALID"
    if padding == "VALID" and window.padded:
        # After a ReLU nothing is below zero, and XNNPACK takes PAD but not PADV2.
        fill = None if _is_rectified(x) else lowest(x.dtype)
        x = pad_nhwc(context, x, window.before, window.after, fill)
    context.bind(node.outputs[0], emit_pool(context, "MAX_POOL_2D", x, window, padding, size), NHWC)


def _is_rectified(x: Tensor) -> bool:
    rectifiers = ("RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC")
    if x.producer is None:
        return False
    return x.producer.code in rectifiers or x.producer.options.get("fusedActivationFunction") in rectifiers


@lowering("AveragePool", 11, 19)
def average_pool(context: Lowering, node: ir.Node) -> None:
    """The mean of each window; pads count or not as ``count_include_pad`` says, what hangs over the end never does."""
    x = context.nhwc(node)
    window = _window(context, node, x)
    size = context.shape(node.outputs[0])[2:]
    if not window.padded:
        y = emit_pool(context, "AVERAGE_POOL_2D", x, window, "VALID", size)
    elif not context.attribute(node, "count_include_pad", 0) and window.is_same(x.shape[1:3]):
        y = emit_pool(context, "AVERAGE_POOL_2D", x, window, "SAME", size)
    else:
        counts = _counts(context, node, window, x.shape[1:3], size)
        padded = pad_nhwc(context, x, window.before, window.after)
        y = emit_pool(context, "AVERAGE_POOL_2D", padded, window, "VALID", size)
        correction = float(np.prod(window.kernel)) / counts
        if np.any(correction != 1):
            y = Formula(context).mul(y, context.builder.constant(correction.astype(np.float32)[..., None]))
    context.bind(node.outputs[0], y, NHWC)


def _counts(
    context: Lowering, node: ir.Node, window: Window, size: tuple[int, int], output: tuple[int, int]
) -> np.ndarray:
    """How many elements each window's mean is taken over, ``[outH, outW]``."""
    pads = context.attribute(node, "pads", (0, 0, 0, 0))
    if context.attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        pads = (*window.before, *window.after)
    include = context.attribute(node, "count_include_pad", 0)
    lines = []
    for i in range(2):
        starts = np.arange(output[i]) * window.strides[i] - window.before[i]
        low, high = (-pads[i], size[i] + pads[i + 2]) if include else (0, size[i])
        lines.append(np.minimum(starts + window.kernel[i], high) - np.maximum(starts, low))
    return np.outer(*lines).astype(np.float64)


@lowering("GlobalAveragePool", 1)
def global_average_pool(context: Lowering, node: ir.Node) -> None:
    """The mean of each plane."""
    context.bind(node.outputs[0], plane_mean(context, context.nhwc(node)), NHWC)


@lowering("GlobalMaxPool", 1)
def global_max_pool(context: Lowering, node: ir.Node) -> None:
    """The largest element of each plane."""
    x = context.nhwc(node)
    shape = (x.shape[0], 1, 1, x.shape[3])
    y = context.builder.emit("REDUCE_MAX", [x, context.builder.ints((1, 2))], shape, like=x, keepDims=True)
    context.bind(node.outputs[0], y, NHWC)
