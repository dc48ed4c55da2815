"""f(x) = x for every x: such nodes are removed.

x + 0, x − 0, x · 1 and x / 1, if x already has the broadcast shape; a Reshape, Squeeze, Expand, Tile, Slice,
Pad or Resize to the shape that x has; a Transpose that moves no axis, or only axes of length 1 (which is then a
Reshape, not an elimination, and stays); Dropout at inference; Cast to the dtype that x has; Concat, Sum, Max,
Min or Mean of one tensor; Clip without bounds. And Reshape(Reshape(x)) = Reshape(x).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, bypass, constant, dims, produced_by

NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0}
# Each maps a tensor to itself once it keeps the shape: these only copy elements, in order.
COPYING = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile", "Slice")
ONE_OPERAND = ("Concat", "Sum", "Max", "Min", "Mean")


def eliminate(model: ir.Model) -> int:
    """Remove nodes that return their input; returns how many."""
    count = 0
    for node in list(model.graph):
        if _is_identity(node):
            count += bypass(node)
        elif node.op_type == "Reshape":
            count += _merge_reshapes(node)
    return count


def _is_identity(node: ir.Node) -> bool:
    op = node.op_type
    if op == "Identity":
        return True
    if op == "Dropout":
        training = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else False
        return training is not None and not np.any(training) and not _mask_is_used(node)
    if not node.inputs or node.inputs[0] is None:
        return False
    x, y = node.inputs[0], node.outputs[0]
    if dims(x) is None or dims(x) != dims(y) or x.dtype != y.dtype or x.dtype is None:
        return False
    if op in NEUTRAL:
        other = constant(node.inputs[1])  # order_operands puts constants there
        return other is not None and bool(np.all(other == NEUTRAL[op]))
    if op == "Slice":
        return _keeps_direction(node)
    if op in ONE_OPERAND:
        return len(node.inputs) == 1
    if op == "Transpose":
        perm = attribute(node, "perm", tuple(reversed(range(len(dims(x))))))
        return tuple(perm) == tuple(range(len(perm)))
    if op == "Pad":
        pads = constant(node.inputs[1])
        return pads is not None and not np.any(pads)
    if op == "Clip":
        return all(value is None for value in node.inputs[1:])
    if op == "Resize":
        return _resizes_by_one(node)
    return op in COPYING or op == "Cast"


def _mask_is_used(node: ir.Node) -> bool:
    return len(node.outputs) > 1 and (bool(node.outputs[1].uses()) or node.outputs[1].is_graph_output())


def _keeps_direction(node: ir.Node) -> bool:
    """Of a Slice that keeps the shape: whether every step is 1, because -1 would mirror."""
    if len(node.inputs) < 5 or node.inputs[4] is None:
        return True
    steps = constant(node.inputs[4])
    return steps is not None and bool(np.all(steps == 1))


def _resizes_by_one(node: ir.Node) -> bool:
    """Of a Resize that keeps the shape: whether every point is read exactly where it is written."""
    mode = attribute(node, "coordinate_transformation_mode", "half_pixel")
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    if scales is not None and scales.size:
        return mode != "tf_crop_and_resize" and bool(np.all(scales == 1))
    return mode in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel") and not attribute(
        node, "antialias", 0
    )


def _merge_reshapes(node: ir.Node) -> bool:
    inner = produced_by(node.inputs[0], "Reshape", "Squeeze", "Unsqueeze", "Flatten")
    target = constant(node.inputs[1])
    if inner is None or target is None or np.any(target == 0):
        return False
    node.replace_input_with(0, inner.inputs[0])
    return True
