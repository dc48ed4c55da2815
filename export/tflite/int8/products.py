"""Convolutions and matrix products on int8 tensors."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.int8.kernel import MOST_SUMMED, Int8Kernel
from export.tflite.int8.surroundings import (
    PRODUCT_RATIOS,
    Result,
    Weights,
    filters_and_bias,
    following,
    int8_input,
    int8_rule,
    int8_weights,
    rescales,
)
from export.tflite.lowering import NHWC, Lowering, plain
from export.tflite.ops import conv, conv_transpose
from export.tflite.ops.transposed_phases import conv_transpose_by_phases


@int8_rule("Conv")
def int8_conv(context: Lowering, node: ir.Node) -> bool:
    """CONV_2D or DEPTHWISE_CONV_2D with per-channel weights, or a cheaper form of it."""
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    weights = int8_weights(context, node.inputs[1], axis=0)
    if x is None or after is None or weights is None or len(node.inputs[0].shape) != 4:
        return False
    laid, axis = conv.filter_layout(node, context, weights.array)
    operands = filters_and_bias(context, node, x.tensor, weights, laid, axis, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        y = _cheaper_form(context, node, picture, weights, after)
        if y is None:
            y = conv.emit_conv(context, node, [picture, *operands], after.quantization)
            y.producer.options["fusedActivationFunction"] = after.activation
    return after.bind(context, y, NHWC)


def _cheaper_form(context: Lowering, node: ir.Node, picture: Tensor, weights: Weights, after: Result) -> Tensor | None:
    x_scale = picture.quantization.scale[0]
    ratios = np.float64(x_scale) * weights.scale / after.quantization.scale[0]
    if not rescales(ratios * MOST_SUMMED, PRODUCT_RATIOS):
        return None
    return conv.cheaper_form(context, node, picture, _kernel(context, node, picture, weights, after))


def _kernel(context: Lowering, node: ir.Node, picture: Tensor, weights: Weights, after: Result) -> Int8Kernel:
    value = context.input(node, 2)
    bias = np.zeros(len(weights.array), np.float32) if value is None else context.constant(value).reshape(-1)
    return Int8Kernel(weights.array, bias, weights.scale, picture.quantization.scale[0], after)


@int8_rule("ConvTranspose")
def int8_conv_transpose(context: Lowering, node: ir.Node) -> bool:
    """A convolution for each phase, else TRANSPOSE_CONV, with per-channel weights."""
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    weights = int8_weights(context, node.inputs[1], axis=1)
    if x is None or after is None or weights is None or context.attribute(node, "group", 1) != 1 or x.tensor.rank != 4:
        return False
    laid = conv_transpose.transposed_filters(context, node, weights.array)
    operands = filters_and_bias(context, node, x.tensor, weights, laid, 0, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        turned = Weights(weights.array.swapaxes(0, 1), weights.scale)
        y = conv_transpose_by_phases(context, node, picture, _kernel(context, node, picture, turned, after))
        if y is None:
            after = following(context, node, activations=False)  # TRANSPOSE_CONV carries none
            if after is None:
                return False
            y = conv_transpose.emit_conv_transpose(context, node, [picture, *operands], after.quantization)
    return after.bind(context, y, NHWC)


@int8_rule("Gemm", "MatMul")
def int8_fully_connected(context: Lowering, node: ir.Node) -> bool:
    """FULLY_CONNECTED for constant matrices."""
    attribute = context.attribute
    if attribute(node, "transA", 0) or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1:
        return False
    flip = attribute(node, "transB", 0)
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None or len(node.inputs[1].shape) != 2 or len(node.inputs[0].shape) < 2:
        return False
    weights = int8_weights(context, node.inputs[1], axis=0 if flip else 1)
    bias = context.input(node, 2)
    if weights is None or (bias is not None and np.prod(context.shape(bias)) != weights.scale.size):
        return False
    laid = np.ascontiguousarray(weights.array if flip else weights.array.T)
    operands = filters_and_bias(context, node, x.tensor, weights, laid, 0, after)
    if operands is None:
        return False
    with context.keeping_quantized():
        rows = context.plain(node.inputs[0])
    shape = (*rows.shape[:-1], laid.shape[0])
    y = context.builder.emit(
        "FULLY_CONNECTED", [rows, *operands], shape, dtype=np.int8, quantization=after.quantization,
        keepNumDims=rows.rank > 2, fusedActivationFunction=after.activation,
    )  # fmt: skip
    return after.bind(context, y, plain(y.rank))
