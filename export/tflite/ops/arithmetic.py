"""Arithmetic of two or more operands, with ONNX's (NumPy's) broadcasting in any axis order."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops import integers
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

MAX_PRODUCT_EXPONENT = 4  # up to here a power is written as products, in float too


def broadcast(context: Lowering, node: ir.Node, formula: Callable[..., Tensor]) -> None:
    """Binds ``formula`` of the node's operands; 8-bit whole numbers are computed in int32 and wrap."""
    tensors, perm = context.broadcast(node.inputs)
    context.bind(node.outputs[0], Formula(context).widened(formula, *tensors), perm)


def binary(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes a two-operand operator."""
    f = Formula(context)
    broadcast(context, node, lambda a, b: f.binary(code, a, b))


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
    """``a / b``; of whole numbers without the fraction."""
    f = Formula(context)
    whole = context.place(node.inputs[0]).tensor.dtype != np.float32
    broadcast(context, node, lambda a, b: integers.divide(f, a, b) if whole else f.div(a, b))


@lowering("Pow", 15)
def pow(context: Lowering, node: ir.Node) -> None:
    """``a ** b`` in the type of ``a``.

    Constant exponents up to 4 are products, 1/2 and -1/2 square roots. POW takes the other floats; whole numbers to
    whole powers are products too.
    """
    exponent = context.constant(node.inputs[1])
    placed, f = context.place(node.inputs[0]), Formula(context)
    kind = placed.tensor.dtype
    if exponent is not None and np.all(exponent == exponent.reshape(-1)[0]) and _keeps_shape(context, node):
        y = f.widened(lambda x: _constant_power(f, x, exponent.reshape(-1)[0]), placed.tensor)
        if y is not placed.tensor:
            context.bind(node.outputs[0], y, placed.perm)
            return
    (a, b), perm = context.broadcast(node.inputs)
    if kind == np.float32:
        context.bind(node.outputs[0], f.binary("POW", a, f.cast(b, np.float32)), perm)
        return
    if b.dtype == np.float32 and not (b.data is not None and np.all(b.data == np.rint(b.data))):
        raise unsupported(
            node, "whole numbers to a power with a fraction are not exact in float32; cast the base to float."
        )
    y = f.widened(lambda x: integers.power(f, x, f.cast(b, np.int32)), a)
    context.bind(node.outputs[0], y, perm)


def _keeps_shape(context: Lowering, node: ir.Node) -> bool:
    return context.shape(node.inputs[0]) == context.shape(node.outputs[0])


def _constant_power(f: Formula, x: Tensor, exponent: float) -> Tensor:
    """``x ** exponent`` by cheaper kernels than POW; ``x`` itself where there are none."""
    if x.dtype != np.float32:
        whole = exponent == np.rint(exponent) and 1 < exponent < 2**integers.EXPONENT_BITS
        return integers.constant_power(f, x, int(exponent)) if whole else x
    if exponent == 2:
        return f.unary("SQUARE", x)
    if exponent == 3:
        return f.mul(f.unary("SQUARE", x), x)
    if exponent == MAX_PRODUCT_EXPONENT:
        return f.unary("SQUARE", f.unary("SQUARE", x))
    if exponent == 0.5:
        return f.unary("SQRT", x)
    if exponent == -0.5:  # not RSQRT: XNNPACK's is not a number at zero
        return f.div(1.0, f.unary("SQRT", x))
    return f.div(1.0, x) if exponent == -1 else x


def fold(context: Lowering, node: ir.Node, code: str) -> None:
    """Writes an operator of any number of operands as a chain."""
    f = Formula(context)

    def chain(*tensors: Tensor) -> Tensor:
        if len(tensors) == 1:
            return context.reshape(tensors[0], tensors[0].shape)
        return functools.reduce(lambda a, b: f.binary(code, a, b), tensors)

    broadcast(context, node, chain)


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
    broadcast(context, node, lambda *tensors: f.mul(functools.reduce(f.add, tensors), 1.0 / len(tensors)))


@lowering("Mod", 13)
def mod(context: Lowering, node: ir.Node) -> None:
    """The remainder: with the sign of the divisor (``fmod=0``, whole numbers), or of the dividend as in C."""
    f = Formula(context)
    like_c = context.attribute(node, "fmod", 0)
    if not like_c and context.place(node.inputs[0]).tensor.dtype == np.float32:
        raise unsupported(node, "ONNX defines the remainder of floats for fmod=1 only.")
    remainder = integers.truncated_remainder if like_c else integers.floor_remainder
    broadcast(context, node, lambda a, b: remainder(f, a, b))
