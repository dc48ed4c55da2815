"""Reading a plane's statistics off the graph: its mean, its variance and 1/√(variance + ε), in any spelling.

The functions go back from a tensor and answer ``None`` where it is something else. A tensor with one number for
each channel is read through any view, since a view keeps the order of its C elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, peel, produced_by, scalar, two_way

VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")


@dataclass(frozen=True)
class Variance:
    """factor · (variance of each plane of x)."""

    x: ir.Value
    factor: float


@dataclass(frozen=True)
class InverseDeviation:
    """gain / √(factor · variance(x) + epsilon); ``gain`` is ``None`` for 1."""

    x: ir.Value
    factor: float
    epsilon: float
    gain: ir.Value | None = None


def plane(value: ir.Value | None) -> ir.Value | None:
    """The (1, C, H, W) tensor that ``value`` is, or is a (1, C, …) view of."""
    channels = (dims(value) or ())[:2]
    while dims(value) is not None and len(dims(value)) != 4:
        node = produced_by(value, *VIEWS)
        if node is None:
            return None
        value = node.inputs[0]
    shape = dims(value)
    return value if shape is not None and shape[:2] == channels and shape[0] == 1 else None


def mean_of(value: ir.Value | None) -> tuple[ir.Value, float] | None:
    """(x, f) if ``value`` is f times the mean of each plane of x, in any view of its C elements."""
    value = peel(value)
    for product, factor in _scalar_products(value):
        inner = mean_of(product)
        return None if inner is None else (inner[0], inner[1] * factor)
    node = produced_by(value, "ReduceMean", "ReduceSum", "GlobalAveragePool")
    if node is None:
        return None
    view = node.inputs[0]
    shape, x = dims(view), plane(view)
    if x is None or shape is None:
        return None
    if node.op_type != "GlobalAveragePool" and _axes(node, len(shape)) != set(range(2, len(shape))):
        return None
    return x, float(size(shape[2:])) if node.op_type == "ReduceSum" else 1.0


def is_centered(value: ir.Value | None, x: ir.Value) -> bool:
    """Whether ``value`` is x minus the mean of each of its planes."""
    node = produced_by(value, "Sub")
    if node is None or plane(node.inputs[0]) is not x or mean_of(node.inputs[1]) != (x, 1.0):
        return False
    return is_column(node.inputs[1], node.inputs[0])


def variance_of(value: ir.Value | None) -> Variance | None:
    """Read E[(x − μ)²] or E[x²] − μ², with any constant factor."""
    value = peel(value)
    for product, factor in _scalar_products(value):
        inner = variance_of(product)
        return None if inner is None else changed(inner, factor=inner.factor * factor)
    difference = produced_by(value, "Sub")
    if difference is not None:
        return _difference_of_moments(*difference.inputs)
    squares = _mean_of_squares(value)
    if squares is None:
        return None
    root, factor = squares
    centered = produced_by(root, "Sub")
    x = None if centered is None else plane(centered.inputs[0])
    return Variance(x, factor) if x is not None and is_centered(root, x) else None


def _difference_of_moments(first: ir.Value, second: ir.Value) -> Variance | None:
    squares, mean = _mean_of_squares(first), square_root(peel(second))
    if squares is None or mean is None or squares[1] != 1.0:
        return None
    x = plane(squares[0])
    if x is None or dims(first) != dims(second):
        return None
    return Variance(x, 1.0) if mean_of(mean) == (x, 1.0) else None


def _mean_of_squares(value: ir.Value | None) -> tuple[ir.Value, float] | None:
    """(r, f) if ``value`` is f times the mean over each plane of r²."""
    node = produced_by(peel(value), "ReduceMean", "ReduceSum", "GlobalAveragePool", "ReduceSumSquare")
    if node is None:
        return None
    view = node.inputs[0]
    shape = dims(view)
    if shape is None or len(shape) < 3 or shape[0] != 1:
        return None
    if node.op_type != "GlobalAveragePool" and _axes(node, len(shape)) != set(range(2, len(shape))):
        return None
    root = view if node.op_type == "ReduceSumSquare" else square_root(view)
    return None if root is None else (root, float(size(shape[2:])) if "Sum" in node.op_type else 1.0)


def square_root(value: ir.Value | None) -> ir.Value | None:
    """r if ``value`` is r·r or r²."""
    node = produced_by(value, "Mul", "Pow")
    if node is None:
        return None
    if node.op_type == "Mul":
        return node.inputs[0] if node.inputs[0] is node.inputs[1] else None
    return node.inputs[0] if scalar(node.inputs[1]) == 2.0 else None


def deviation(value: ir.Value | None, exponent: float = 0.5) -> InverseDeviation | None:
    """Read √(variance + ε), or with ``exponent`` −½ its reciprocal."""
    node = produced_by(peel(value), "Sqrt", "Pow")
    if node is None:
        return None
    power = 0.5 if node.op_type == "Sqrt" else scalar(node.inputs[1])
    if power != exponent:
        return None
    radicand, epsilon = peel(node.inputs[0]), 0.0
    total = produced_by(radicand, "Add")
    if total is not None:
        for part, number in two_way(total):
            if (found := scalar(number)) is not None:
                radicand, epsilon = part, found
                break
        else:
            return None
    variance = variance_of(radicand)
    if variance is None or epsilon < 0:
        return None
    return InverseDeviation(variance.x, variance.factor, epsilon)


def inverse_deviation(value: ir.Value | None) -> InverseDeviation | None:
    """Read 1/√(variance + ε) and g/√(variance + ε), where g has one element per channel or one in all."""
    value = peel(value)
    plain = _plain_inverse(value)
    if plain is not None:
        return plain
    node = produced_by(value, "Div", "Mul")
    if node is None:
        return None
    if node.op_type == "Div":
        pairs = [(node.inputs[0], deviation(node.inputs[1]))]
    else:
        pairs = [(gain, _plain_inverse(peel(factor))) for factor, gain in two_way(node)]
    for gain, found in pairs:
        if found is not None and elements(value) == dims(found.x)[1]:
            return changed(found, gain=gain)
    return None


def _plain_inverse(value: ir.Value | None) -> InverseDeviation | None:
    node = produced_by(value, "Reciprocal", "Div")
    if node is None:
        return deviation(value, -0.5)
    if node.op_type == "Reciprocal":
        return deviation(node.inputs[0])
    return deviation(node.inputs[1]) if scalar(node.inputs[0]) == 1.0 else None


def _scalar_products(value: ir.Value | None) -> list[tuple[ir.Value, float]]:
    """[(v, f)] if ``value`` is v times a constant number, else []."""
    node = produced_by(value, "Mul", "Div")
    if node is None:
        return []
    first, second = node.inputs
    if (number := scalar(second)) is not None and number != 0:
        return [(first, number if node.op_type == "Mul" else 1 / number)]
    if node.op_type == "Mul" and (number := scalar(first)) is not None:
        return [(second, number)]
    return []


def _axes(node: ir.Node, rank: int) -> set[int] | None:
    """The axes that a Reduce node sums over; ``None`` if they are computed or left out."""
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else None
    if axes is None:
        stated = attribute(node, "axes")
        return None if stated is None else {axis % rank for axis in stated}
    return {int(axis) % rank for axis in axes.reshape(-1)}


def is_column(value: ir.Value, beside: ir.Value) -> bool:
    """Whether ``value`` broadcasts along ``beside``'s channels (axis 1) and nothing else."""
    shape, other = dims(value), dims(beside)
    if shape is None or other is None or len(shape) > len(other):
        return False
    shape = (1,) * (len(other) - len(shape)) + shape
    return all(d == 1 for axis, d in enumerate(shape) if axis != 1) and shape[1] in (1, other[1])


def elements(value: ir.Value) -> int | None:
    """How many elements ``value`` has; ``None`` if its shape is not known."""
    shape = dims(value)
    return None if shape is None else size(shape)


def size(shape: tuple[int, ...]) -> int:
    """How many elements a tensor of ``shape`` has."""
    return int(np.prod(shape, dtype=np.int64))
