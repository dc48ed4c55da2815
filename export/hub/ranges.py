"""Bounds that hold for a tensor whatever the input is, read off the graph's last operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant

UNBOUNDED = (-np.inf, np.inf)
BOUNDED_OPS = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Cos": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
}
MOVING_OPS = ("Identity", "Reshape", "Transpose", "DepthToSpace", "SpaceToDepth", "Slice", "Squeeze", "Unsqueeze")
MAX_DEPTH = 16  # operators looked back; bounds come from the last few


def bounds(value: ir.Value, depth: int = MAX_DEPTH) -> tuple[float, float]:
    """(lowest, highest) that ``value`` can ever be, by interval arithmetic; infinite where nothing bounds it."""
    array = constant(value)
    if array is not None and array.size:
        return float(array.min()), float(array.max())
    node = value.producer()
    if node is None or depth == 0:
        return UNBOUNDED
    if node.op_type in BOUNDED_OPS:
        return BOUNDED_OPS[node.op_type]
    if node.op_type in MOVING_OPS:
        return bounds(node.inputs[0], depth - 1)
    if node.op_type == "Concat":
        parts = [bounds(v, depth - 1) for v in node.inputs]
        return min(low for low, _ in parts), max(high for _, high in parts)
    if node.op_type == "Resize" and attribute(node, "mode", "nearest") != "cubic":
        return bounds(node.inputs[0], depth - 1)  # a mean of neighbors
    if node.op_type == "Relu":
        low, high = bounds(node.inputs[0], depth - 1)
        return max(low, 0.0), max(high, 0.0)
    if node.op_type == "Clip":
        return _clip(node, depth)
    if node.op_type in ("Add", "Sub", "Mul", "Div") and len(node.inputs) == 2:
        return _arithmetic(node, depth)
    return UNBOUNDED


def _clip(node: ir.Node, depth: int) -> tuple[float, float]:
    low, high = bounds(node.inputs[0], depth - 1)
    limits = [*node.inputs[1:], None, None][:2]
    minimum = -np.inf if limits[0] is None else bounds(limits[0], depth - 1)[0]
    maximum = np.inf if limits[1] is None else bounds(limits[1], depth - 1)[1]
    return min(max(low, minimum), maximum), min(max(high, minimum), maximum)


def _arithmetic(node: ir.Node, depth: int) -> tuple[float, float]:
    (a, b), (c, d) = (bounds(v, depth - 1) for v in node.inputs)
    if node.op_type == "Add":
        return a + c, b + d
    if node.op_type == "Sub":
        return a - d, b - c
    if not np.all(np.isfinite((a, b, c, d))) or (node.op_type == "Div" and c <= 0 <= d):
        return UNBOUNDED
    ends = (a * c, a * d, b * c, b * d) if node.op_type == "Mul" else (a / c, a / d, b / c, b / d)
    return min(ends), max(ends)
