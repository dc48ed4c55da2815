"""Operators whose result depends on shapes alone, which are fixed: constants."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.decompose.registry import become, decomposes, fixed, shape_of, unsupported, whole
from export.hub.passes.rewrite import attribute, new_constant, replace

MAX_ELEMENTS = 2**16  # of a constant that is written out; a larger one of equal numbers is expanded


@decomposes("Shape", 21)
def shape(node: ir.Node) -> bool:
    """The input's shape."""
    return become(node, np.array(shape_of(node)[attribute(node, "start", 0) : attribute(node, "end")], np.int64))


@decomposes("Size", 21)
def size(node: ir.Node) -> bool:
    """How many elements the input has."""
    return become(node, np.array(np.prod(shape_of(node), dtype=np.int64)))


@decomposes("EyeLike", 9)
def eye_like(node: ir.Node) -> bool:
    """Ones on a diagonal."""
    dtype = ir.DataType(attribute(node, "dtype", int(node.inputs[0].dtype)))
    rows, columns = shape_of(node)
    return become(node, np.eye(rows, columns, attribute(node, "k", 0), dtype=dtype.numpy()))


@decomposes("ConstantOfShape", 21)
def constant_of_shape(node: ir.Node) -> bool:
    """One number everywhere: expanded, where folding found it too large to write out."""
    given = attribute(node, "value")
    number = np.float32(0) if given is None else given.numpy().reshape(())
    dims = [int(n) for n in fixed(node, 0, "shape")]
    if np.prod(dims, dtype=np.int64) <= MAX_ELEMENTS:
        return become(node, np.full(dims, number))
    value = new_constant(node.graph, np.asarray(number), f"{node.outputs[0].name}_value")
    to = whole(node, dims, "shape")
    replace(node, lambda tape: tape.op("Expand", [value, to]))
    return True


@decomposes("Range", 11)
def range_(node: ir.Node) -> bool:
    """start, start + delta, …, each added to the one before as ONNX Runtime does."""
    start, limit, delta = (fixed(node, k, name).reshape(()) for k, name in enumerate(("start", "limit", "delta")))
    if delta == 0:
        raise unsupported(node, "its step is 0")
    count = max(0, int(np.ceil((float(limit) - float(start)) / float(delta))))
    steps = np.full(count, delta, start.dtype)
    steps[:1] = start
    return become(node, np.add.accumulate(steps))
