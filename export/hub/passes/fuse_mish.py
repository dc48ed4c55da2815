"""x·tanh(softplus(x)) = Mish(x), with softplus(x) = log(1 + eˣ) in any spelling.

PyTorch's exporter writes softplus with its threshold: where(x > 20, x, softplus(x)). There softplus(x) − x is
log(1 + e⁻²⁰) = 2·10⁻⁹, less than half a unit in the last place of a float32 of 20, so it is softplus(x) all along.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.polynomial import is_close, polynomial
from export.hub.passes.rewrite import attribute, dims, produced_by, replace, scalar, two_way

MIN_THRESHOLD = 17.0  # e⁻¹⁷ = 4·10⁻⁸ is less than half a unit in the last place of 17, 1·10⁻⁶


def fuse_mish(model: ir.Model) -> int:
    """Fuse spelled-out Mish activations and thresholds of softplus that change nothing; returns how many."""
    return sum(_fuse_mish(node) or _fuse_threshold(node) for node in list(model.graph))


def _fuse_mish(node: ir.Node) -> bool:
    if node.op_type != "Mul":
        return False
    for x, factor in two_way(node):
        tanh = produced_by(factor, "Tanh")
        if tanh is not None and dims(x) == dims(node.outputs[0]) and is_softplus(tanh.inputs[0], x):
            replace(node, lambda tape, x=x: tape.op("Mish", [x]))
            return True
    return False


def is_softplus(value: ir.Value, x: ir.Value) -> bool:
    """Whether ``value`` is log(1 + exp(x))."""
    node = produced_by(value, "Softplus", "Log")
    if node is None:
        return False
    if node.op_type == "Softplus":
        return node.inputs[0] is x
    total = produced_by(node.inputs[0], "Add")
    for exponential, _ in two_way(total) if total is not None else ():
        exp = produced_by(exponential, "Exp")
        if exp is not None and exp.inputs[0] is x:
            return is_close(polynomial(node.inputs[0], (exponential,)), {(0,): 1.0, (1,): 1.0})
    return False


def _fuse_threshold(node: ir.Node) -> bool:
    if node.op_type != "Where":
        return False
    condition, large, small = node.inputs
    softplus, greater = produced_by(small, "Softplus"), produced_by(condition, "Greater", "GreaterOrEqual")
    if softplus is None or greater is None or large is not softplus.inputs[0] or greater.inputs[0] is not large:
        return False
    threshold = scalar(greater.inputs[1])
    if threshold is None or threshold < MIN_THRESHOLD or dims(large) != dims(node.outputs[0]):
        return False
    replace(node, lambda tape: tape.op("Softplus", [large], {k: attribute(softplus, k) for k in softplus.attributes}))
    return True
