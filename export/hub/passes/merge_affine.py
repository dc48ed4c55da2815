"""s₂·(s₁·x + t₁) + t₂ = (s₂s₁)·x + (s₂t₁ + t₂): a chain of scales and shifts is one Mul and one Add at most.

One number or one per channel each, as Mul, Div, Add, Sub or Neg. And n(s·x + t) = n(x) for a normalization that
takes each channel's mean away: InstanceNormalization drops any t per channel, GroupNormalization and
LayerNormalization one number t. A scale of the same size |s| for all goes into ε: n(s·x; ε) = sign(s)·n(x; ε/s²).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.fold_affine import Affine, only_user, read_affine, whole_chain
from export.hub.passes.rewrite import attribute, constant, dims, fits_float32, float_constant, replace, with_shape

CHAINED = ("Mul", "Div", "Add", "Sub", "Neg")
CENTERING = ("InstanceNormalization", "GroupNormalization", "LayerNormalization")


def merge_affine(model: ir.Model) -> int:
    """Shorten chains of scales and shifts, and drop what a normalization undoes; returns how many."""
    return sum(_drop(node) or _merge(node) for node in list(model.graph) if node.op_type in CHAINED)


def _read(node: ir.Node | None) -> Affine | None:
    if node is None or node.op_type not in CHAINED or node.graph is None:
        return None
    return read_affine(node)


def _merge(node: ir.Node) -> bool:
    whole = _read(node)
    if whole is None or _read(only_user(node.outputs[0])) is not None:  # the last of its chain is looked at
        return False
    whole, length = whole_chain(node, whole)
    scaled, shifted = bool(np.any(whole.scale != 1)), bool(np.any(whole.shift))
    if scaled + shifted >= length or not fits_float32(whole.scale, whole.shift) or not (scaled or shifted):
        return False
    shape = dims(whole.x)

    def build(tape: Tape) -> ir.Value:
        y = whole.x
        if scaled:
            y = with_shape(tape.op("Mul", [y, _column(node.graph, whole.scale, len(shape))]), shape)
        if shifted:
            y = with_shape(tape.op("Add", [y, _column(node.graph, whole.shift, len(shape))]), shape)
        return y

    replace(node, build)
    return True


def _column(graph: ir.Graph, vector: np.ndarray, rank: int) -> ir.Value:
    """One number if all are the same, else one per channel."""
    if np.all(vector == vector[0]):
        return float_constant(graph, vector[0], "number")
    return float_constant(graph, vector.reshape(-1, *[1] * (rank - 2)), "channels")


def _drop(node: ir.Node) -> bool:
    """Take a scale and shift away in front of the normalization that undoes it."""
    norm, affine = only_user(node.outputs[0]), _read(node)
    if norm is None or affine is None or norm.op_type not in CENTERING or len(dims(affine.x)) < 3:
        return False
    if len([value for value in norm.outputs if value.uses() or value.is_graph_output()]) > 1:
        return False
    size = abs(affine.scale[0])
    per_channel = norm.op_type == "InstanceNormalization"
    if not size or np.any(np.abs(affine.scale) != size):
        return False
    if not per_channel and (np.any(affine.shift != affine.shift[0]) or np.any(affine.scale != affine.scale[0])):
        return False
    epsilon = attribute(norm, "epsilon", 1e-5) / size**2
    gamma = constant(norm.inputs[1])
    signs = np.sign(affine.scale) if per_channel else np.sign(affine.scale[0])
    if (np.any(signs < 0) and gamma is None) or not fits_float32(np.array(epsilon)):
        return False
    if np.any(signs < 0):
        norm.replace_input_with(1, float_constant(node.graph, gamma * signs, f"{norm.inputs[1].name}_turned"))
    norm.attributes["epsilon"] = ir.AttrFloat32("epsilon", float(epsilon))
    norm.replace_input_with(0, affine.x)
    node.graph.remove(node, safe=True)
    return True
