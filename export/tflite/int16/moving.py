"""Operators that move, join and interpolate 16-bit numbers."""

from __future__ import annotations

import onnx_ir as ir

from export.tflite.int16.surroundings import emit, following, int16_input, int16_rule, is_int16, rescales
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.pieces import concatenate
from export.tflite.ops.resize import keeps_scale
from export.tflite.registry import lowering as float_rules

MOVES = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Slice", "Split", "Gather",
    "Tile", "Expand", "Pad", "MaxPool",
)  # fmt: skip


@int16_rule(*MOVES)
def int16_move(context: Lowering, node: ir.Node) -> bool:
    """Runs the float rule on the 16-bit tensor: no number changes."""
    if not is_int16(context, node.inputs[0]):
        return False
    if node.op_type == "Pad" and not _pads_with_zero(context, node):
        return False
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return False  # places are no 16-bit numbers
    _run_on_int16(context, node)
    return True


def _run_on_int16(context: Lowering, node: ir.Node) -> None:
    rule = float_rules.find(node, context.opset)
    with context.keeping_quantized():
        rule(context, node)
    for output in node.outputs:
        if output is not None and output.name:
            placed = context.release(output)
            context.bind_quantized(output, placed.tensor, placed.perm)


def _pads_with_zero(context: Lowering, node: ir.Node) -> bool:
    if context.attribute(node, "mode", "constant") != "constant" or context.input(node, 2) is None:
        return True
    fill = context.constant(node.inputs[2])
    return fill is not None and not fill.any()


@int16_rule("Resize", "AveragePool")
def int16_average(context: Lowering, node: ir.Node) -> bool:
    """Interpolation and averaging, which round to the input's scale."""
    attribute, x = context.attribute, int16_input(context, node.inputs[0])
    after = following(context, node)
    if x is None or after is None or not rescales(x.tensor.quantization.scale[0] / after.scale):
        return False
    padded = any(attribute(node, "pads", (0,))) or attribute(node, "auto_pad", "NOTSET").startswith("SAME")
    dilated = any(d > 1 for d in attribute(node, "dilations", (1,)))
    if node.op_type == "AveragePool" and (padded or dilated or attribute(node, "ceil_mode", 0)):
        return False  # windows at the edge are corrected in float
    if node.op_type == "Resize" and not keeps_scale(context, node):
        return False
    _run_on_int16(context, node)
    placed = context.quantized(node.outputs[0])
    return after.bind(context, placed.tensor, placed.perm)


@int16_rule("Concat")
def int16_concat(context: Lowering, node: ir.Node) -> bool:
    """CONCATENATION, which wants one scale: inputs that differ are requantized first, as the Q/DQ graph does."""
    inputs, after = [int16_input(context, value) for value in node.inputs], following(context, node)
    if after is None or any(placed is None for placed in inputs):
        return False
    if not all(rescales(placed.tensor.quantization.scale[0] / after.scale) for placed in inputs):
        return False
    rank = len(node.outputs[0].shape)
    with context.keeping_quantized():
        perm = context.broadcast_perm(node.inputs, rank)
        parts = [context.get(value, perm) for value in node.inputs]
    parts = [
        part if part.quantization == after.quantization
        else emit(context, "QUANTIZE", [part], part.shape, after.quantization)
        for part in parts
    ]  # fmt: skip
    axis = perm.index(context.attribute(node, "axis") % rank)
    return after.bind(context, concatenate(context, parts, axis), perm)


@int16_rule("DepthToSpace")
def int16_depth_to_space(context: Lowering, node: ir.Node) -> bool:
    """Channels to places by a TRANSPOSE of four axes, since DEPTH_TO_SPACE has no 16-bit kernel.

    In mode DCR channel ``(i b + j) C + c`` of a pixel goes to row i and column j of its block: rows of blocks change
    places with the pixels of a line.
    """
    x, block = int16_input(context, node.inputs[0]), context.attribute(node, "blocksize")
    if x is None or context.attribute(node, "mode", "DCR") not in ("DCR", "CRD"):
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
    n, h, w, channels = picture.shape
    depth = channels // block**2
    if context.attribute(node, "mode", "DCR") == "CRD":
        order = [c * block**2 + k for k in range(block**2) for c in range(depth)]
        picture = emit(
            context, "GATHER", [picture, context.builder.ints(order)], picture.shape, picture.quantization, axis=3
        )
    lines = context.reshape(picture, (n * h, w, block, block * depth))
    y = context.reshape(context.transpose(lines, (0, 2, 1, 3)), (n, h * block, w * block, depth))
    context.bind_quantized(node.outputs[0], y, NHWC)
    return True
