"""Reading statistics off the graph: means, variances and 1/√(variance + ε) over any axes, in any spelling.

The functions go back from a tensor and answer ``None`` where it is something else. A tensor with one number for
each channel, or each group of what is averaged, is read through any view, since a view keeps the order of its elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, peel, produced_by, scalar, two_way

VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")


@dataclass(frozen=True)
class Extent:
    """What is averaged together: the axes ``axes`` of ``x``; for planes, x is (1, C, H, W) and they are (2, 3)."""

    x: ir.Value
    axes: tuple[int, ...]

    @property
    def is_plane(self) -> bool:
        """Whether each channel of a picture is averaged by itself."""
        return len(dims(self.x)) == 4 and dims(self.x)[0] == 1 and self.axes == (2, 3)

    @property
    def groups(self) -> int:
        """How many means there are."""
        return size(tuple(d for axis, d in enumerate(dims(self.x)) if axis not in self.axes))

    @property
    def count(self) -> int:
        """How many elements each mean is taken of."""
        return size(dims(self.x)) // self.groups

    def holds(self, value: ir.Value | None) -> bool:
        """Whether ``value`` is x, or for planes a (1, C, …) view of it."""
        return value is self.x or (self.is_plane and plane(value) is self.x)

    def is_statistic(self, value: ir.Value, beside: ir.Value) -> bool:
        """Whether ``value``, of one number per mean, broadcasts against ``beside`` as the means do."""
        if self.is_plane:
            return is_column(value, beside)
        shape, other = dims(value), dims(self.x)
        if shape is None or len(shape) > len(other) or dims(beside) != other:
            return False
        full = (1,) * (len(other) - len(shape)) + shape
        return all(d == (1 if axis in self.axes else other[axis]) for axis, d in enumerate(full))


@dataclass(frozen=True)
class Variance:
    """factor · (variance over ``of``)."""

    of: Extent
    factor: float


@dataclass(frozen=True)
class InverseDeviation:
    """gain / √(factor · variance over ``of`` + epsilon); ``gain`` is ``None`` for 1."""

    of: Extent
    factor: float
    epsilon: float
    gain: ir.Value | None = None


def extent(view: ir.Value, axes: set[int] | None) -> Extent | None:
    """What a mean of ``view`` over ``axes`` is taken of."""
    shape = dims(view)
    if shape is None or not axes:
        return None
    if axes == set(range(2, len(shape))) and (x := plane(view)) is not None:
        return Extent(x, (2, 3))
    return Extent(view, tuple(sorted(axes)))


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


def mean_of(value: ir.Value | None) -> tuple[Extent, float] | None:
    """(e, f) if ``value`` is f times the means over e, in any view of its elements."""
    value = peel(value)
    for product, factor in _scalar_products(value):
        inner = mean_of(product)
        return None if inner is None else (inner[0], inner[1] * factor)
    node = produced_by(value, "ReduceMean", "ReduceSum", "GlobalAveragePool")
    if node is None:
        return None
    of = extent(node.inputs[0], _axes(node))
    return None if of is None else (of, float(of.count) if node.op_type == "ReduceSum" else 1.0)


def is_centered(value: ir.Value | None, of: Extent) -> bool:
    """Whether ``value`` is x minus the means over ``of``."""
    node = produced_by(value, "Sub")
    if node is None or not of.holds(node.inputs[0]) or mean_of(node.inputs[1]) != (of, 1.0):
        return False
    return of.is_statistic(node.inputs[1], node.inputs[0])


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
    root, axes, factor = squares
    centered = produced_by(root, "Sub")
    of = None if centered is None else extent(centered.inputs[0], axes)
    return Variance(of, factor) if of is not None and is_centered(root, of) else None


def _difference_of_moments(first: ir.Value, second: ir.Value) -> Variance | None:
    squares, mean = _mean_of_squares(first), square_root(peel(second))
    if squares is None or mean is None or squares[2] != 1.0:
        return None
    of = extent(squares[0], squares[1])
    if of is None or dims(first) != dims(second):
        return None
    return Variance(of, 1.0) if mean_of(mean) == (of, 1.0) else None


def _mean_of_squares(value: ir.Value | None) -> tuple[ir.Value, set[int], float] | None:
    """(r, axes, f) if ``value`` is f times the mean of r² over ``axes``."""
    norm = square_root(peel(value))
    if (node := produced_by(peel(norm), "ReduceL2")) is not None:  # ‖r‖² is the sum of the squares
        root = node.inputs[0]
    else:
        node = produced_by(peel(value), "ReduceMean", "ReduceSum", "GlobalAveragePool", "ReduceSumSquare")
        if node is None:
            return None
        view = node.inputs[0]
        root = view if node.op_type == "ReduceSumSquare" else square_root(view)
    axes = _axes(node)
    if root is None or not axes or dims(root) is None:
        return None
    of_means = node.op_type in ("ReduceMean", "GlobalAveragePool")
    return root, axes, 1.0 if of_means else float(size(tuple(dims(root)[axis] for axis in axes)))


def square_root(value: ir.Value | None) -> ir.Value | None:
    """r if ``value`` is r·r or r²."""
    node = produced_by(value, "Mul", "Pow")
    if node is None:
        return None
    if node.op_type == "Mul":
        return node.inputs[0] if node.inputs[0] is node.inputs[1] else None
    return node.inputs[0] if scalar(node.inputs[1]) == 2.0 else None


def deviation(value: ir.Value | None, exponent: float = 0.5) -> InverseDeviation | None:
    """Read √(variance + ε), or with ``exponent`` −½ its reciprocal; and f·‖x − μ‖, whose ε is 0."""
    if exponent > 0 and (norm := _norm_of_centered(value)) is not None:
        return norm
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
    return InverseDeviation(variance.of, variance.factor, epsilon)


def _norm_of_centered(value: ir.Value | None) -> InverseDeviation | None:
    factor = 1.0
    for product, number in _scalar_products(peel(value)):
        value, factor = product, number
    node = produced_by(peel(value), "ReduceL2")
    centered = None if node is None else produced_by(node.inputs[0], "Sub")
    of = None if centered is None else extent(centered.inputs[0], _axes(node))
    if of is None or factor <= 0 or not is_centered(node.inputs[0], of):
        return None
    return InverseDeviation(of, factor**2 * of.count, 0.0)


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
        if found is not None and (not found.of.is_plane or elements(value) == found.of.groups):
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


def _axes(node: ir.Node) -> set[int] | None:
    """The axes that a pooling or Reduce node averages over; ``None`` if they are computed."""
    shape = dims(node.inputs[0])
    if shape is None:
        return None
    rank = len(shape)
    if node.op_type == "GlobalAveragePool":
        return set(range(2, rank))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        listed = constant(node.inputs[1])
        return None if listed is None else {int(axis) % rank for axis in listed.reshape(-1)}
    stated = attribute(node, "axes")
    return None if stated is None else {axis % rank for axis in stated}


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
