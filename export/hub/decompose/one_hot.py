"""Ones at places that are found at run time: an index compared with 0, 1, 2, … along an axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, fixed, number, shape_of, whole
from export.hub.passes.rewrite import attribute, new_constant, replace

COMPARED = (ir.DataType.INT32, ir.DataType.INT64)  # as they are; ONNX casts any other index to int64, as 2.7 to 2


@decomposes("OneHot", 11)
def one_hot(node: ir.Node) -> bool:
    """``on`` where the index along the new axis is the given one, a negative one counting from the end, else ``off``.

    https://onnx.ai/onnx/operators/onnx__OneHot.html
    """
    indices, _, values = node.inputs
    shape = shape_of(node)
    depth = int(fixed(node, 1, "depth").reshape(()))
    axis = attribute(node, "axis", -1) % (len(shape) + 1)
    column = [1] * (len(shape) + 1)
    column[axis] = depth
    dtype = indices.dtype if indices.dtype in COMPARED else ir.DataType.INT64
    places, end, zero = (
        new_constant(node.graph, np.asarray(array, dtype.numpy()), f"{node.outputs[0].name}_{hint}")
        for array, hint in ((np.arange(depth).reshape(column), "places"), (depth, "depth"), (0, "zero"))
    )
    at = whole(node, [axis], "axis")
    off, on = whole(node, 0, "off"), whole(node, 1, "on")

    def build(tape: Tape) -> ir.Value:
        index = indices if dtype is indices.dtype else tape.op("Cast", [indices], {"to": int(dtype)})
        index = tape.op("Where", [tape.op("Less", [index, zero]), tape.op("Add", [index, end]), index])
        hit = tape.op("Equal", [tape.op("Unsqueeze", [index, at]), places])
        return tape.op(
            "Where", [hit, tape.op("Gather", [values, on], {"axis": 0}), tape.op("Gather", [values, off], {"axis": 0})]
        )

    replace(node, build)
    return True


@decomposes("Hardmax", 13)
def hardmax(node: ir.Node) -> bool:
    """1 at the first maximum along the axis, 0 elsewhere. https://onnx.ai/onnx/operators/onnx__Hardmax.html"""
    x = node.inputs[0]
    shape = shape_of(node)
    axis = attribute(node, "axis", -1) % len(shape)
    column = [1] * len(shape)
    column[axis] = shape[axis]
    places = whole(node, np.arange(shape[axis]).reshape(column), "places")
    one, zero = number(node, 1, x, "one"), number(node, 0, x, "zero")

    def build(tape: Tape) -> ir.Value:
        first = tape.op("ArgMax", [x], {"axis": axis, "keepdims": 1})
        return tape.op("Where", [tape.op("Equal", [first, places]), one, zero])

    replace(node, build)
    return True
