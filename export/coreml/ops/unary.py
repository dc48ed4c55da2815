"""Elementwise functions of one input, and casts."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

_DTYPES = {"FLOAT": "fp32", "DOUBLE": "fp32", "FLOAT16": "fp32", "INT32": "int32", "INT64": "int32", "BOOL": "bool"}
"""MIL types by ONNX type. fp16 is not forced here: the compute precision decides."""

_EIGHT_BIT = {"INT8": "int8", "UINT8": "uint8"}
"""What a quantized tensor may be cast from (iOS 17); nothing is cast to it, since MIL leaves the rounding open."""


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
    return mb.mul(x=call.var(0), y=-1.0 if call.is_float() else -1)


@lowers("Log", since=13)
def log(call: Call) -> Any:
    """``log(x)``, without the epsilon that MIL adds by itself."""
    return mb.log(x=call.var(0), epsilon=0.0)


@lowers("Reciprocal", since=13)
def reciprocal(call: Call) -> Any:
    """``1/x``, without the epsilon that MIL's ``inverse`` adds by itself."""
    return mb.real_div(x=1.0, y=call.var(0))


@lowers("Cast", since=13)
def cast(call: Call) -> Any:
    """Between floats, int32 (for wider integers) and bool, and from 8 bits; towards zero, as in ONNX."""
    to = call.node.attributes["to"].value
    dtype = _DTYPES.get(_type_name(to))
    source = (_DTYPES | _EIGHT_BIT).get(call.dtype(0).name)
    if dtype is None or source is None:
        raise call.unsupported(f"a cast to {_type_name(to)}")
    return mb.identity(x=call.var(0)) if dtype == source else mb.cast(x=call.var(0), dtype=dtype)


def _type_name(number: int) -> str:
    return ir.DataType(number).name
