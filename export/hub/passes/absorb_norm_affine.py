"""s·(γ·n(x) + β) + t = (sγ)·n(x) + (sβ + t): a scale and a shift behind a normalization go into its own.

``n`` is InstanceNormalization, GroupNormalization, or BatchNormalization with its stored statistics; γ and β are
constants. A scale that is computed, such as a style network's, stays a Mul of its own.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.fold_affine import read_affine
from export.hub.passes.rewrite import attribute, constant, float_constant, only_used_by, produced_by, replace

NORMS = ("InstanceNormalization", "BatchNormalization", "GroupNormalization")


def absorb_norm_affine(model: ir.Model) -> int:
    """Fold per-channel scales and shifts into the normalization before them; returns how many."""
    count = 0
    for node in list(model.graph):
        affine = read_affine(node)
        norm = None if affine is None else produced_by(affine.x, *NORMS)
        if norm is None or norm is node or attribute(norm, "training_mode", 0):
            continue
        gamma, beta = constant(norm.inputs[1]), constant(norm.inputs[2])
        if gamma is None or beta is None or not only_used_by(affine.x, node):
            continue
        if gamma.size != affine.scale.size:  # a norm over groups of channels
            continue
        inputs = list(norm.inputs)
        inputs[1] = float_constant(model.graph, gamma * affine.scale, f"{norm.inputs[1].name}_scaled")
        inputs[2] = float_constant(model.graph, beta * affine.scale + affine.shift, f"{norm.inputs[2].name}_shifted")
        _put_in_place(node, norm, inputs)
        count += 1
    return count


def _put_in_place(node: ir.Node, norm: ir.Node, inputs: list[ir.Value]) -> None:
    replace(node, lambda tape: tape.op(norm.op_type, inputs, dict(norm.attributes), name=norm.name))
