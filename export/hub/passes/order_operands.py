"""a + b = b + a: of a commutative operator's two operands, a constant is the second.

The other passes then look for it in one place only.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.rewrite import constant

COMMUTATIVE = ("Add", "Mul", "Max", "Min")


def order_operands(model: ir.Model) -> int:
    """Swap operands where the first is constant and the second is not; returns how often."""
    return sum(_order(node) for node in model.graph if node.op_type in COMMUTATIVE and len(node.inputs) == 2)


def _order(node: ir.Node) -> bool:
    first, second = node.inputs
    if constant(first) is None or constant(second) is not None:
        return False
    node.replace_input_with(0, second)
    node.replace_input_with(1, first)
    return True
