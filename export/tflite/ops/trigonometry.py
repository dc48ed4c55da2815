"""Trigonometric and hyperbolic functions without kernels of their own, in forms that neither overflow nor cancel."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.activation import result, source
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering

LOG_2 = float(np.log(2.0))
# Above this, sqrt(x^2 +- 1) is x to the last bit of float32 (the relative difference is 1 / 2x^2).
LARGE = 1e4
# sinh(x) = x + x^3/3! + ... + x^9/9!; up to 1 the next term is 2.5e-8.
SINH_SERIES = (1 / 362880, 1 / 5040, 1 / 120, 1 / 6)


def _log1p(f: Formula, x: Tensor) -> Tensor:
    """``log(1 + x)`` near zero too: with ``u = 1 + x`` rounded, ``log(u) - ((u - 1) - x) / u`` puts the loss back.

    (Goldberg, "What Every Computer Scientist Should Know About Floating-Point Arithmetic", theorem 4.)
    """
    u = f.add(x, 1.0)
    lost = f.sub(f.sub(u, 1.0), x)
    return f.sub(f.unary("LOG", u), f.div(lost, f.maximum(u, float(np.finfo(np.float32).tiny))))


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
    square = f.unary("SQUARE", x)
    series = f.mul(square, SINH_SERIES[0])
    for coefficient in SINH_SERIES[1:]:
        series = f.mul(f.add(series, coefficient), square)
    near = f.add(x, f.mul(x, series))
    result(context, node, f.select(f.less(f.abs(x), 1.0), near, _with_sign(f, x, f.sub(large, small))))


@lowering("Cosh", 9)
def cosh(context: Lowering, node: ir.Node) -> None:
    """``(exp(x) + exp(-x)) / 2``."""
    f, x = Formula(context), source(context, node)
    result(context, node, f.add(*_half_exponentials(f, x)))


def _beyond_large(f: Formula, x: Tensor, near: Tensor) -> Tensor:
    """``near`` up to :data:`LARGE`, ``log(2x)`` above."""
    return f.select(f.less(LARGE, x), f.add(f.unary("LOG", x), LOG_2), near)


@lowering("Asinh", 9)
def asinh(context: Lowering, node: ir.Node) -> None:
    """``log(x + sqrt(x^2 + 1))`` as ``log1p(x + x^2 / (1 + sqrt(x^2 + 1)))`` of ``|x|``, with the sign of ``x``."""
    f, x = Formula(context), source(context, node)
    size = f.abs(x)
    t = f.minimum(size, LARGE)
    square = f.unary("SQUARE", t)
    root = f.unary("SQRT", f.add(square, 1.0))
    near = _log1p(f, f.add(t, f.div(square, f.add(root, 1.0))))
    result(context, node, _with_sign(f, x, _beyond_large(f, size, near)))


@lowering("Acosh", 9)
def acosh(context: Lowering, node: ir.Node) -> None:
    """``log(x + sqrt(x^2 - 1))`` as ``log1p(t + sqrt(t) sqrt(t + 2))``, ``t = x - 1``; not a number below 1."""
    f, x = Formula(context), source(context, node)
    t = f.sub(f.minimum(x, LARGE), 1.0)
    root = f.mul(f.unary("SQRT", t), f.unary("SQRT", f.add(t, 2.0)))
    result(context, node, _beyond_large(f, x, _log1p(f, f.add(t, root))))


@lowering("Atanh", 9)
def atanh(context: Lowering, node: ir.Node) -> None:
    """``(log1p(x) - log1p(-x)) / 2``."""
    f, x = Formula(context), source(context, node)
    result(context, node, f.mul(f.sub(_log1p(f, x), _log1p(f, f.neg(x))), 0.5))
