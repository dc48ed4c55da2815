"""Elementwise arithmetic, comparison, logic and casts, with NumPy broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from validate.coreml.graph import Graph, kind_of, param, unsupported
from validate.coreml.registry import mil_op

_UNARY = {
    "abs": "Abs",
    "acos": "Acos",
    "asin": "Asin",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "logical_not": "Not",
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}
_BINARY = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "pow": "Pow",
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
}
_EXTREMES = {"maximum": "Max", "minimum": "Min"}
_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}
_CAST_KINDS = {"fp16": "f", "fp32": "f", "bool": "b", "int32": "i"} | dict.fromkeys(_RANGES, "i")


@mil_op(*_UNARY)
def unary(graph: Graph, op: Any) -> str:
    """The operators that ONNX has under another name; ``round`` is to nearest even."""
    return graph.node(_UNARY[op.op_type], graph.tensor(op.x))


@mil_op(*_BINARY)
def binary(graph: Graph, op: Any) -> str:
    """The two-input operators that ONNX has under another name."""
    return graph.node(_BINARY[op.op_type], *graph.tensors(op.x, op.y))


@mil_op(*_EXTREMES, exact=True)
def extreme(graph: Graph, op: Any) -> str:
    """The larger or smaller of two values."""
    return graph.node(_EXTREMES[op.op_type], *graph.tensors(op.x, op.y))


@mil_op("not_equal")
def not_equal(graph: Graph, op: Any) -> str:
    """X != y."""
    return graph.node("Not", graph.node("Equal", *graph.tensors(op.x, op.y)))


@mil_op("real_div")
def real_div(graph: Graph, op: Any) -> str:
    """X / y for floats."""
    if kind_of(op.outputs[0]) != "f":
        raise unsupported(op, "its operands are integers")
    return graph.node("Div", *graph.tensors(op.x, op.y))


@mil_op("floor_div")
def floor_div(graph: Graph, op: Any) -> str:
    """The largest integer not above x / y; integers go through float64, which holds them all."""
    x, y = graph.tensors(op.x, op.y)
    if kind_of(op.outputs[0]) == "f":
        return graph.node("Floor", graph.node("Div", x, y))
    x, y = (graph.node("Cast", value, to=TensorProto.DOUBLE) for value in (x, y))
    return graph.cast(graph.node("Floor", graph.node("Div", x, y)), "i")


@mil_op("mod")
def mod(graph: Graph, op: Any) -> str:
    """The remainder with the sign of y, as in Python."""
    x, y = graph.tensors(op.x, op.y)
    if kind_of(op.outputs[0]) != "f":
        return graph.node("Mod", x, y)
    whole = graph.node("Floor", graph.node("Div", x, y))
    return graph.node("Sub", x, graph.node("Mul", whole, y))


@mil_op("square")
def square(graph: Graph, op: Any) -> str:
    """X * x."""
    x = graph.tensor(op.x)
    return graph.node("Mul", x, x)


@mil_op("exp2")
def exp2(graph: Graph, op: Any) -> str:
    """2 to the power x."""
    if kind_of(op.x) != "f":
        raise unsupported(op, "its operand is an integer")
    return graph.node("Pow", 2.0, graph.tensor(op.x))


@mil_op("inverse")
def inverse(graph: Graph, op: Any) -> str:
    """1 / (x + epsilon)."""
    return graph.node("Reciprocal", graph.node("Add", graph.tensor(op.x), float(param(op, "epsilon"))))


@mil_op("rsqrt")
def rsqrt(graph: Graph, op: Any) -> str:
    """1 / sqrt(x + epsilon)."""
    shifted = graph.node("Add", graph.tensor(op.x), float(param(op, "epsilon")))
    return graph.node("Reciprocal", graph.node("Sqrt", shifted))


@mil_op("log")
def log(graph: Graph, op: Any) -> str:
    """log(x + epsilon)."""
    return graph.node("Log", graph.node("Add", graph.tensor(op.x), float(param(op, "epsilon"))))


@mil_op("clip", exact=True)
def clip(graph: Graph, op: Any) -> str:
    """X limited to [alpha, beta]."""
    return graph.node("Clip", graph.tensor(op.x), float(param(op, "alpha")), float(param(op, "beta")))


@mil_op("threshold", exact=True)
def threshold(graph: Graph, op: Any) -> str:
    """max(x, alpha)."""
    alpha = np.asarray(param(op, "alpha"), np.float32 if kind_of(op.x) == "f" else np.int32)
    return graph.node("Max", graph.tensor(op.x), alpha)


@mil_op("cast")
def cast(graph: Graph, op: Any) -> str:
    """Another element type; floats are cut towards zero, and narrow integers hold the nearest value they can."""
    x, dtype = graph.tensor(op.x), param(op, "dtype")
    if dtype not in _CAST_KINDS:
        raise unsupported(op, f"dtype {dtype!r} is unknown")
    kind, source = _CAST_KINDS[dtype], kind_of(op.x)
    if dtype in _RANGES and source != "b":
        low, high = _RANGES[dtype]
        limit = np.float32 if source == "f" else np.int32
        x = graph.node("Min", graph.node("Max", x, limit(low)), limit(high))
    return x if kind == source else graph.cast(x, kind)


@mil_op("select", exact=True)
def select(graph: Graph, op: Any) -> str:
    """A where the condition holds, else b."""
    if op.a is None or op.b is None:
        raise unsupported(op, "without a and b its result has no fixed shape")
    a, b = graph.tensors(op.a, op.b)
    if kind_of(op.outputs[0]) != "b":
        return graph.node("Where", graph.tensor(op.cond), a, b)
    numbers = (graph.cast(value, "i") for value in (a, b))  # ONNX Runtime selects no truth values
    return graph.cast(graph.node("Where", graph.tensor(op.cond), *numbers), "b")
