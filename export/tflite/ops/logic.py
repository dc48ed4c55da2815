"""Comparisons, boolean algebra and Where."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.ops.activation import result, source
from export.tflite.ops.arithmetic import broadcast
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering


def compare(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes an operator from two operands to truth values."""
    f = Formula(context)
    broadcast(context, node, lambda a, b: f.binary(code, a, b, dtype=np.bool_))


@lowering("Less", 13)
def less(context: Lowering, node: ir.Node) -> None:
    """``a < b``."""
    compare(context, node, "LESS")


@lowering("LessOrEqual", 16)
def less_or_equal(context: Lowering, node: ir.Node) -> None:
    """``a <= b``."""
    compare(context, node, "LESS_EQUAL")


@lowering("Greater", 13)
def greater(context: Lowering, node: ir.Node) -> None:
    """``a > b``."""
    compare(context, node, "GREATER")


@lowering("GreaterOrEqual", 16)
def greater_or_equal(context: Lowering, node: ir.Node) -> None:
    """``a >= b``."""
    compare(context, node, "GREATER_EQUAL")


@lowering("Equal", 13, 19)
def equal(context: Lowering, node: ir.Node) -> None:
    """``a == b``."""
    compare(context, node, "EQUAL")


@lowering("And", 7)
def logical_and(context: Lowering, node: ir.Node) -> None:
    """Both."""
    compare(context, node, "LOGICAL_AND")


@lowering("Or", 7)
def logical_or(context: Lowering, node: ir.Node) -> None:
    """Either."""
    compare(context, node, "LOGICAL_OR")


@lowering("Xor", 7)
def logical_xor(context: Lowering, node: ir.Node) -> None:
    """Exactly one."""
    compare(context, node, "NOT_EQUAL")


@lowering("Not", 1)
def logical_not(context: Lowering, node: ir.Node) -> None:
    """Negation."""
    result(context, node, Formula(context).unary("LOGICAL_NOT", source(context, node)))


@lowering("IsNaN", 13, 20)
def is_nan(context: Lowering, node: ir.Node) -> None:
    """True where the number is not equal to itself."""
    x = source(context, node)
    result(context, node, Formula(context).binary("NOT_EQUAL", x, x, dtype=np.bool_))


@lowering("IsInf", 10, 20)
def is_inf(context: Lowering, node: ir.Node) -> None:
    """True at the infinities that ``detect_positive`` and ``detect_negative`` ask for."""
    f, x = Formula(context), source(context, node)
    positive, negative = (context.attribute(node, f"detect_{sign}", 1) for sign in ("positive", "negative"))
    if positive and negative:
        y = f.equal(f.abs(x), np.inf)
    elif positive or negative:
        y = f.equal(x, np.inf if positive else -np.inf)
    else:
        y = f.less(f.abs(x), 0)  # nowhere
    result(context, node, y)


@lowering("Where", 16)
def where(context: Lowering, node: ir.Node) -> None:
    """The second operand where the first is true, the third elsewhere."""
    tensors, perm = context.broadcast(node.inputs)
    context.bind(node.outputs[0], Formula(context).select(*tensors), perm)
