"""Functions of one number."""

from __future__ import annotations

import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.activation import activate, result, source
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering

# Rational approximation of erf on [-4, 4] for float32, as in Eigen (MathFunctionsImpl.h, generic_fast_erf_float).
ERF_LIMIT = 4.0
ERF_P = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
ERF_Q = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02,
)  # fmt: skip


@lowering("Abs", 13)
def abs(context: Lowering, node: ir.Node) -> None:
    """Absolute value."""
    f = Formula(context)
    result(context, node, f.widened(f.abs, source(context, node)))


@lowering("Neg", 13)
def neg(context: Lowering, node: ir.Node) -> None:
    """``-x``."""
    f = Formula(context)
    result(context, node, f.widened(f.neg, source(context, node)))


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
    f = Formula(context)
    result(context, node, f.widened(f.sign, source(context, node)))


@lowering("Reciprocal", 13)
def reciprocal(context: Lowering, node: ir.Node) -> None:
    """``1 / x``."""
    result(context, node, Formula(context).div(1.0, source(context, node)))


@lowering("Erf", 13)
def erf(context: Lowering, node: ir.Node) -> None:
    """The error function as ``x P(x^2) / Q(x^2)`` with ``x`` in [-4, 4], where float32 has reached 1; within 5e-7."""
    f, x = Formula(context), source(context, node)
    x = f.minimum(f.maximum(x, -ERF_LIMIT), ERF_LIMIT)
    square = f.unary("SQUARE", x)
    above, below = (_polynomial(f, square, coefficients) for coefficients in (ERF_P, ERF_Q))
    result(context, node, f.div(f.mul(x, above), below))


def _polynomial(f: Formula, x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """Horner's scheme, the highest power first."""
    y = f.add(f.mul(x, coefficients[0]), coefficients[1])
    for coefficient in coefficients[2:]:
        y = f.add(f.mul(y, x), coefficient)
    return y
