"""Elementwise functions of one input."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


def _unary(op_type: str, since: int, mil_op: str) -> None:
    """Register an operator of one input that MIL has under another name."""

    def lower(call: Call) -> Any:
        return getattr(mb, mil_op)(x=call.var(0))

    lower.__name__, lower.__doc__ = op_type.lower(), f"``{op_type.lower()}(x)``."
    lowers(op_type, since)(lower)


_unary("Abs", 13, "abs")
_unary("Exp", 13, "exp")
_unary("Sqrt", 13, "sqrt")
_unary("Floor", 13, "floor")
_unary("Ceil", 13, "ceil")
_unary("Round", 11, "round")
_unary("Sign", 13, "sign")
_unary("Sin", 7, "sin")
_unary("Cos", 7, "cos")
_unary("Tan", 7, "tan")
_unary("Asin", 7, "asin")
_unary("Acos", 7, "acos")
_unary("Atan", 7, "atan")
_unary("Sinh", 9, "sinh")
_unary("Cosh", 9, "cosh")
_unary("Atanh", 9, "atanh")
_unary("Erf", 13, "erf")


@lowers("Neg", since=13)
def neg(call: Call) -> Any:
    """``−x``."""
    return mb.mul(x=call.var(0), y=np.float32(-1) if call.is_float() else np.int32(-1))


@lowers("Log", since=13)
def log(call: Call) -> Any:
    """``log(x)``, without the epsilon that MIL adds by itself."""
    return mb.log(x=call.var(0), epsilon=0.0)


@lowers("Reciprocal", since=13)
def reciprocal(call: Call) -> Any:
    """``1/x``, without the epsilon that MIL's ``inverse`` adds by itself."""
    return mb.real_div(x=1.0, y=call.var(0))


@lowers("Asinh", since=9)
def asinh(call: Call) -> Any:
    """The inverse of sinh."""
    return _asinh(call.var(0))


@lowers("Acosh", since=9)
def acosh(call: Call) -> Any:
    """The inverse of cosh, ``2·asinh(√((x − 1)/2))``, which neither cancels near 1 nor overflows."""
    half = mb.mul(x=mb.sub(x=call.var(0), y=1.0), y=0.5)
    return mb.mul(x=_asinh(mb.sqrt(x=half)), y=2.0)


def _asinh(x: Any) -> Any:
    """``atanh(x/√(x² + 1))`` up to 1, beyond it ``log(|x|) + log(1 + √(1 + 1/x²))`` with the sign of ``x``.

    Neither squares a large number nor takes the logarithm of one near 1.
    """
    size = mb.abs(x=x)
    small, large = mb.minimum(x=size, y=1.0), mb.maximum(x=size, y=1.0)
    near = mb.atanh(x=mb.real_div(x=small, y=mb.sqrt(x=mb.add(x=mb.square(x=small), y=1.0))))
    root = mb.sqrt(x=mb.add(x=mb.square(x=mb.real_div(x=1.0, y=large)), y=1.0))
    far = mb.add(x=mb.log(x=large, epsilon=0.0), y=mb.log(x=mb.add(x=root, y=1.0), epsilon=0.0))
    return mb.mul(x=mb.sign(x=x), y=mb.select(cond=mb.less(x=size, y=1.0), a=near, b=far))


@lowers("IsNaN", since=13)
def is_nan(call: Call) -> Any:
    """Whether ``x`` is not a number: whether it differs from itself."""
    x = call.var(0)
    return mb.not_equal(x=x, y=x)


@lowers("IsInf", since=10)
def is_inf(call: Call) -> Any:
    """Whether ``x`` is infinite, of either sign or of one."""
    x, positive, negative = call.var(0), call.attr("detect_positive", 1), call.attr("detect_negative", 1)
    if positive and negative:
        return mb.equal(x=mb.abs(x=x), y=np.float32(np.inf))
    if positive or negative:
        return mb.equal(x=x, y=np.float32(np.inf if positive else -np.inf))
    return mb.logical_and(x=mb.equal(x=x, y=x), y=mb.not_equal(x=x, y=x))
