"""Trigonometric and hyperbolic functions without kernels of their own, in forms that neither overflow nor cancel."""

from __future__ import annotations

import math

import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.activation import result, source
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering

LOG_2 = math.log(2.0)
# Above this, sqrt(x^2 + 1) is x to the last bit of float32 (the relative difference is 1 / 2x^2).
LARGE = 1e4
# Below this a logarithm of a number near 1 has lost too many digits, and these series of x^2 have converged.
NEAR = 0.25
ASINH_SERIES = (105 / 3456, -15 / 336, 3 / 40, -1 / 6)
ATANH_SERIES = (1 / 9, 1 / 7, 1 / 5, 1 / 3)
# sinh(x) = x + x^3/3! + ... + x^9/9!; up to 1 the next term is 2.5e-8.
SINH_SERIES = (1 / 362880, 1 / 5040, 1 / 120, 1 / 6)


def _odd_series(f: Formula, x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """``x + c3 x^3 + c5 x^5 + ...``, the coefficient of the highest power first."""
    square = f.unary("SQUARE", x)
    y = f.mul(square, coefficients[0])
    for coefficient in coefficients[1:]:
        y = f.mul(f.add(y, coefficient), square)
    return f.add(x, f.mul(x, y))


def _arctangent(f: Formula, y: Tensor, x: Tensor) -> Tensor:
    """The angle of the point (x, y); ATAN2 wants equal shapes."""
    return f.binary("ATAN2", y, x)


def _one_like(f: Formula, x: Tensor) -> Tensor:
    """Ones of the shape of ``x``, for any finite or infinite ``x``."""
    return f.add(f.minimum(f.abs(x), 0.0), 1.0)


def _other_leg(f: Formula, x: Tensor) -> Tensor:
    """``sqrt(1 - x^2)``, not a number beyond 1."""
    return f.unary("SQRT", f.mul(f.add(x, 1.0), f.sub(1.0, x)))


def _with_sign(f: Formula, x: Tensor, y: Tensor) -> Tensor:
    """``y``, a function of ``|x|``, with the sign of ``x``."""
    return f.mul(f.sign(x), y)


@lowering("Tan", 7)
def tan(context: Lowering, node: ir.Node) -> None:
    """``sin(x) / cos(x)``."""
    f, x = Formula(context), source(context, node)
    result(context, node, f.div(f.unary("SIN", x), f.unary("COS", x)))


@lowering("Atan", 7)
def atan(context: Lowering, node: ir.Node) -> None:
    """The angle of the point (1, x)."""
    f, x = Formula(context), source(context, node)
    result(context, node, _arctangent(f, x, _one_like(f, x)))


@lowering("Asin", 7)
def asin(context: Lowering, node: ir.Node) -> None:
    """The angle of the point (sqrt(1 - x^2), x)."""
    f, x = Formula(context), source(context, node)
    result(context, node, _arctangent(f, x, _other_leg(f, x)))


@lowering("Acos", 7)
def acos(context: Lowering, node: ir.Node) -> None:
    """The angle of the point (x, sqrt(1 - x^2))."""
    f, x = Formula(context), source(context, node)
    result(context, node, _arctangent(f, _other_leg(f, x), x))


def _half_exponentials(f: Formula, x: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(|x|) / 2`` and ``exp(-|x|) / 2``, each as ``(e / 2) e`` with ``e = exp(|x| / 2)`` to stay in float32."""
    half = f.mul(f.abs(x), 0.5)
    roots = f.unary("EXP", half), f.unary("EXP", f.neg(half))
    large, small = (f.mul(f.mul(root, 0.5), root) for root in roots)
    return large, small


@lowering("Sinh", 9)
def sinh(context: Lowering, node: ir.Node) -> None:
    """``(exp(x) - exp(-x)) / 2``; below 1, where that cancels, the first terms of its series."""
    f, x = Formula(context), source(context, node)
    large, small = _half_exponentials(f, x)
    near = _odd_series(f, x, SINH_SERIES)
    result(context, node, f.select(f.less(f.abs(x), 1.0), near, _with_sign(f, x, f.sub(large, small))))


@lowering("Cosh", 9)
def cosh(context: Lowering, node: ir.Node) -> None:
    """``(exp(x) + exp(-x)) / 2``."""
    f, x = Formula(context), source(context, node)
    result(context, node, f.add(*_half_exponentials(f, x)))


def _asinh(f: Formula, x: Tensor) -> Tensor:
    """``log(x + sqrt(x^2 + 1))`` of ``x >= 0``; its series near zero, ``log(2x)`` where the square is all."""
    t = f.minimum(x, LARGE)
    middle = f.unary("LOG", f.add(t, f.unary("SQRT", f.add(f.unary("SQUARE", t), 1.0))))
    far = f.add(f.unary("LOG", x), LOG_2)
    y = f.select(f.less(x, NEAR), _odd_series(f, f.minimum(x, NEAR), ASINH_SERIES), middle)
    return f.select(f.less(LARGE, x), far, y)


@lowering("Asinh", 9)
def asinh(context: Lowering, node: ir.Node) -> None:
    """The inverse of sinh, of ``|x|`` with the sign of ``x``."""
    f, x = Formula(context), source(context, node)
    result(context, node, _with_sign(f, x, _asinh(f, f.abs(x))))


@lowering("Acosh", 9)
def acosh(context: Lowering, node: ir.Node) -> None:
    """``2 asinh(sqrt((x - 1) / 2))``, not a number below 1."""
    f, x = Formula(context), source(context, node)
    root = f.unary("SQRT", f.mul(f.sub(x, 1.0), 0.5))
    y = f.mul(_asinh(f, root), 2.0)
    result(context, node, y)


@lowering("Atanh", 9)
def atanh(context: Lowering, node: ir.Node) -> None:
    """``log((1 + x) / (1 - x)) / 2`` of ``|x|`` with the sign of ``x``; near zero its series."""
    f, x = Formula(context), source(context, node)
    size = f.abs(x)
    far = f.mul(f.unary("LOG", f.div(f.add(size, 1.0), f.sub(1.0, size))), 0.5)
    near = _odd_series(f, f.minimum(size, NEAR), ATANH_SERIES)
    result(context, node, _with_sign(f, x, f.select(f.less(size, NEAR), near, far)))
