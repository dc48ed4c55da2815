"""Elementwise arithmetic, comparisons and logic, all with NumPy broadcasting."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from export.coreml.arrange import broadcast
from export.coreml.call import Call
from export.coreml.mil import mb
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


@lowers("Equal", since=19)
def equal(call: Call) -> Any:
    """``x = y``; of booleans, ``not (x xor y)``."""
    x, y = call.var(0), call.var(1)
    if call.dtype(0).name == "BOOL":
        return mb.logical_not(x=mb.logical_xor(x=x, y=y))
    return mb.equal(x=x, y=y)


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
    if len(call) == 1:
        return mb.identity(x=call.var(0))
    parts = [mb.mul(x=x, y=1.0 / len(call)) for x in call.vars()]
    return functools.reduce(lambda x, y: mb.add(x=x, y=y), parts)


@lowers("Not", since=1)
def logical_not(call: Call) -> Any:
    """``not x``."""
    return mb.logical_not(x=call.var(0))


@lowers("Where", since=16)
def where(call: Call) -> Any:
    """``x`` where the condition holds, ``y`` elsewhere; together these two must have the output's shape in MIL."""
    shape = call.out_shape()
    x, y = call.var(1), call.var(2)
    if np.broadcast_shapes(tuple(x.shape), tuple(y.shape)) != shape:
        x, y = (x, broadcast(y, shape)) if x.val is not None else (broadcast(x, shape), y)
    return mb.select(cond=call.var(0), a=x, b=y)
