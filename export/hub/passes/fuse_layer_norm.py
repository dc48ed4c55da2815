"""(x − μ) / √(kσ² + ε) over the last axes of x is LayerNormalization(x; γ = 1/√k, ε/k), however it is spelled.

Over everything but the batch of a picture, or over a view of it as (1, G, …) from axis 2 on, it is
GroupNormalization with one group or with G: a group is a run of neighboring channels, as a row of the view is.
The spellings are those of :mod:`~export.hub.passes.normalization`; gains and shifts stay behind, and constant ones
go into the operator: s·(γ·n(x) + β) + t = (sγ)·n(x) + (sβ + t), where s and t vary along the normalized axes only.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.normalization import Spelled, read_normalization
from export.hub.passes.rewrite import (
    attribute,
    constant,
    dims,
    float_constant,
    new_constant,
    only_used_by,
    produced_by,
    replace,
    with_shape,
)
from export.hub.passes.statistics import VIEWS, Extent, elements, size

MAX_SCALE = 2**16  # elements of a LayerNormalization's scale; more would be whole planes of ones


def fuse_layer_norm(model: ir.Model) -> int:
    """Fuse spelled-out layer and group norms, and what scales and shifts layer norms; returns how many nodes went."""
    count = 0
    for node in list(model.graph):
        spelled = read_normalization(node)
        if spelled is not None and not spelled.inverse.of.is_plane:
            count += _fuse(node, spelled)
        else:
            count += _absorb(node)
    return count


def _fuse(node: ir.Node, spelled: Spelled) -> bool:
    of, factor, graph = spelled.inverse.of, spelled.inverse.factor, node.graph
    shape = dims(of.x)
    operator = _group_norm(of) or _layer_norm(of)
    if operator is None or factor <= 0 or dims(node.outputs[0]) != shape:
        return False
    op_type, x, attributes, scaled = operator
    parameters = [float_constant(graph, np.full(scaled, 1 / np.sqrt(factor)), "norm_scale")]
    if op_type == "GroupNormalization":  # LayerNormalization does without
        parameters.append(float_constant(graph, np.zeros(scaled), "norm_bias"))
    attributes = {**attributes, "epsilon": float(spelled.inverse.epsilon / factor)}

    def build(tape: Tape) -> ir.Value:
        y = with_shape(tape.op(op_type, [x, *parameters], attributes), dims(x))
        if dims(x) != shape:
            y = with_shape(tape.op("Reshape", [y, new_constant(graph, np.array(shape, np.int64), "view")]), shape)
        for gain in spelled.gains:
            y = with_shape(tape.op("Mul", [y, gain]), shape)
        if spelled.shift is not None:
            y = with_shape(tape.op("Add", [y, spelled.shift]), shape)
        return y

    replace(node, build)
    return True


def _group_norm(of: Extent) -> tuple[str, ir.Value, dict, tuple[int, ...]] | None:
    """Operator, input, attributes and shape of the scale if what is averaged are groups of a picture's channels."""
    shape = dims(of.x)
    if len(shape) == 4 and shape[0] == 1 and of.axes == (1, 2, 3):
        return "GroupNormalization", of.x, {"num_groups": 1}, (shape[1],)
    if len(shape) < 3 or shape[0] != 1 or of.axes != tuple(range(2, len(shape))):
        return None
    x = picture_behind(of.x, shape[1])
    return None if x is None else ("GroupNormalization", x, {"num_groups": shape[1]}, (dims(x)[1],))


def picture_behind(value: ir.Value, groups: int) -> ir.Value | None:
    """The (1, C, H, W) tensor with ``groups`` groups of channels of which ``value`` is a view as (1, groups, …)."""
    node = produced_by(value, *VIEWS)
    while node is not None:
        value = node.inputs[0]
        shape = dims(value)
        if shape is not None and len(shape) == 4 and shape[0] == 1 and shape[1] % groups == 0:
            return value
        node = produced_by(value, *VIEWS)
    return None


def _layer_norm(of: Extent) -> tuple[str, ir.Value, dict, tuple[int, ...]] | None:
    shape, first = dims(of.x), of.axes[0]
    if of.axes != tuple(range(first, len(shape))) or first == 0 or size(shape[first:]) > MAX_SCALE:
        return None
    return "LayerNormalization", of.x, {"axis": first - len(shape)}, shape[first:]


def _absorb(node: ir.Node) -> bool:
    """Fold a constant scale or shift along the normalized axes into the LayerNormalization before it."""
    if node.op_type not in ("Mul", "Add", "Sub", "Div") or len(node.inputs) != 2:
        return False
    norm, array = produced_by(node.inputs[0], "LayerNormalization"), constant(node.inputs[1])
    if norm is None or array is None or not only_used_by(node.inputs[0], node) or elements(node.outputs[0]) is None:
        return False
    shape = dims(norm.inputs[0])
    axis = attribute(norm, "axis", -1) % len(shape)
    scale = constant(norm.inputs[1])
    has_bias = len(norm.inputs) > 2 and norm.inputs[2] is not None
    bias = constant(norm.inputs[2]) if has_bias else np.zeros(1)
    full = (1,) * (len(shape) - array.ndim) + array.shape
    if scale is None or bias is None or dims(node.outputs[0]) != shape or array.ndim > len(shape):
        return False
    if any(d != 1 for d in full[:axis]) or (node.op_type == "Div" and not np.all(array)):
        return False
    other = array.reshape(full[axis:]).astype(np.float64)
    scale, bias = scale.astype(np.float64), bias.astype(np.float64)
    if node.op_type in ("Mul", "Div"):
        other = 1 / other if node.op_type == "Div" else other
        scale, bias = scale * other, bias * other
    else:
        bias = bias + (other if node.op_type == "Add" else -other)
    scale, bias = (np.broadcast_to(a, shape[axis:]) for a in (scale, bias))
    hint = norm.inputs[1].name
    inputs = [
        norm.inputs[0],
        float_constant(node.graph, scale, f"{hint}_scaled"),
        float_constant(node.graph, bias, f"{hint}_shifted"),
    ]
    replace(node, lambda tape: tape.op("LayerNormalization", inputs, dict(norm.attributes), name=norm.name))
    return True
