"""Convolutions and matrix products of 16-bit activations and 8-bit weights.

Their bias is 64 bits: the kernels then add up in 64 bits, where 2^15 x 2^7 x 512 products fill 31.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.int8.surroundings import Weights, int8_weights
from export.tflite.int16.surroundings import (
    PRODUCT_RATIOS,
    Rounded,
    emit,
    following,
    int16_input,
    int16_rule,
    rescales,
)
from export.tflite.lowering import NHWC, Lowering, plain
from export.tflite.ops import conv, conv_transpose

BIAS_LIMIT = 2**46  # the kernels rescale sums of 48 bits


def _filters_and_bias(
    context: Lowering, node: ir.Node, x: Tensor, weights: Weights, laid: np.ndarray, axis: int, after: Rounded
) -> tuple[Tensor, Tensor] | None:
    """The filter and bias tensors of a product of ``x``; None where the bias or the rescaling does not fit.

    ``laid`` are the weights in TFLite's layout, whose output channels run along ``axis``.
    """
    steps = np.float64(x.quantization.scale[0]) * weights.scale.astype(np.float64)
    if not rescales(steps / after.scale, PRODUCT_RATIOS):
        return None
    real, value = np.zeros(steps.size), context.input(node, 2)
    if value is not None:
        real = context.constant(value)
        if real is None:
            return None
    bias = np.rint(np.broadcast_to(real.reshape(-1), steps.shape).astype(np.float64) / steps)
    if np.any(np.abs(bias) > BIAS_LIMIT):
        return None
    zeros = (0,) * steps.size
    scales = Quantization(tuple(weights.scale.tolist()), zeros, axis)
    bias_scales = Quantization(tuple(steps.astype(np.float32).tolist()), zeros)
    filters = context.builder.constant(laid, node.inputs[1].name, scales)
    return filters, context.builder.constant(bias.astype(np.int64), "", bias_scales)


@int16_rule("Conv")
def int16_conv(context: Lowering, node: ir.Node) -> bool:
    """CONV_2D or DEPTHWISE_CONV_2D with per-channel weights."""
    x, after = int16_input(context, node.inputs[0]), following(context, node, "Relu")
    weights = int8_weights(context, node.inputs[1], axis=0)
    if x is None or after is None or weights is None or len(node.inputs[0].shape) != 4:
        return False
    laid, axis = conv.filter_layout(node, context, weights.array)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, axis, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        y = conv.emit_conv(context, node, [picture, *operands], after.quantization)
    y.producer.options["fusedActivationFunction"] = after.activation
    return after.bind(context, y, NHWC)


@int16_rule("ConvTranspose")
def int16_conv_transpose(context: Lowering, node: ir.Node) -> bool:
    """TRANSPOSE_CONV with per-channel weights."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    weights = int8_weights(context, node.inputs[1], axis=1)
    if x is None or after is None or weights is None or context.attribute(node, "group", 1) != 1 or x.tensor.rank != 4:
        return False
    laid = conv_transpose.transposed_filters(context, node, weights.array)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, 0, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        y = conv_transpose.emit_conv_transpose(context, node, [picture, *operands], after.quantization)
    return after.bind(context, y, NHWC)


@int16_rule("Gemm", "MatMul")
def int16_fully_connected(context: Lowering, node: ir.Node) -> bool:
    """FULLY_CONNECTED for constant matrices."""
    attribute = context.attribute
    if attribute(node, "transA", 0) or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1:
        return False
    flip = attribute(node, "transB", 0)
    x, after = int16_input(context, node.inputs[0]), following(context, node, "Relu")
    if x is None or after is None or len(node.inputs[1].shape) != 2 or len(node.inputs[0].shape) < 2:
        return False
    weights = int8_weights(context, node.inputs[1], axis=0 if flip else 1)
    bias = context.input(node, 2)
    if weights is None or (bias is not None and np.prod(context.shape(bias)) not in (1, weights.scale.size)):
        return False
    laid = np.ascontiguousarray(weights.array if flip else weights.array.T)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, 0, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        rows = context.plain(node.inputs[0])
    y = emit(
        context, "FULLY_CONNECTED", [rows, *operands], (*rows.shape[:-1], laid.shape[0]), after.quantization,
        keepNumDims=rows.rank > 2, fusedActivationFunction=after.activation,
    )  # fmt: skip
    return after.bind(context, y, plain(y.rank))
