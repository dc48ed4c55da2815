"""QuantizeLinear and DequantizeLinear.

8-bit activations become int8 tensors (uint8 ones with everything 128 lower, which is what TFLite's kernels take), int16
ones without a zero point become int16 tensors. Others, such as uint16, have no kernels and are computed in float,
rounding and clamping as ONNX says.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

UINT8_TO_INT8 = 128
MAX_EXACT_BITS = 16  # whole numbers up to 2^24 are exact in float32


def read_parameters(context: Lowering, node: ir.Node) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Scale, zero point (int64, of scale's shape) and integer type of a QuantizeLinear or DequantizeLinear."""
    scale = context.need_constant(node, 1, "scale").astype(np.float32)
    zero = context.constant(context.input(node, 2))
    if context.input(node, 2) is not None and zero is None:
        raise unsupported(node, "its zero point is computed at run time.")
    if node.op_type == "DequantizeLinear":
        kind = np.dtype(node.inputs[0].dtype.numpy())
    elif zero is not None:
        kind = zero.dtype
    else:
        kind = np.dtype(ir.DataType(context.attribute(node, "output_dtype", 0) or ir.DataType.UINT8).numpy())
    if not np.issubdtype(kind, np.integer):
        raise unsupported(node, f"quantization to {kind} has no TFLite counterpart.")
    zero = np.zeros(scale.shape, np.int64) if zero is None else zero.astype(np.int64)
    return scale, zero, kind


def int8_parameters(context: Lowering, node: ir.Node) -> Quantization | None:
    """The node's parameters for an int8 tensor; None for another width or more than one scale."""
    scale, zero, kind = read_parameters(context, node)
    if scale.size != 1 or kind not in (np.int8, np.uint8):
        return None
    shift = UINT8_TO_INT8 if kind == np.uint8 else 0
    return Quantization.per_tensor(float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - shift)


def tensor_parameters(context: Lowering, node: ir.Node) -> tuple[Quantization, np.dtype] | None:
    """The node's parameters and the type of the tensor they are for, int8 or int16; None where there is no such one."""
    scale, zero, kind = read_parameters(context, node)
    if kind == np.int16 and scale.size == 1 and not zero.any():
        return Quantization.per_tensor(float(scale.reshape(-1)[0]), 0), np.dtype(np.int16)
    parameters = int8_parameters(context, node)
    return None if parameters is None else (parameters, np.dtype(np.int8))


def requantize(context: Lowering, tensor: Tensor, quantization: Quantization, dtype: np.dtype) -> Tensor:
    """``tensor``, float or not, with these parameters and in this type (int8, int16 or uint8)."""
    if tensor.dtype == dtype and tensor.quantization == quantization:
        return tensor
    if tensor.dtype == np.int16 and dtype == np.uint8:  # the kernel has no such pair; int8 is uint8, 128 lower
        (scale,), (zero,) = quantization.scale, quantization.zero_point
        tensor = requantize(context, tensor, Quantization((scale,), (zero - UINT8_TO_INT8,)), np.dtype(np.int8))
    return context.builder.emit("QUANTIZE", [tensor], tensor.shape, dtype=dtype, quantization=quantization)


def _spread(context: Lowering, node: ir.Node, parameter: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scale or zero point, stretched to broadcast against a tensor of ``shape`` (per tensor, axis or block)."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = context.attribute(node, "axis", 1) % len(shape)
    if parameter.ndim == 1:
        return parameter.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    block = context.attribute(node, "block_size", 0)
    return np.repeat(parameter, block, axis=axis)[tuple(np.s_[:d] for d in shape)]


@lowering("QuantizeLinear", 13, 19, 21)
def quantize_linear(context: Lowering, node: ir.Node) -> None:
    """``clamp(round(x / scale) + zero_point)``, halves to even (QUANTIZE: away from zero)."""
    value, output = node.inputs[0], node.outputs[0]
    scale, zero, kind = read_parameters(context, node)
    limits = np.iinfo(kind)
    array = context.constant(value)
    if array is not None:
        scale, zero = (_spread(context, node, p, array.shape) for p in (scale, zero))
        context.bind_constant(output, np.clip(np.rint(array / scale) + zero, limits.min, limits.max).astype(kind))
        return
    found = tensor_parameters(context, node)
    if found is not None:
        source = context.quantized(value) or context.place(value)
        context.bind(output, requantize(context, source.tensor, *found), source.perm)
        return
    if scale.size != 1 or limits.bits > MAX_EXACT_BITS:
        raise unsupported(node, f"run-time quantization to {kind} with {scale.size} scales is not supported.")
    placed, f = context.place(value), Formula(context)
    steps = f.unary("ROUND", f.div(placed.tensor, float(scale.reshape(-1)[0])))
    shift = float(zero.reshape(-1)[0])
    y = f.minimum(f.maximum(steps, limits.min - shift), limits.max - shift)
    context.bind(output, y, placed.perm)  # whole numbers, zero point taken off, in float32


@lowering("DequantizeLinear", 13, 19, 21)
def dequantize_linear(context: Lowering, node: ir.Node) -> None:
    """``(q - zero_point) * scale``; a constant is computed now, a tensor when a float is asked for."""
    value, output = node.inputs[0], node.outputs[0]
    scale, zero, kind = read_parameters(context, node)
    array = context.constant(value)
    if array is not None:
        scale, zero = (_spread(context, node, p, array.shape) for p in (scale, zero))
        context.bind_constant(output, ((array.astype(np.int64) - zero) * scale).astype(np.float32))
        return
    placed = context.place(value)
    if (placed.tensor.quantization, placed.tensor.dtype) == tensor_parameters(context, node):
        context.bind_quantized(output, placed.tensor, placed.perm)
        return
    source = value.producer()
    if source is None or source.op_type != "QuantizeLinear" or placed.tensor.dtype != np.float32:
        raise unsupported(node, "it does not read what a QuantizeLinear with the same parameters wrote.")
    _their_scale, their_zero, their_kind = read_parameters(context, source)
    if their_kind != kind or scale.size != 1 or not np.array_equal(zero, their_zero):
        raise unsupported(node, "it does not read what a QuantizeLinear with the same parameters wrote.")
    context.bind(output, Formula(context).mul(placed.tensor, float(scale.reshape(-1)[0])), placed.perm)
