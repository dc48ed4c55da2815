"""Norms over axes, in a form in which no sum of squares leaves half precision: x is first divided by its maximum.

With m = max |x|, or 1 where that is 0, and z = x / m, every |z| <= 1, and a norm of x is m times that of z.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, number, shape_of, unsupported, whole
from export.hub.passes.rewrite import attribute, replace

MVN_EPSILON = 1e-9  # the operator's own, added to the deviation


@decomposes("LpNormalization", 1)
def lp_normalization(node: ir.Node) -> bool:
    """x / ‖x‖ₚ = z / ‖z‖ₚ along an axis, and 0 where x is. https://onnx.ai/onnx/operators/onnx__LpNormalization.html"""
    x, p = node.inputs[0], attribute(node, "p", 2)
    if p not in (1, 2):
        raise unsupported(node, f"p is {p}, and the operator defines 1 and 2")
    axes = whole(node, [attribute(node, "axis", -1) % len(shape_of(node))], "axis")
    one, zero = number(node, 1, x, "one"), number(node, 0, x, "zero")

    def build(tape: Tape) -> ir.Value:
        z, empty = _scaled(tape, x, axes, one, zero)
        norm = tape.op("ReduceL1" if p == 1 else "ReduceL2", [z, axes], {"keepdims": 1})
        return tape.op("Div", [z, tape.op("Where", [empty, one, norm])])

    replace(node, build)
    return True


@decomposes("MeanVarianceNormalization", 13)
def mean_variance_normalization(node: ir.Node) -> bool:
    """d / (σ + ε) for d = x - mean(x) and σ² = mean(d²); with z = d / m it is z / (σ(z) + ε / m), and 0 where d is.

    https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
    """
    x = node.inputs[0]
    axes = whole(node, [axis % len(shape_of(node)) for axis in attribute(node, "axes", (0, 2, 3))], "axes")
    one, zero, epsilon = (number(node, n, x, hint) for n, hint in ((1, "one"), (0, "zero"), (MVN_EPSILON, "epsilon")))

    def build(tape: Tape) -> ir.Value:
        d = tape.op("Sub", [x, tape.op("ReduceMean", [x, axes], {"keepdims": 1})])
        z, empty = _scaled(tape, d, axes, one, zero)
        variance = tape.op("ReduceMean", [tape.op("Mul", [z, z]), axes], {"keepdims": 1})
        m = tape.op("Where", [empty, one, tape.op("ReduceMax", [tape.op("Abs", [d]), axes], {"keepdims": 1})])
        deviation = tape.op("Add", [tape.op("Sqrt", [variance]), tape.op("Div", [epsilon, m])])
        return tape.op("Div", [z, tape.op("Where", [empty, one, deviation])])

    replace(node, build)
    return True


def _scaled(tape: Tape, x: ir.Value, axes: ir.Value, one: ir.Value, zero: ir.Value) -> tuple[ir.Value, ir.Value]:
    """(z, where x is nothing but zeros)."""
    largest = tape.op("ReduceMax", [tape.op("Abs", [x]), axes], {"keepdims": 1})
    empty = tape.op("Equal", [largest, zero])
    return tape.op("Div", [x, tape.op("Where", [empty, one, largest])]), empty
