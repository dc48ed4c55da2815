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

from export.hub.passes.normalization import Spelled, read_normalization
from export.hub.passes.rewrite import constant, dims, float_constant, new_constant, replace, with_shape
from export.hub.passes.statistics import elements


def fuse_instance_norm(model: ir.Model) -> int:
    """Fuse every spelled-out instance norm into an InstanceNormalization node; returns how many."""
    count = 0
    for node in list(model.graph):
        spelled = read_normalization(node)
        if spelled is not None and spelled.inverse.of.is_plane:
            count += _emit(node, spelled)
    return count


def _emit(node: ir.Node, spelled: Spelled) -> bool:
    """Write the fused norm, then a Mul for each gain and an Add for the shift."""
    inverse, gains, shift = spelled.inverse, spelled.gains, spelled.shift
    x, graph = inverse.of.x, node.graph
    shape, factor = dims(x), inverse.factor
    if elements(node.outputs[0]) != elements(x) or factor <= 0:
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
