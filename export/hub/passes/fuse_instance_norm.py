"""(x − μ) / √(kσ² + ε) = InstanceNormalization(x; γ = 1/√k, β = 0, ε/k), however it is spelled.

μ and σ² are each plane's mean and variance: ReduceMean or GlobalAveragePool over height and width, or over a
view of x as (1, C, H·W); ReduceSum with a factor. σ² is E[(x−μ)²] or E[x²] − μ², and k its factor, for example
n/(n−1) of an unbiased variance. The root is Sqrt or Pow ½, the division Div, Reciprocal or Pow −½. A scale g and
a shift b, constant or computed, may stand behind, or inside as in x·f + (b − μ·f) with f = g/√(σ²+ε).
Not fused: √σ² + ε, which no normalization of ONNX computes, and anything that also averages over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.rewrite import (
    attribute,
    constant,
    dims,
    float_constant,
    new_constant,
    peel,
    produced_by,
    replace,
    scalar,
    two_way,
    with_shape,
)


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


def fuse_instance_norm(model: ir.Model) -> int:
    """Fuse every spelled-out instance norm into an InstanceNormalization node; returns how many."""
    count = 0
    for node in list(model.graph):
        if node.op_type not in ("Div", "Mul", "Add", "Sub") or node.graph is None:
            continue
        count += _fuse_quotient(node) or _fuse_sum(node)
    return count


def _fuse_quotient(node: ir.Node) -> bool:
    """(x − μ)/std, (x − μ)·inv, and both with a gain on either side."""
    if node.op_type == "Div":
        pairs = [(*node.inputs, deviation(node.inputs[1]))]
    elif node.op_type == "Mul":
        pairs = [(a, b, inverse_deviation(b)) for a, b in two_way(node)]
    else:
        return False
    for numerator, divisor, inverse in pairs:
        if inverse is None or not _is_column(divisor, numerator):
            continue
        gains = [] if inverse.gain is None else [inverse.gain]
        if is_centered(numerator, inverse.x):
            return _emit(node, inverse, gains, None)
        scaled = produced_by(numerator, "Mul")
        for centered, gain in two_way(scaled) if scaled is not None else ():
            if is_centered(centered, inverse.x) and _is_column(gain, centered):
                return _emit(node, inverse, [*gains, gain], None)
    return False


def _fuse_sum(node: ir.Node) -> bool:
    """x·f + (b − μ·f), x·f − μ·f and (x·f − μ·f) + b."""
    if node.op_type == "Add":
        pairs = two_way(node)
    elif node.op_type == "Sub":
        pairs = [tuple(node.inputs)]
    else:
        return False
    for product, rest in pairs:
        scaled = produced_by(product, "Mul")
        for x, f in two_way(scaled) if scaled is not None else ():
            inverse = inverse_deviation(f)
            if inverse is None or plane(x) is not inverse.x or not (_is_column(f, x) and _is_column(rest, x)):
                continue
            gains = [] if inverse.gain is None else [inverse.gain]
            if node.op_type == "Sub" and _is_mean_times(rest, inverse.x, f):
                return _emit(node, inverse, gains, None)
            shift = produced_by(peel(rest), "Sub")
            if node.op_type == "Add" and shift is not None and _is_mean_times(shift.inputs[1], inverse.x, f):
                return _emit(node, inverse, gains, shift.inputs[0])
    return False


def _is_mean_times(value: ir.Value, x: ir.Value, f: ir.Value) -> bool:
    product = produced_by(peel(value), "Mul")
    if product is None or _elements(product.outputs[0]) != _elements(f):
        return False
    return any(mean_of(a) == (x, 1.0) and peel(b) is peel(f) for a, b in two_way(product))


def _emit(node: ir.Node, inverse: InverseDeviation, gains: list[ir.Value], shift: ir.Value | None) -> bool:
    """Write the fused norm, then a Mul for each gain and an Add for the shift."""
    x, graph = inverse.x, node.graph
    shape, factor = dims(x), inverse.factor
    if shape is None or shape[0] != 1 or _size(dims(node.outputs[0])) != _size(shape) or factor <= 0:
        return False
    extras = [*gains, *([] if shift is None else [shift])]
    if any(_per_channel_size(value, shape[1]) is None for value in extras):
        return False
    scale = float_constant(graph, np.full(shape[1], 1 / np.sqrt(factor)), "norm_scale")
    bias = float_constant(graph, np.zeros(shape[1]), "norm_bias")
    output_shape = dims(node.outputs[0])

    def build(tape: Tape) -> ir.Value:
        attributes = {"epsilon": float(inverse.epsilon / factor)}
        y = with_shape(tape.op("InstanceNormalization", [x, scale, bias], attributes), shape)
        for gain in gains:
            y = with_shape(tape.op("Mul", [y, _column(tape, graph, gain, shape[1])]), shape)
        if shift is not None:
            y = with_shape(tape.op("Add", [y, _column(tape, graph, shift, shape[1])]), shape)
        if output_shape != shape:
            y = tape.op("Reshape", [y, new_constant(graph, np.array(output_shape, np.int64), "plane_view")])
        return y

    replace(node, build)
    return True


def _per_channel_size(value: ir.Value, channels: int) -> int | None:
    shape = dims(value)
    size = None if shape is None else _size(shape)
    return size if size in (1, channels) else None


def _column(tape: Tape, graph: ir.Graph, value: ir.Value, channels: int) -> ir.Value:
    """A gain or shift as (1, C, 1, 1) or (1, 1, 1, 1); it has C elements or one, so any view keeps their order."""
    size = _per_channel_size(value, channels)
    target = (1, size, 1, 1)
    if dims(value) == target or size == 1:
        return value
    if (array := constant(value)) is not None:
        return new_constant(graph, array.reshape(target), f"{value.name}_column")
    view = new_constant(graph, np.array(target, np.int64), "column_shape")
    return with_shape(tape.op("Reshape", [value, view]), target)


def plane(value: ir.Value | None) -> ir.Value | None:
    """The (1, C, H, W) tensor that ``value`` is, or is a (1, C, …) view of."""
    channels = (dims(value) or ())[:2]
    while dims(value) is not None and len(dims(value)) != 4:
        node = produced_by(value, "Reshape", "Squeeze", "Unsqueeze", "Flatten")
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
    return x, float(_size(shape[2:])) if node.op_type == "ReduceSum" else 1.0


def is_centered(value: ir.Value | None, x: ir.Value) -> bool:
    """Whether ``value`` is x minus the mean of each of its planes."""
    node = produced_by(value, "Sub")
    if node is None or plane(node.inputs[0]) is not x or mean_of(node.inputs[1]) != (x, 1.0):
        return False
    return _is_column(node.inputs[1], node.inputs[0])


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
    return None if root is None else (root, float(_size(shape[2:])) if "Sum" in node.op_type else 1.0)


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
        if found is not None and _elements(value) == dims(found.x)[1]:
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


def _is_column(value: ir.Value, beside: ir.Value) -> bool:
    """Whether ``value`` broadcasts along ``beside``'s channels (axis 1) and nothing else."""
    shape, other = dims(value), dims(beside)
    if shape is None or other is None or len(shape) > len(other):
        return False
    shape = (1,) * (len(other) - len(shape)) + shape
    return all(d == 1 for axis, d in enumerate(shape) if axis != 1) and shape[1] in (1, other[1])


def _elements(value: ir.Value) -> int | None:
    shape = dims(value)
    return None if shape is None else _size(shape)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
