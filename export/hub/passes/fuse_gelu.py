"""½·x·(1 + erf(x/√2)) = Gelu(x), and ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) = Gelu(x; approximate=tanh).

In whichever order the numbers are multiplied and added, x³ written as a power or as products. And since
½·(1 + tanh z) = sigmoid(2z), x·sigmoid(√(8/π)·(x + 0.044715·x³)) is the second too. x·sigmoid(1.702·x), another
approximation, is another function and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt

import onnx_ir as ir

from export.hub.passes.polynomial import Terms, is_close, operands, polynomial
from export.hub.passes.rewrite import dims, produced_by, replace

CUBE = 0.044715
SLOPE = sqrt(2 / pi)
INNER: dict[str, tuple[str, Terms]] = {  # operator: Gelu's form, the polynomial of x that it takes
    "Erf": ("none", {(1,): sqrt(0.5)}),
    "Tanh": ("tanh", {(1,): SLOPE, (3,): SLOPE * CUBE}),
    "Sigmoid": ("tanh", {(1,): 2 * SLOPE, (3,): 2 * SLOPE * CUBE}),
}
HALVES: Terms = {(1, 0): 0.5, (1, 1): 0.5}  # x/2 + x·e/2
WHOLE: Terms = {(1, 1): 1.0}  # x·s


def fuse_gelu(model: ir.Model) -> int:
    """Fuse spelled-out GELUs; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type in ("Mul", "Div", "Add"))


def _fuse(node: ir.Node) -> bool:
    output = node.outputs[0]
    for inner in _inner_nodes(output):
        form, wanted = INNER[inner.op_type]
        for x in dict.fromkeys(operands(inner.inputs[0])):
            if dims(x) != dims(output) or not is_close(polynomial(inner.inputs[0], (x,)), wanted):
                continue
            if is_close(polynomial(output, (x, inner.outputs[0])), WHOLE if inner.op_type == "Sigmoid" else HALVES):
                attributes = {"approximate": form}
                replace(node, lambda tape, x=x, a=attributes: tape.op("Gelu", [x], a))
                return True
    return False


def _inner_nodes(value: ir.Value) -> Iterator[ir.Node]:
    for operand in operands(value, depth=4):
        node = produced_by(operand, *INNER)
        if node is not None:
            yield node
