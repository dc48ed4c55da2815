"""Arithmetic of two or more operands, with ONNX's (NumPy's) broadcasting in any axis order."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported


def binary(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes a two-operand operator."""
    (a, b), perm = context.broadcast(node.inputs)
    if np.issubdtype(a.dtype, np.integer) and code == "DIV" and a.dtype != np.int32:
        raise unsupported(node, f"division of {a.dtype} is not supported.")
    context.bind(node.outputs[0], Formula(context).binary(code, a, b), perm)


@lowering("Add", 14)
def add(context: Lowering, node: ir.Node) -> None:
    """``a + b``."""
    binary(context, node, "ADD")


@lowering("Sub", 14)
def sub(context: Lowering, node: ir.Node) -> None:
    """``a - b``."""
    binary(context, node, "SUB")


@lowering("Mul", 14)
def mul(context: Lowering, node: ir.Node) -> None:
    """``a * b``; a value times itself is SQUARE."""
    if node.inputs[0] is node.inputs[1] and context.place(node.inputs[0]).tensor.dtype == np.float32:
        placed = context.place(node.inputs[0])
        context.bind(node.outputs[0], Formula(context).unary("SQUARE", placed.tensor), placed.perm)
        return
    binary(context, node, "MUL")


@lowering("Div", 14)
def div(context: Lowering, node: ir.Node) -> None:
    """``a / b``."""
    binary(context, node, "DIV")


@lowering("Pow", 15)
def pow(context: Lowering, node: ir.Node) -> None:
    """``a ** b``; the constant exponents 2, 1/2 and -1/2 have kernels of their own."""
    exponent = context.constant(node.inputs[1])
    placed = context.place(node.inputs[0])
    if exponent is not None and exponent.size == 1 and len(node.inputs[1].shape) <= placed.tensor.rank:
        code = {2.0: "SQUARE", 0.5: "SQRT", -0.5: "RSQRT"}.get(float(exponent.reshape(-1)[0]))
        if code is not None and placed.tensor.dtype == np.float32:
            context.bind(node.outputs[0], Formula(context).unary(code, placed.tensor), placed.perm)
            return
    (a, b), perm = context.broadcast(node.inputs)
    if a.dtype != b.dtype:
        raise unsupported(node, f"base and exponent are of different types, {a.dtype} and {b.dtype}.")
    context.bind(node.outputs[0], Formula(context).binary("POW", a, b), perm)


def fold(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes an operator of any number of operands as a chain."""
    f = Formula(context)
    tensors, perm = context.broadcast(node.inputs)
    total = tensors[0]
    for tensor in tensors[1:]:
        total = f.binary(code, total, tensor)
    if len(tensors) == 1:
        total = context.reshape(total, total.shape)
    context.bind(node.outputs[0], total, perm)


@lowering("Max", 13)
def max(context: Lowering, node: ir.Node) -> None:
    """The largest operand."""
    fold(context, node, "MAXIMUM")


@lowering("Min", 13)
def min(context: Lowering, node: ir.Node) -> None:
    """The smallest operand."""
    fold(context, node, "MINIMUM")


@lowering("Sum", 13)
def sum(context: Lowering, node: ir.Node) -> None:
    """The sum of the operands."""
    fold(context, node, "ADD")


@lowering("Mean", 13)
def mean(context: Lowering, node: ir.Node) -> None:
    """The mean of the operands."""
    f = Formula(context)
    tensors, perm = context.broadcast(node.inputs)
    total = tensors[0]
    for tensor in tensors[1:]:
        total = f.add(total, tensor)
    context.bind(node.outputs[0], f.mul(total, 1.0 / len(tensors)), perm)


@lowering("Mod", 13)
def mod(context: Lowering, node: ir.Node) -> None:
    """The remainder with the sign of the divisor (``fmod=0``, integers) as FLOOR_MOD."""
    if context.attribute(node, "fmod", 0):
        raise unsupported(node, "the C remainder (fmod=1) has no TFLite kernel.")
    binary(context, node, "FLOOR_MOD")
