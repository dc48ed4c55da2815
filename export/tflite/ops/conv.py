"""Conv: CONV_2D, grouped CONV_2D and DEPTHWISE_CONV_2D.

One spatial axis is a picture of height 1. Three are a sum over the taps of the first axis: with depth as part of the
batch, ``y[d] = sum_k conv2d(x[d * stride + k * dilation], w[k])``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.conv_forms import conv_of_few_channels, conv_of_upsampled, conv_to_few_channels
from export.tflite.ops.formula import Formula
from export.tflite.ops.kernel import Kernel
from export.tflite.ops.spatial import bind_spatial, channels_last, lines, pad_spatial, read_spatial
from export.tflite.ops.windows import Window, read_window
from export.tflite.ops.winograd import conv_by_rows
from export.tflite.registry import lowering


@lowering("Conv", 11)
def conv(context: Lowering, node: ir.Node) -> None:
    """Convolution over one to three axes; weights ``[O, I/groups, ..]`` and bias may come at run time."""
    x = read_spatial(context, node)
    weights, bias = (context.constant(context.input(node, i)) for i in (1, 2))
    if x.rank == 4 and weights is not None and (bias is not None or context.input(node, 2) is None):
        y = cheaper_form(
            context, node, x, Kernel(weights, np.zeros(len(weights), np.float32) if bias is None else bias)
        )
        if y is not None:
            context.bind(node.outputs[0], y, NHWC)
            return
    filters, _ = filter_layout(node, context, weights)
    y = emit_conv(context, node, [x, _filters(context, node, filters), read_bias(context, node)])
    bind_spatial(context, node.outputs[0], y)


def cheaper_form(context: Lowering, node: ir.Node, x: Tensor, kernel: Kernel) -> Tensor | None:
    """The convolution of ``x`` (NHWC) in the first form that applies to it, None where there is none."""
    for form in (conv_of_upsampled, conv_by_rows):
        y = form(context, node, kernel)
        if y is not None:
            return y
    window = read_window(context, node, kernel.weights.shape[2:], x.shape[1:-1], context.shape(node.outputs[0])[2:])
    y = conv_to_few_channels(context, node, x, window, kernel)
    return conv_of_few_channels(context, node, x, window, kernel) if y is None else y


def read_bias(context: Lowering, node: ir.Node, index: int = 2) -> Tensor:
    """The node's bias, zeros if it has none."""
    value = context.input(node, index)
    if value is not None:
        return context.plain(value)
    return context.builder.constant(np.zeros(context.shape(node.outputs[0])[1], np.float32))


def _filters(context: Lowering, node: ir.Node, laid: np.ndarray | None) -> Tensor:
    value = node.inputs[1]
    if laid is not None:
        return context.builder.constant(laid, value.name)
    return context.get(value, _filter_order(node, context, len(value.shape)))


def is_depthwise(node: ir.Node, context: Lowering) -> bool:
    """Whether each input channel has filters of its own."""
    groups = context.attribute(node, "group", 1)
    return groups > 1 and groups == context.shape(node.inputs[0])[1]


def _filter_order(node: ir.Node, context: Lowering, rank: int) -> tuple[int, ...]:
    return (1, *range(2, rank), 0) if is_depthwise(node, context) else channels_last(rank)


def filter_layout(node: ir.Node, context: Lowering, weights: np.ndarray | None) -> tuple[np.ndarray | None, int]:
    """The weights, if they are known, as TFLite wants them and the axis of the output channels.

    OHWI for CONV_2D (groups included), 1HWO for DEPTHWISE_CONV_2D; with one, two or three axes for HW.
    """
    rank = len(node.inputs[1].shape)
    axis = rank - 1 if is_depthwise(node, context) else 0
    if weights is None:
        return None, axis
    return np.ascontiguousarray(weights.transpose(_filter_order(node, context, rank))), axis


def emit_conv(
    context: Lowering, node: ir.Node, operands: Sequence[Tensor], quantization: Quantization | None = None
) -> Tensor:
    """Writes the convolution of ``operands``: ``x`` (channels last), filters, bias.

    It is of ``x``'s type if ``quantization`` is given, else float32. The output is ``[N, .., C]``; its spatial axes may
    be folded (:func:`~export.tflite.ops.spatial.bind_spatial`).
    """
    x, filters, bias = operands
    output = context.shape(node.outputs[0])[2:]
    window = read_window(context, node, filters.shape[1:-1], x.shape[1:-1], output)
    return write_conv(context, x, filters, bias, window, output, is_depthwise(node, context), quantization)


def write_conv(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, window: Window, output: tuple[int, ...],
    depthwise: bool, quantization: Quantization | None = None,
) -> Tensor:  # fmt: skip
    """Writes a convolution over any number of axes whose output has the spatial size ``output``."""
    axes = len(output)
    if axes == 1:
        picture = context.reshape(x, (x.shape[0], 1, *x.shape[1:]))
        filters = context.reshape(filters, (filters.shape[0], 1, *filters.shape[1:]))
        return _conv_2d(context, picture, filters, bias, window.with_height(), (1, *output), depthwise, quantization)
    if axes == 2:
        return _conv_2d(context, x, filters, bias, window, output, depthwise, quantization)
    return _sum_over_taps(context, x, filters, bias, window, output, depthwise)


def _sum_over_taps(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, window: Window, output: tuple[int, ...],
    depthwise: bool,
) -> Tensor:  # fmt: skip
    f, first, rest = Formula(context), window.axes(0, 1), window.axes(1, None)
    none = (0,) * len(rest.kernel)
    x = pad_spatial(context, x, (*first.before, *none), (*first.after, *none))
    shape = (x.shape[0] * output[0], *x.shape[2:])
    total = None
    for tap in range(first.kernel[0]):
        planes = lines(context, x, 1, tap * first.dilations[0], output[0], first.strides[0])
        planes = context.reshape(planes, shape)
        part = write_conv(context, planes, one_tap(context, filters, 1, tap), bias, rest, output[1:], depthwise)
        total = part if total is None else f.add(total, part)
        bias = context.builder.constant(np.zeros(bias.shape, np.float32))
    return total


def one_tap(context: Lowering, filters: Tensor, axis: int, tap: int) -> Tensor:
    """The filters at one place along a spatial axis, without that axis."""
    if filters.data is not None:
        return context.builder.constant(np.take(filters.data, tap, axis))
    line = lines(context, filters, axis, tap, 1)
    return context.reshape(line, (*filters.shape[:axis], *filters.shape[axis + 1 :]))


def _conv_2d(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, window: Window, output: tuple[int, ...],
    depthwise: bool, quantization: Quantization | None,
) -> Tensor:  # fmt: skip
    """Pads become SAME where they equal it, else a PAD."""
    channels = filters.shape[3] if depthwise else filters.shape[0]
    same = window.padded and window.is_same(x.shape[1:3])
    if not same:
        x = pad_spatial(context, x, window.before, window.after)
    options = {
        "padding": "SAME" if same else "VALID",
        "strideH": window.strides[0],
        "strideW": window.strides[1],
        "dilationHFactor": window.dilations[0],
        "dilationWFactor": window.dilations[1],
    }
    if depthwise:
        options["depthMultiplier"] = channels // x.shape[3]
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    shape = (x.shape[0], *output, channels)
    dtype = np.float32 if quantization is None else x.dtype
    return context.builder.emit(code, [x, filters, bias], shape, dtype=dtype, quantization=quantization, **options)
