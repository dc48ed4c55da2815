"""Operators that move, join and average 8-bit numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.int8.surroundings import COPY_RATIOS, following, int8_input, int8_rule, rescales
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.pieces import concatenate
from export.tflite.ops.resize import keeps_scale
from export.tflite.registry import lowering as float_rules

# Operators that only move numbers: they run on whatever 8-bit tensor their input is, with its parameters.
MOVES = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Slice", "Split", "Gather",
    "Tile", "Expand", "Pad", "DepthToSpace", "SpaceToDepth", "MaxPool",
)  # fmt: skip
# Operators that keep the scale but round to it: only where a QuantizeLinear rounds next anyway.
AVERAGES = ("Resize", "AveragePool")


@int8_rule(*MOVES)
def int8_move(context: Lowering, node: ir.Node) -> bool:
    """Runs the float rule on the 8-bit tensor: no number changes."""
    if context.quantized(node.inputs[0]) is None:
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


@int8_rule(*AVERAGES)
def int8_average(context: Lowering, node: ir.Node) -> bool:
    """Interpolation and averaging, which round to the input's scale, in front of a QuantizeLinear."""
    if int8_input(context, node.inputs[0]) is None or following(context, node, activations=False) is None:
        return False
    attribute = context.attribute
    padded = any(attribute(node, "pads", (0,))) or attribute(node, "auto_pad", "NOTSET").startswith("SAME")
    dilated = any(d > 1 for d in attribute(node, "dilations", (1,)))
    if node.op_type == "AveragePool" and (padded or dilated or attribute(node, "ceil_mode", 0)):
        return False  # windows at the edge are corrected in float
    if node.op_type == "Resize" and not keeps_scale(context, node):
        return False
    return int8_move(context, node)


@int8_rule("Concat")
def int8_concat(context: Lowering, node: ir.Node) -> bool:
    """CONCATENATION, which wants one scale: inputs that differ are requantized first, as the Q/DQ graph does."""
    inputs = [int8_input(context, value) for value in node.inputs]
    after = following(context, node, activations=False)
    if after is None or any(placed is None for placed in inputs):
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
    """MEAN over whole planes, kept as [N, C, 1, 1]."""
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
