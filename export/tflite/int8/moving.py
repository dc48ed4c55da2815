"""Operators that move, join and average 8-bit numbers."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.int8.surroundings import (
    COPY_RATIOS,
    PRODUCT_RATIOS,
    WEIGHT_LIMIT,
    following,
    int8_input,
    int8_rule,
    rescales,
)
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.conv import write_conv
from export.tflite.ops.pieces import concatenate
from export.tflite.ops.resize import keeps_scale, only_moves
from export.tflite.ops.windows import read_window
from export.tflite.registry import lowering as float_rules

# Operators that only move numbers: they run on whatever 8-bit tensor their input is, with its parameters.
MOVES = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Slice", "Split", "Gather",
    "Tile", "Expand", "Pad", "DepthToSpace", "SpaceToDepth", "MaxPool",
)  # fmt: skip


@int8_rule(*MOVES)
def int8_move(context: Lowering, node: ir.Node) -> bool:
    """Runs the float rule on the 8-bit tensor: no number changes."""
    placed = context.quantized(node.inputs[0])
    if placed is None or placed.tensor.dtype == np.int16:
        return False
    if node.op_type == "Pad" and not _pads_with_zero(context, node):
        return False
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return False  # places are no 8-bit numbers
    rule = float_rules.find(node, context.opset)
    with context.keeping_quantized():
        rule(context, node)
    for output in node.outputs:
        if output is not None and output.name:
            placed = context.release(output)
            context.bind_quantized(output, placed.tensor, placed.perm)
    return True


def _pads_with_zero(context: Lowering, node: ir.Node) -> bool:
    if context.attribute(node, "mode", "constant") != "constant" or context.input(node, 2) is None:
        return True
    fill = context.constant(node.inputs[2])
    return fill is not None and not fill.any()


@int8_rule("Resize")
def int8_resize(context: Lowering, node: ir.Node) -> bool:
    """Pixels are moved, or interpolated to the input's scale where a QuantizeLinear rounds next anyway."""
    if int8_input(context, node.inputs[0]) is None:
        return False
    rounds_next = following(context, node, activations=False) is not None and keeps_scale(context, node)
    return (rounds_next or only_moves(context, node)) and int8_move(context, node)


@int8_rule("AveragePool")
def int8_average_pool(context: Lowering, node: ir.Node) -> bool:
    """A depthwise convolution of equal weights: XNNPACK has no int8 AVERAGE_POOL_2D."""
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    attribute = context.attribute
    padded = any(attribute(node, "pads", (0,))) or attribute(node, "auto_pad", "NOTSET").startswith("SAME")
    if x is None or after is None or x.tensor.rank != 4 or padded or attribute(node, "ceil_mode", 0):
        return False  # windows at the edge are corrected in float
    kernel, channels = tuple(attribute(node, "kernel_shape")), context.shape(node.inputs[0])[1]
    scale = 1 / (WEIGHT_LIMIT * prod(kernel))
    x_scale = x.tensor.quantization.scale[0]
    if not rescales(np.float64(x_scale) * scale / after.quantization.scale[0], PRODUCT_RATIOS):
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
    builder, zeros = context.builder, (0,) * channels
    weights, steps = np.full((1, *kernel, channels), WEIGHT_LIMIT, np.int8), np.zeros(channels, np.int32)
    filters = builder.constant(weights, "", Quantization((float(np.float32(scale)),) * channels, zeros, 3))
    bias = builder.constant(steps, "", Quantization((float(np.float32(x_scale * scale)),) * channels, zeros))
    output = context.shape(node.outputs[0])[2:]
    window = read_window(context, node, kernel, picture.shape[1:3], output)
    y = write_conv(context, picture, filters, bias, window, output, True, after.quantization)
    y.producer.options["fusedActivationFunction"] = after.activation
    return after.bind(context, y, NHWC)


@int8_rule("Concat")
def int8_concat(context: Lowering, node: ir.Node) -> bool:
    """CONCATENATION, which wants one scale: inputs that differ are requantized first, as the Q/DQ graph does."""
    inputs = [int8_input(context, value) for value in node.inputs]
    if any(placed is None for placed in inputs):
        return False
    if all(placed.tensor.quantization == inputs[0].tensor.quantization for placed in inputs):
        return int8_move(context, node)
    after = following(context, node, activations=False)
    if after is None:
        return False
    scales = np.array([placed.tensor.quantization.scale[0] for placed in inputs])
    if not rescales(scales / after.quantization.scale[0], COPY_RATIOS):
        return False
    rank = len(node.outputs[0].shape)
    with context.keeping_quantized():
        perm = context.broadcast_perm(node.inputs, rank)
        parts = [context.get(value, perm) for value in node.inputs]
    parts = [_requantize(context, part, after.quantization) for part in parts]
    axis = perm.index(context.attribute(node, "axis") % rank)
    return after.bind(context, concatenate(context, parts, axis), perm)


@int8_rule("GlobalAveragePool", "ReduceMean")
def int8_plane_mean(context: Lowering, node: ir.Node) -> bool:
    """MEAN over whole planes, kept as [N, C, 1, 1]; in float where a file for tiles is given means."""
    if context.statistics is not None:
        return False
    x, after = int8_input(context, node.inputs[0]), following(context, node, activations=False)
    if x is None or after is None or x.perm != NHWC:
        return False
    if node.op_type == "ReduceMean":
        axes = context.constant(context.input(node, 1))
        if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3] or not context.attribute(node, "keepdims", 1):
            return False
    if not rescales(x.tensor.quantization.scale[0] / after.quantization.scale[0], COPY_RATIOS):
        return False
    shape = (x.tensor.shape[0], 1, 1, x.tensor.shape[3])
    inputs = [x.tensor, context.builder.ints((1, 2))]
    y = context.builder.emit("MEAN", inputs, shape, dtype=np.int8, quantization=after.quantization, keepDims=True)
    return after.bind(context, y, NHWC)


def _requantize(context: Lowering, tensor: Tensor, quantization: Quantization) -> Tensor:
    if tensor.quantization == quantization:
        return tensor
    return context.builder.emit("QUANTIZE", [tensor], tensor.shape, dtype=np.int8, quantization=quantization)
