"""s_x s_w ConvInteger(q_x, q_w, z_x, z_w) = Conv(s_x (q_x - z_x), s_w (q_w - z_w)), and so for MatMulInteger.

What ``onnxruntime.quantization.quantize_dynamic`` writes, DynamicQuantizeLinear, ConvInteger, Cast, Mul, becomes the
form that the compilers know: DynamicQuantizeLinear, DequantizeLinear, Conv, with weights behind a DequantizeLinear. The
sums of whole numbers are exact, the floats' are rounded as any convolution's.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.rewrite import attribute, constant, dims, new_constant, produced_by, replace, stated, two_way

PRODUCTS = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def fuse_integer_products(model: ir.Model) -> int:
    """Write products of dynamically rounded numbers in the Q/DQ form; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type == "Mul")


def _fuse(node: ir.Node) -> bool:
    for product, scale in two_way(node):
        cast, scales = produced_by(product, "Cast"), produced_by(scale, "Mul")
        whole = None if cast is None else produced_by(cast.inputs[0], *PRODUCTS)
        if whole is None or scales is None or attribute(cast, "to") != ir.DataType.FLOAT.value:
            continue
        rounded = produced_by(whole.inputs[0], "DynamicQuantizeLinear")
        if rounded is None or len(whole.inputs) < 3 or whole.inputs[2] is not rounded.outputs[2]:
            continue
        for of_x, of_w in two_way(scales):
            weights = _weights(whole, constant(of_w)) if of_x is rounded.outputs[1] else None
            if weights is not None:
                replace(node, lambda tape, r=rounded, p=whole, w=weights: _product(tape, r, p, w))
                return True
    return False


def _weights(whole: ir.Node, scale: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """The weights, their scale and zero point (one number, or one an output channel), and the channels' axis."""
    steps = constant(whole.inputs[1])
    value = whole.inputs[3] if len(whole.inputs) > 3 else None
    zero = constant(value)
    if steps is None or scale is None or (value is not None and zero is None):
        return None
    axis = 0 if whole.op_type == "ConvInteger" else steps.ndim - 1
    zero = np.zeros((), steps.dtype) if zero is None else zero
    channels = steps.shape[axis]
    rank = len(dims(whole.outputs[0]) or ())
    where = 1 if whole.op_type == "ConvInteger" else rank - 1
    along = scale.size == 1 or (
        scale.size == channels and rank - scale.ndim <= where and scale.shape[where - rank + scale.ndim] == channels
    )
    if not along or zero.size not in (1, channels):
        return None
    if scale.size == 1 and zero.size == 1:
        return steps, scale.reshape(()), zero.reshape(()), axis
    return steps, *(np.broadcast_to(one.reshape(-1), (channels,)) for one in (scale, zero)), axis


def _product(tape: Tape, rounded: ir.Node, whole: ir.Node, weights: tuple) -> ir.Value:
    graph, (steps, scale, zero, axis) = whole.graph, weights
    x = stated(tape.op("DequantizeLinear", list(rounded.outputs)), dims(rounded.inputs[0]), ir.DataType.FLOAT)
    name = whole.inputs[1].name
    packed = [new_constant(graph, steps, f"{name}_steps")]
    packed += [new_constant(graph, scale.astype(np.float32), f"{name}_step"), new_constant(graph, zero, f"{name}_zero")]
    attributes = {"axis": axis} if scale.ndim else {}
    w = stated(tape.op("DequantizeLinear", packed, attributes), steps.shape, ir.DataType.FLOAT)
    return tape.op(PRODUCTS[whole.op_type], [x, w], dict(whole.attributes), name=whole.name)
