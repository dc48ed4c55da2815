"""(x − μ) / √(kσ² + ε) = InstanceNormalization(x; γ = 1/√k, β = 0, ε/k), however it is spelled.

μ and σ² are each plane's mean and variance: ReduceMean or GlobalAveragePool over height and width, or over a
view of x as (1, C, H·W); ReduceSum with a factor. σ² is E[(x−μ)²] or E[x²] − μ², and k its factor, for example
n/(n−1) of an unbiased variance. The root is Sqrt or Pow ½, the division Div, Reciprocal or Pow −½. A scale g and
a shift b, constant or computed, may stand behind, or inside as in x·f + (b − μ·f) with f = g/√(σ²+ε).
Not fused: √σ² + ε, which no normalization of ONNX computes, and anything that also averages over channels.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.rewrite import (
    constant,
    dims,
    float_constant,
    new_constant,
    peel,
    produced_by,
    replace,
    two_way,
    with_shape,
)
from export.hub.passes.statistics import (
    InverseDeviation,
    deviation,
    elements,
    inverse_deviation,
    is_centered,
    is_column,
    mean_of,
    plane,
)


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
        if inverse is None or not is_column(divisor, numerator):
            continue
        gains = [] if inverse.gain is None else [inverse.gain]
        if is_centered(numerator, inverse.x):
            return _emit(node, inverse, gains, None)
        scaled = produced_by(numerator, "Mul")
        for centered, gain in two_way(scaled) if scaled is not None else ():
            if is_centered(centered, inverse.x) and is_column(gain, centered):
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
            if inverse is None or plane(x) is not inverse.x or not (is_column(f, x) and is_column(rest, x)):
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
    if product is None or elements(product.outputs[0]) != elements(f):
        return False
    return any(mean_of(a) == (x, 1.0) and peel(b) is peel(f) for a, b in two_way(product))


def _emit(node: ir.Node, inverse: InverseDeviation, gains: list[ir.Value], shift: ir.Value | None) -> bool:
    """Write the fused norm, then a Mul for each gain and an Add for the shift."""
    x, graph = inverse.x, node.graph
    shape, factor = dims(x), inverse.factor
    if shape is None or shape[0] != 1 or elements(node.outputs[0]) != elements(x) or factor <= 0:
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
    count = elements(value)
    return count if count in (1, channels) else None


def _column(tape: Tape, graph: ir.Graph, value: ir.Value, channels: int) -> ir.Value:
    """A gain or shift as (1, C, 1, 1) or (1, 1, 1, 1); it has C elements or one, so any view keeps their order."""
    target = (1, _per_channel_size(value, channels), 1, 1)
    if dims(value) == target or target[1] == 1:
        return value
    if (array := constant(value)) is not None:
        return new_constant(graph, array.reshape(target), f"{value.name}_column")
    view = new_constant(graph, np.array(target, np.int64), "column_shape")
    return with_shape(tape.op("Reshape", [value, view]), target)
