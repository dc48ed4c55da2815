"""Elementwise arithmetic, comparisons and logic, all with NumPy broadcasting."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.shape import broadcast
from export.coreml.registry import lowers


def _binary(op_type: str, since: int, mil_op: str, doc: str) -> None:
    """Register an operator of two inputs that MIL has under another name."""

    def lower(call: Call) -> Any:
        return getattr(mb, mil_op)(x=call.var(0), y=call.var(1))

    lower.__name__, lower.__doc__ = op_type.lower(), doc
    lowers(op_type, since)(lower)


_binary("Add", 14, "add", "``x + y``.")
_binary("Sub", 14, "sub", "``x − y``.")
_binary("Mul", 14, "mul", "``x·y``.")
_binary("Less", 13, "less", "``x < y``.")
_binary("LessOrEqual", 16, "less_equal", "``x ≤ y``.")
_binary("Greater", 13, "greater", "``x > y``.")
_binary("GreaterOrEqual", 16, "greater_equal", "``x ≥ y``.")
_binary("And", 7, "logical_and", "``x and y``.")
_binary("Or", 7, "logical_or", "``x or y``.")
_binary("Xor", 7, "logical_xor", "``x xor y``.")


@lowers("Equal", since=13)
def equal(call: Call) -> Any:
    """``x = y``; of booleans, ``not (x xor y)``."""
    x, y = call.var(0), call.var(1)
    if call.dtype(0).name == "BOOL":
        return mb.logical_not(x=mb.logical_xor(x=x, y=y))
    return mb.equal(x=x, y=y)


@lowers("Div", since=14)
def div(call: Call) -> Any:
    """``x/y`` of floats."""
    if not call.is_float():
        raise call.unsupported("division of integers")
    return mb.real_div(x=call.var(0), y=call.var(1))


@lowers("Pow", since=15)
def power(call: Call) -> Any:
    """``x^y`` of floats; the exponents 2, 1/2 and 1 have operations of their own."""
    if not call.is_float(0):
        raise call.unsupported("powers of integers")
    x, exponent = call.var(0), call.array(1)
    if exponent is not None and exponent.size == 1 and call.out_shape() == call.shape(0):
        value = float(exponent.item())
        special: dict[float, Callable[..., Any]] = {2.0: mb.square, 0.5: mb.sqrt, 1.0: mb.identity}
        if value in special:
            return special[value](x=x)
        return mb.pow(x=x, y=value)
    if not call.is_float(1):
        raise call.unsupported("integer exponents that are computed")
    return mb.pow(x=x, y=call.var(1))


def _fold(call: Call, mil_op: str) -> Any:
    operation = getattr(mb, mil_op)
    inputs = call.vars()
    return mb.identity(x=inputs[0]) if len(inputs) == 1 else functools.reduce(lambda x, y: operation(x=x, y=y), inputs)


@lowers("Min", since=13)
def minimum(call: Call) -> Any:
    """The least of all inputs."""
    return _fold(call, "minimum")


@lowers("Max", since=13)
def maximum(call: Call) -> Any:
    """The greatest of all inputs."""
    return _fold(call, "maximum")


@lowers("Sum", since=13)
def total(call: Call) -> Any:
    """The sum of all inputs."""
    return _fold(call, "add")


@lowers("Mean", since=13)
def mean(call: Call) -> Any:
    """The mean of all inputs, each scaled before they are added, so that fp16 does not overflow."""
    parts = [mb.mul(x=x, y=1.0 / len(call)) for x in call.vars()]
    return functools.reduce(lambda x, y: mb.add(x=x, y=y), parts)


@lowers("Not", since=1)
def logical_not(call: Call) -> Any:
    """``not x``."""
    return mb.logical_not(x=call.var(0))


@lowers("Where", since=16)
def where(call: Call) -> Any:
    """``x`` where the condition holds, ``y`` elsewhere; MIL wants both in the output's shape."""
    shape = call.out_shape()
    branches = [broadcast(call.var(index), shape) for index in (1, 2)]
    return mb.select(cond=call.var(0), a=branches[0], b=branches[1])
