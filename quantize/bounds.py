"""Bounds of tensors: between which values they can be cut off without anything changing behind them.

What reaches Clip(0, 6) may be cut to 0..6 at once, what reaches HardSwish at -3 from below, and in front of
``150 * tanh(x) + 127.5``, itself cut to 0..255, x need not go beyond 1.26. An int8 range that stops at such bounds
loses nothing and has finer steps. Bounds go backwards through the graph: f, rising, may be given clip(x, f^-1(a),
f^-1(b)) where f(x) may be cut to a..b. A tensor that several nodes read keeps what any of them needs.

Tanh and Sigmoid never quite end: they do where all that is left is ``REST`` of their span, a quarter of a gray level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from quantize.graph import add_initializer
from quantize.units import RESHAPES, is_constant
from validate.ports import Port

Bound = tuple[np.ndarray, np.ndarray]  # low and high; () or (C, 1, 1)
REST = 1 / 1024
FLOATS = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
ENDLESS: Bound = (np.array(-np.inf), np.array(np.inf))
MOVES = ("Identity", "DepthToSpace", "SpaceToDepth", "Transpose", "Slice", "Expand", *RESHAPES)
ALIKE = ("MaxPool", "Relu")


def find_bounds(model: ir.Model, outputs: Sequence[Port] = ()) -> dict[str, Bound]:
    """The bounds of every tensor that has any, by name; arrays () or (C, 1, 1), infinite where there is none.

    ``outputs`` are the model's ports: a picture is cut to its value range by whoever looks at it.
    """
    bounds: dict[ir.Value, Bound] = {}
    ranges = {port.name: port.value_range for port in outputs if port.is_image}
    for value in model.graph.outputs:
        low, high = ranges.get(value.name, (-np.inf, np.inf))
        bounds[value] = np.array(float(low)), np.array(float(high))
    for node in reversed(list(model.graph)):
        for index, value in enumerate(node.inputs):
            if value is None or is_constant(value):
                continue
            needed = _needed(node, index, bounds)
            bounds[value] = _union(bounds[value], needed) if value in bounds else needed
    return {value.name: bound for value, bound in bounds.items() if any(np.isfinite(side).any() for side in bound)}


def _needed(node: ir.Node, index: int, bounds: dict[ir.Value, Bound]) -> Bound:
    rule = RULES.get(node.op_type)
    if rule is None or node.domain not in ("", "ai.onnx") or len(node.outputs) > 1:
        return ENDLESS
    low, high = rule(node, index, bounds.get(node.outputs[0], ENDLESS))
    sound = np.less(low, high).all() and not (np.isnan(low).any() or np.isnan(high).any())
    return (np.asarray(low), np.asarray(high)) if sound else ENDLESS


def _union(a: Bound, b: Bound) -> Bound:
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def _constant(node: ir.Node, index: int) -> np.ndarray | None:
    """The constant input ``index`` of ``node``, where it is one number or one a channel of an (N, C, H, W) tensor."""
    value = node.inputs[index] if len(node.inputs) > index else None
    if not is_constant(value):
        return None
    array = value.const_value.numpy().astype(np.float64)
    if array.size == 1:
        return array.reshape(())
    shape = array.shape[1:] if array.ndim == 4 and array.shape[0] == 1 else array.shape
    channels = node.outputs[0].shape[1] if len(node.outputs[0].shape) == 4 else None
    return array.reshape(shape) if shape == (channels, 1, 1) else None


def _clip(node: ir.Node, index: int, bound: Bound) -> Bound:
    limits = [
        ENDLESS[i] if len(node.inputs) <= i + 1 or node.inputs[i + 1] is None else _constant(node, i + 1)
        for i in (0, 1)
    ]
    if index or any(limit is None for limit in limits):
        return ENDLESS
    return np.maximum(bound[0], limits[0]), np.minimum(bound[1], limits[1])


def _alike(node: ir.Node, index: int, bound: Bound) -> Bound:
    return np.maximum(bound[0], 0.0) if node.op_type == "Relu" else bound[0], bound[1]


def _move(node: ir.Node, index: int, bound: Bound) -> Bound:
    return (bound[0].min(), bound[1].max()) if index == 0 else ENDLESS  # which channel is where, nobody knows


def _pad(node: ir.Node, index: int, bound: Bound) -> Bound:
    mode = node.attributes["mode"].as_string() if "mode" in node.attributes else "constant"
    return _move(node, index, bound) if mode in ("reflect", "edge", "wrap") else ENDLESS


def _resize(node: ir.Node, index: int, bound: Bound) -> Bound:
    nearest = "mode" not in node.attributes or node.attributes["mode"].as_string() == "nearest"
    return _move(node, index, bound) if nearest else ENDLESS


def _tanh(node: ir.Node, index: int, bound: Bound) -> Bound:
    most = 1 - 2 * REST
    return np.arctanh(np.clip(bound[0], -most, most)), np.arctanh(np.clip(bound[1], -most, most))


def _sigmoid(node: ir.Node, index: int, bound: Bound) -> Bound:
    low, high = (np.clip(side, REST, 1 - REST) for side in bound)
    return np.log(low / (1 - low)), np.log(high / (1 - high))


def _hard_sigmoid(node: ir.Node, index: int, bound: Bound) -> Bound:
    alpha, beta = hard_sigmoid_of(node)
    if alpha <= 0:
        return ENDLESS
    low, high = (np.clip(side, 0, 1) for side in bound)
    return (low - beta) / alpha, (high - beta) / alpha


def hard_sigmoid_of(node: ir.Node) -> tuple[float, float]:
    """Alpha and beta of a HardSigmoid."""
    attributes = node.attributes
    alpha = attributes["alpha"].as_float() if "alpha" in attributes else 0.2
    return alpha, attributes["beta"].as_float() if "beta" in attributes else 0.5


def _hard_swish(node: ir.Node, index: int, bound: Bound) -> Bound:
    return np.full_like(bound[1], -3.0), np.maximum(bound[1], 3.0)


def _add(node: ir.Node, index: int, bound: Bound) -> Bound:
    number = _constant(node, 1 - index)
    if number is None or (node.op_type == "Sub" and index == 1):
        return ENDLESS
    number = -number if node.op_type == "Sub" else number
    return bound[0] - number, bound[1] - number


def _multiply(node: ir.Node, index: int, bound: Bound) -> Bound:
    factor = _constant(node, 1 - index)
    if factor is None:
        return _gated(node, index)
    if (node.op_type == "Div" and index == 1) or not factor.all():
        return ENDLESS
    factor = 1 / factor if node.op_type == "Div" else factor
    ends = bound[0] / factor, bound[1] / factor
    return np.minimum(*ends), np.maximum(*ends)


def _gated(node: ir.Node, index: int) -> Bound:
    """x HardSigmoid(k x), k > 0, is zero where its gate is."""
    value, gate = node.inputs[index], node.inputs[1 - index].producer()
    if node.op_type != "Mul" or gate is None or gate.op_type != "HardSigmoid":
        return ENDLESS
    alpha, beta = hard_sigmoid_of(gate)
    scaled, factor = gate.inputs[0], np.array(1.0)
    if scaled is not value:
        inner = scaled.producer()
        if inner is None or inner.op_type != "Mul" or value not in inner.inputs:
            return ENDLESS
        factor = _constant(inner, 1 - list(inner.inputs).index(value))
    if factor is None or alpha <= 0 or beta < 0 or (factor <= 0).any():
        return ENDLESS
    return -beta / alpha / factor, np.full_like(factor, np.inf)


RULES: dict[str, Callable[[ir.Node, int, Bound], Bound]] = {
    **dict.fromkeys(MOVES, _move),
    **dict.fromkeys(ALIKE, _alike),
    **dict.fromkeys(("Add", "Sub"), _add),
    **dict.fromkeys(("Mul", "Div"), _multiply),
    "Clip": _clip,
    "Pad": _pad,
    "Resize": _resize,
    "Tanh": _tanh,
    "Sigmoid": _sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
}


def cut(graph: ir.Graph, value: ir.Value, bound: Bound | None) -> tuple[ir.Value, list[ir.Node]]:
    """``value`` cut to ``bound``, and the nodes that do it, which are still to be added."""
    nodes: list[ir.Node] = []
    for op_type, side in zip(("Max", "Min"), bound or (), strict=False):
        if np.isfinite(side).any():
            limit = add_initializer(graph, f"{value.name}_{op_type}_bound", np.clip(side, *FLOATS).astype(np.float32))
            nodes.append(ir.node(op_type, [nodes[-1].outputs[0] if nodes else value, limit]))
    return (nodes[-1].outputs[0], nodes) if nodes else (value, nodes)
