"""Operators on the bits of whole numbers: shifts, And, Or, Xor, Not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops import integers
from export.tflite.ops.activation import result, source
from export.tflite.ops.arithmetic import broadcast
from export.tflite.ops.formula import NARROW, Formula
from export.tflite.registry import lowering, unsupported

BITS = 8


def _check(context: Lowering, node: ir.Node, *kinds: type) -> None:
    kind = context.place(node.inputs[0]).tensor.dtype
    if kind not in kinds:
        raise unsupported(node, f"TFLite has no kernel for the bits of {kind}.")


@lowering("BitShift", 11)
def bit_shift(context: Lowering, node: ir.Node) -> None:
    """``a << b`` as a product with a power of two, or ``a >> b``; of uint8 numbers, in int32."""
    _check(context, node, np.uint8)
    f = Formula(context)

    def shift(a: Tensor, b: Tensor) -> Tensor:
        b = f.minimum(b, BITS)  # further is out all the same
        if context.attribute(node, "direction") == "RIGHT":
            return f.binary("RIGHT_SHIFT", a, b)
        return f.mul(a, f.binary("POW", f.tensor(2, np.int32), b))

    broadcast(context, node, shift)


def _bitwise(context: Lowering, node: ir.Node, formula: Callable[[Formula, Tensor, Tensor], Tensor]) -> None:
    _check(context, node, np.int32, np.int64, *NARROW)
    f = Formula(context)
    if context.place(node.inputs[0]).tensor.dtype == np.int64:
        broadcast(context, node, lambda a, b: integers.by_halves(f, formula, a, b))
    else:
        broadcast(context, node, lambda a, b: formula(f, a, b))


@lowering("BitwiseAnd", 18)
def bitwise_and(context: Lowering, node: ir.Node) -> None:
    """The bits that both have."""
    _bitwise(context, node, integers.bitwise_and)


@lowering("BitwiseOr", 18)
def bitwise_or(context: Lowering, node: ir.Node) -> None:
    """The bits that either has."""
    _bitwise(context, node, integers.bitwise_or)


@lowering("BitwiseXor", 18)
def bitwise_xor(context: Lowering, node: ir.Node) -> None:
    """The bits that exactly one has."""
    _bitwise(context, node, integers.bitwise_xor)


@lowering("BitwiseNot", 18)
def bitwise_not(context: Lowering, node: ir.Node) -> None:
    """Every bit turned: ``-1 - x``, wrapped for unsigned numbers."""
    _check(context, node, np.int32, np.int64, *NARROW)
    f = Formula(context)
    result(context, node, f.widened(f.reversed, source(context, node)))
