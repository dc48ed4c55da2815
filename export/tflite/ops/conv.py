"""Conv: CONV_2D, grouped CONV_2D and DEPTHWISE_CONV_2D."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.conv_forms import conv_of_upsampled, conv_to_few_channels
from export.tflite.ops.windows import pad_nhwc, read_window
from export.tflite.registry import lowering, unsupported


@lowering("Conv", 11)
def conv(context: Lowering, node: ir.Node) -> None:
    """Convolution with constant weights ``[O, I/groups, kH, kW]`` over a picture."""
    weights = context.need_constant(node, 1, "weight")
    bias = np.zeros(weights.shape[0], np.float32)
    if context.input(node, 2) is not None:
        bias = context.need_constant(node, 2, "bias")
    x = context.nhwc(node)
    y = conv_of_upsampled(context, node, weights, bias)
    if y is None:
        window = read_window(context, node, weights.shape[2:], x.shape[1:3], context.shape(node.outputs[0])[2:])
        y = conv_to_few_channels(context, node, x, window, weights, bias)
    if y is not None:
        context.bind(node.outputs[0], y, NHWC)
        return
    filters, _ = filter_layout(node, context, weights)
    builder = context.builder
    y = emit_conv(context, node, [x, builder.constant(filters, node.inputs[1].name), builder.constant(bias)])
    context.bind(node.outputs[0], y, NHWC)


def is_depthwise(node: ir.Node, context: Lowering) -> bool:
    """Whether each input channel has filters of its own."""
    groups = context.attribute(node, "group", 1)
    return groups > 1 and groups == context.shape(node.inputs[0])[1]


def filter_layout(node: ir.Node, context: Lowering, weights: np.ndarray) -> tuple[np.ndarray, int]:
    """The weights as TFLite wants them and the axis of the output channels.

    OHWI for CONV_2D (groups included), 1HWO for DEPTHWISE_CONV_2D.
    """
    if is_depthwise(node, context):
        return np.ascontiguousarray(weights.transpose(1, 2, 3, 0)), 3
    return np.ascontiguousarray(weights.transpose(0, 2, 3, 1)), 0


def emit_conv(
    context: Lowering, node: ir.Node, operands: Sequence[Tensor], quantization: Quantization | None = None
) -> Tensor:
    """Writes the convolution of ``operands``: ``x`` (NHWC), filters and bias; int8 if ``quantization`` is given.

    Pads become SAME where they equal it, else a PAD.
    """
    x, filters, bias = operands
    _, channels, *output = context.shape(node.outputs[0])
    depthwise = is_depthwise(node, context)
    kernel = filters.shape[1:3]
    window = read_window(context, node, kernel, x.shape[1:3], tuple(output))
    same = window.padded and window.is_same(x.shape[1:3])
    if not same:
        x = pad_nhwc(context, x, window.before, window.after)
    options = {
        "padding": "SAME" if same else "VALID",
        "strideH": window.strides[0],
        "strideW": window.strides[1],
        "dilationHFactor": window.dilations[0],
        "dilationWFactor": window.dilations[1],
    }
    if depthwise:
        if window.strides[0] != window.strides[1]:
            raise unsupported(node, f"a depthwise convolution with unequal strides {list(window.strides)}.")
        options["depthMultiplier"] = channels // x.shape[3]
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    shape = (x.shape[0], *output, channels)
    dtype = np.float32 if quantization is None else np.int8
    return context.builder.emit(code, [x, filters, bias], shape, dtype=dtype, quantization=quantization, **options)
