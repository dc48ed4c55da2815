"""Functions of one number."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.ops.activation import activate, result, source
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: |error| <= 1.5e-7.
ERF_P = 0.3275911
ERF_COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@lowering("Abs", 13)
def abs(context: Lowering, node: ir.Node) -> None:
    """Absolute value."""
    activate(context, node, "ABS")


@lowering("Neg", 13)
def neg(context: Lowering, node: ir.Node) -> None:
    """``-x``."""
    activate(context, node, "NEG")


@lowering("Exp", 13)
def exp(context: Lowering, node: ir.Node) -> None:
    """``e ** x``."""
    activate(context, node, "EXP")


@lowering("Log", 13)
def log(context: Lowering, node: ir.Node) -> None:
    """Natural logarithm."""
    activate(context, node, "LOG")


@lowering("Sqrt", 13)
def sqrt(context: Lowering, node: ir.Node) -> None:
    """Square root."""
    activate(context, node, "SQRT")


@lowering("Sin", 7)
def sin(context: Lowering, node: ir.Node) -> None:
    """Sine."""
    activate(context, node, "SIN")


@lowering("Cos", 7)
def cos(context: Lowering, node: ir.Node) -> None:
    """Cosine."""
    activate(context, node, "COS")


@lowering("Floor", 13)
def floor(context: Lowering, node: ir.Node) -> None:
    """The next whole number below."""
    activate(context, node, "FLOOR")


@lowering("Ceil", 13)
def ceil(context: Lowering, node: ir.Node) -> None:
    """The next whole number above."""
    activate(context, node, "CEIL")


@lowering("Round", 11)
def round(context: Lowering, node: ir.Node) -> None:
    """The nearest whole number, halves to even."""
    activate(context, node, "ROUND")


@lowering("Sign", 13)
def sign(context: Lowering, node: ir.Node) -> None:
    """-1, 0 or 1."""
    activate(context, node, "SIGN")


@lowering("Reciprocal", 13)
def reciprocal(context: Lowering, node: ir.Node) -> None:
    """``1 / x``."""
    result(context, node, Formula(context).div(1.0, source(context, node)))


@lowering("Erf", 13)
def erf(context: Lowering, node: ir.Node) -> None:
    """The error function as ``sign(x) (1 - t P(t) exp(-x^2))``, ``t = 1 / (1 + p |x|)``; within 1e-6."""
    f, x = Formula(context), source(context, node)
    t = f.div(1.0, f.add(f.mul(f.unary("ABS", x), ERF_P), 1.0))
    p = f.mul(t, ERF_COEFFICIENTS[0])
    for coefficient in ERF_COEFFICIENTS[1:]:
        p = f.mul(f.add(p, coefficient), t)
    tail = f.mul(p, f.unary("EXP", f.unary("NEG", f.unary("SQUARE", x))))
    result(context, node, f.mul(f.unary("SIGN", x), f.sub(1.0, tail)))


@lowering("Cast", 13, 19, 21)
def cast(context: Lowering, node: ir.Node) -> None:
    """Another number type; fractions are cut off on the way to whole numbers, as in ONNX."""
    x = source(context, node)
    try:
        target = ir.DataType(context.attribute(node, "to")).numpy()
    except (TypeError, ValueError) as error:
        raise unsupported(node, "its target type has no TFLite counterpart.") from error
    target = np.dtype(np.float32) if target == np.float64 else target
    if target not in (np.float32, np.int32, np.int64, np.bool_, np.uint8, np.int8):
        raise unsupported(node, f"a cast to {target} is not supported.")
    if target == x.dtype:
        result(context, node, x)
        return
    y = context.builder.emit("CAST", [x], x.shape, dtype=target, inDataType=x.dtype, outDataType=target)
    result(context, node, y)
