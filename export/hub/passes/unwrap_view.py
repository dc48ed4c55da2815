"""View(f(View(x))) = f(x) where f works element by element, or along the last axis and both views keep that.

So the Flatten and Reshape around a Softmax go that a converter from opset 12 and older has put there, whose Softmax
flattened its input to a matrix.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.lower_rank import MAX_RANK
from export.hub.passes.push_rules import ONE_AXIS, UNARY
from export.hub.passes.rewrite import attribute, constant, dims, only_used_by, produced_by, replace
from export.hub.passes.statistics import VIEWS


def unwrap_view(model: ir.Model) -> int:
    """Take away views around functions that need none; returns how many pairs."""
    return sum(_unwrap(node) for node in list(model.graph) if node.op_type in VIEWS)


def _unwrap(node: ir.Node) -> bool:
    function = produced_by(node.inputs[0], *UNARY, *ONE_AXIS)
    view = None if function is None else produced_by(function.inputs[0], *VIEWS)
    if view is None or not only_used_by(node.inputs[0], node) or len(function.outputs) != 1:
        return False
    x = view.inputs[0]
    shape, inside = dims(x), dims(function.inputs[0])
    if shape is None or not shape or not inside or shape != dims(node.outputs[0]) or len(shape) > MAX_RANK:
        return False
    attributes = dict(function.attributes)
    if function.op_type in ONE_AXIS:
        if attribute(function, "axis", -1) % len(inside) != len(inside) - 1 or inside[-1] != shape[-1]:
            return False
        attributes["axis"] = ir.AttrInt64("axis", len(shape) - 1)
    elif any(value is not None and constant(value) is None for value in function.inputs[1:]):
        return False
    inputs = [x, *function.inputs[1:]]
    replace(node, lambda tape: tape.op(function.op_type, inputs, attributes, name=function.name))
    return True
