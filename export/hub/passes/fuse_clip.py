"""min(max(x, a), b) = Clip(x; a, b) and max(x, 0) = Relu(x): bounds that follow each other become one operator.

clip(clip(x, a, b), c, d) is one Clip too, of the bounds that are left. Relu6, min(relu(x), 6), is Clip(x; 0, 6).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.fuse_hard_swish import read_ramp
from export.hub.passes.rewrite import float_constant, only_used_by, replace

BOUNDING = ("Max", "Min", "Clip", "Relu")


def fuse_clip(model: ir.Model) -> int:
    """Fuse chains of bounds; returns how many were written."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type in BOUNDING)


def _fuse(node: ir.Node) -> bool:
    if node.graph is None or node.outputs[0].dtype is not ir.DataType.FLOAT:
        return False
    x, length = node.inputs[0], 1
    while (inner := x.producer()) is not None and inner.op_type in BOUNDING and only_used_by(x, _first_user(x)):
        if read_ramp(node.outputs[0], inner.inputs[0]) is None:
            break
        x, length = inner.inputs[0], length + 1
    ramp = read_ramp(node.outputs[0], x)
    if ramp is None:
        return False
    if (ramp.low, ramp.high) == (0.0, np.inf):
        if node.op_type == "Relu" and length == 1:
            return False
        replace(node, lambda tape: tape.op("Relu", [x]))
        return True
    if length == 1:
        return False
    bounds = [
        float_constant(node.graph, np.array(bound), "bound") if np.isfinite(bound) else None
        for bound in (ramp.low, ramp.high)
    ]
    while bounds and bounds[-1] is None:
        bounds.pop()
    replace(node, lambda tape: tape.op("Clip", [x, *bounds]))
    return True


def _first_user(value: ir.Value) -> ir.Node:
    return next(iter(value.uses())).node
