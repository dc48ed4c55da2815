"""Element-wise operators that are a formula of others."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, number, unsupported, whole
from export.hub.passes.rewrite import attribute, constant, dims, new_constant, replace


@decomposes("Shrink", 9)
def shrink(node: ir.Node) -> bool:
    """x + bias below -lambd, x - bias above lambd, 0 between. https://onnx.ai/onnx/operators/onnx__Shrink.html"""
    x = node.inputs[0]
    lambd, bias = attribute(node, "lambd", 0.5), attribute(node, "bias", 0.0)
    if x.dtype.is_integer() and not (lambd == int(lambd) and bias == int(bias)):
        raise unsupported(node, "whole numbers are compared with a fraction")
    low, high = number(node, -lambd, x, "low"), number(node, lambd, x, "high")
    zero = number(node, 0, x, "zero")
    by = number(node, bias, x, "bias")

    def build(tape: Tape) -> ir.Value:
        up = tape.op("Add", [x, by]) if bias else x
        down = tape.op("Sub", [x, by]) if bias else x
        inner = tape.op("Where", [tape.op("Greater", [x, high]), down, zero])
        return tape.op("Where", [tape.op("Less", [x, low]), up, inner])

    replace(node, build)
    return True


@decomposes("CastLike", 21)
def cast_like(node: ir.Node) -> bool:
    """Cast to the dtype of the second input, which is known here."""
    to = int(node.inputs[1].dtype)
    replace(node, lambda tape: tape.op("Cast", [node.inputs[0]], {"to": to}))
    return True


@decomposes("Dropout", 13)
def dropout(node: ir.Node) -> bool:
    """At inference the input itself, and a mask that is true everywhere."""
    training = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.False_
    if training is None or training.any():
        raise unsupported(node, "it is in training mode, which draws random numbers")
    x = node.inputs[0]
    kept = ir.node("Identity", [x])
    nodes, values = [kept], [kept.outputs[0]]
    if len(node.outputs) > 1:
        true = new_constant(node.graph, np.ones(dims(x), bool), f"{node.outputs[0].name}_mask")
        nodes.append(ir.node("Identity", [true]))
        values.append(nodes[-1].outputs[0])
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], nodes, node.outputs, values)
    return True


@decomposes("Trilu", 14)
def trilu(node: ir.Node) -> bool:
    """Zero where a constant triangle of the last two axes says so, whatever stands there."""
    x = node.inputs[0]
    shape = dims(x)
    given = constant(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else np.int64(0)
    if given is None:
        raise unsupported(node, "its diagonal is chosen at run time")
    ones, k = np.ones(shape[-2:], bool), int(given.reshape(()))
    keep = np.triu(ones, k) if attribute(node, "upper", 1) else np.tril(ones, k)
    mask = new_constant(node.graph, keep, f"{node.outputs[0].name}_triangle")
    if x.dtype is ir.DataType.BOOL:
        replace(node, lambda tape: tape.op("And", [x, mask]))
    else:
        zero = number(node, 0, x, "zero")
        replace(node, lambda tape: tape.op("Where", [mask, x, zero]))
    return True


@decomposes("AffineGrid", 20)
def affine_grid(node: ir.Node) -> bool:
    """θ times the places of the output, (x, y, 1) each from -1 to 1: a constant matrix times θᵀ.

    Pixels' centers unless ``align_corners``. https://onnx.ai/onnx/operators/onnx__AffineGrid.html
    """
    size = constant(node.inputs[1])
    if size is None:
        raise unsupported(node, "its size is computed at run time")
    theta, aligned = node.inputs[0], attribute(node, "align_corners", 0)
    spatial = [int(n) for n in size[2:]]
    if aligned and 1 in spatial:
        raise unsupported(node, "what align_corners means for a size of 1 is not defined")
    lines = []
    for n in spatial:
        i = np.arange(n, dtype=np.float64)
        lines.append(2 * i / (n - 1) - 1 if aligned else (2 * i + 1) / n - 1)
    places = np.meshgrid(*lines, indexing="ij")[::-1]  # x, the last axis, comes first
    base = np.stack([*places, np.ones(spatial)], axis=-1).reshape(-1, len(spatial) + 1)
    matrix = number(node, base, theta, "places")
    shape = whole(node, [int(size[0]), *spatial, len(spatial)], "shape")

    def build(tape: Tape) -> ir.Value:
        turned = tape.op("Transpose", [theta], {"perm": [0, 2, 1]})
        return tape.op("Reshape", [tape.op("MatMul", [matrix, turned]), shape])

    replace(node, build)
    return True
