"""Reading (x − μ)/√(kσ² + ε), times gains, plus a shift, whichever axes μ and σ² are taken over.

As (x − μ)/std and (x − μ)·inv, with a gain g on either side, and as x·f + (b − μ·f), x·f − μ·f with f = g·inv.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from export.hub.passes.rewrite import dims, peel, produced_by, two_way
from export.hub.passes.statistics import (
    Extent,
    InverseDeviation,
    deviation,
    elements,
    inverse_deviation,
    is_centered,
    is_column,
    mean_of,
)


@dataclass(frozen=True)
class Spelled:
    """inverse · (x − μ), times each gain, plus the shift."""

    inverse: InverseDeviation
    gains: tuple[ir.Value, ...] = ()
    shift: ir.Value | None = None


def read_normalization(node: ir.Node) -> Spelled | None:
    """What ``node`` computes as a normalization, if it is the last node of one."""
    if node.op_type not in ("Div", "Mul", "Add", "Sub") or node.graph is None or dims(node.outputs[0]) is None:
        return None
    return _read_quotient(node) or _read_sum(node)


def _read_quotient(node: ir.Node) -> Spelled | None:
    """(x − μ)/std, (x − μ)·inv, and both with a gain on either side."""
    if node.op_type == "Div":
        pairs = [(*node.inputs, deviation(node.inputs[1]))]
    elif node.op_type == "Mul":
        pairs = [(a, b, inverse_deviation(b)) for a, b in two_way(node)]
    else:
        return None
    for numerator, divisor, inverse in pairs:
        if inverse is None:
            continue
        of = inverse.of
        gains = () if inverse.gain is None else (inverse.gain,)
        if not _fits(of, divisor, numerator, gains):
            continue
        if is_centered(numerator, of):
            return Spelled(inverse, gains)
        scaled = produced_by(numerator, "Mul")
        for centered, gain in two_way(scaled) if scaled is not None else ():
            if is_centered(centered, of) and _is_gain(of, gain, centered):
                return Spelled(inverse, (*gains, gain))
    return None


def _read_sum(node: ir.Node) -> Spelled | None:
    """x·f + (b − μ·f), x·f − μ·f and (x·f − μ·f) + b."""
    if node.op_type == "Add":
        pairs = two_way(node)
    elif node.op_type == "Sub":
        pairs = [tuple(node.inputs)]
    else:
        return None
    for product, rest in pairs:
        scaled = produced_by(product, "Mul")
        for x, f in two_way(scaled) if scaled is not None else ():
            inverse = inverse_deviation(f)
            if inverse is None or not inverse.of.holds(x):
                continue
            of = inverse.of
            gains = () if inverse.gain is None else (inverse.gain,)
            if not (_fits(of, f, x, gains) and (is_column(rest, x) if of.is_plane else _broadcasts(rest, x))):
                continue
            if node.op_type == "Sub" and _is_mean_times(rest, of, f):
                return Spelled(inverse, gains)
            shift = produced_by(peel(rest) if of.is_plane else rest, "Sub")
            if node.op_type == "Add" and shift is not None and _is_mean_times(shift.inputs[1], of, f):
                return Spelled(inverse, gains, shift.inputs[0])
    return None


def _fits(of: Extent, divisor: ir.Value, numerator: ir.Value, gains: tuple[ir.Value, ...]) -> bool:
    """Whether gain / deviation stands beside x as it must; over other axes than a plane's, a gain broadcasts as is."""
    if of.is_plane or not gains:
        return of.is_statistic(divisor, numerator)
    node = produced_by(divisor, "Mul", "Div")
    if node is None or dims(numerator) != dims(of.x):
        return False
    others = [value for value in node.inputs if value is not gains[0]]
    return len(others) == 1 and of.is_statistic(others[0], numerator) and _broadcasts(gains[0], numerator)


def _is_gain(of: Extent, gain: ir.Value, beside: ir.Value) -> bool:
    return is_column(gain, beside) if of.is_plane else _broadcasts(gain, beside)


def _broadcasts(value: ir.Value, beside: ir.Value) -> bool:
    """Whether ``value`` times ``beside`` has the shape of ``beside``."""
    shape, other = dims(value), dims(beside)
    if shape is None or other is None or len(shape) > len(other):
        return False
    return all(d in (1, full) for d, full in zip(reversed(shape), reversed(other), strict=False))


def _is_mean_times(value: ir.Value, of: Extent, f: ir.Value) -> bool:
    product = produced_by(peel(value) if of.is_plane else value, "Mul")
    if product is None or elements(product.outputs[0]) != elements(f):
        return False
    for a, b in two_way(product):
        if mean_of(a) == (of, 1.0) and (peel(b) is peel(f) if of.is_plane else b is f and of.is_statistic(a, of.x)):
            return True
    return False
