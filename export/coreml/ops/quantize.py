"""Q/DQ: 8-bit weights stored as 8-bit, 8-bit activations through iOS 17's ``quantize`` and ``dequantize``.

Core ML has no activations that are rounded by extremes found at run time: where a hub asks for that, they stay floats
(:mod:`export.hub.dynamic_rounding`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

_EIGHT_BIT = {"INT8": "int8", "UINT8": "uint8"}
_SIXTEEN_BIT = {"INT16": np.iinfo(np.int16), "UINT16": np.iinfo(np.uint16)}
_FP16_SMALLEST = float(np.finfo(np.float16).smallest_normal)


@lowers("QuantizeLinear", since=13)
def quantize_linear(call: Call) -> Any:
    """``clip(round(x/scale) + zero_point)`` to 8 bits.

    Core ML has no 16-bit activations. A 16-bit Quantize that only DequantizeLinear reads is computed in floats: its
    saturation is kept as a clip and its rounding, finer than fp16's for most values, is left to fp16.
    """
    _no_blocks(call)
    scale = call.required(1, "scale")
    dtype = call.node.outputs[0].dtype.name
    if dtype in _SIXTEEN_BIT:
        return _saturate(call, scale, _SIXTEEN_BIT[dtype])
    if dtype not in _EIGHT_BIT:
        raise call.unsupported(f"quantization to {dtype.lower()}; 8 and 16 bits are supported")
    return mb.quantize(
        input=call.var(0),
        zero_point=_zero_point(call, scale, _EIGHT_BIT[dtype]),
        scale=_vector(scale),
        output_dtype=_EIGHT_BIT[dtype],
        **({"axis": call.axis(1)} if scale.size > 1 else {}),
    )


@lowers("DequantizeLinear", since=13)
def dequantize_linear(call: Call) -> Any:
    """``(q − zero_point)·scale``; of a constant, 8-bit data in the file, or a float constant for wider integers."""
    _no_blocks(call)
    scale = call.required(1, "scale")
    dtype, data = call.dtype(0).name, call.array(0)
    axis = call.axis(1) if scale.size > 1 else 0
    if data is not None and dtype in _EIGHT_BIT:
        return _stored(call)
    if data is not None and dtype in ("INT16", "UINT16", "INT32"):
        shape = [1] * data.ndim
        if scale.size > 1:
            shape[axis] = -1
        zero_point = call.array(2) if call.has(2) else np.zeros_like(scale, dtype=np.int32)
        centered = data.astype(np.float64) - (zero_point.reshape(shape) if scale.size > 1 else zero_point.item())
        factor = scale.reshape(shape) if scale.size > 1 else scale.item()
        return mb.const(val=(centered * factor).astype(np.float32))
    if dtype in _SIXTEEN_BIT:
        return mb.identity(x=call.var(0))  # the Quantize before it stayed in floats
    if dtype not in _EIGHT_BIT:
        raise call.unsupported(f"dequantization of {dtype.lower()}")
    return _computed(call)


def stored_weight(call: Call) -> Call | None:
    """The DequantizeLinear of 8-bit constants that is input 1 of ``call``; None where that is anything else."""
    source = call.node.inputs[1].producer()
    if source is None or source.op_type != "DequantizeLinear":
        return None
    weight = Call(source, call.values)
    return weight if weight.array(0) is not None and weight.dtype(0).name in _EIGHT_BIT else None


def scaled_for_fp16(call: Call, *, transposed: bool = False, alpha: float = 1.0) -> tuple[Any, Any]:
    """The input and weight of a convolution or product whose 8-bit weight's scales may be too small for fp16.

    Below 6.1e-5 fp16 is subnormal: it loses digits, and some hardware reads it as zero. Then the weight is stored
    ``2^k`` times larger and the input dequantized ``2^k`` times smaller, which changes no product. A weight of two axes
    may be ``transposed``, and multiplied by ``alpha``, at no cost.
    """
    weight = stored_weight(call)
    if weight is None:
        return call.var(0), call.var(1)
    scale = weight.required(1, "scale") * np.float32(alpha)
    used = np.abs(scale[scale != 0])
    if used.size == 0 or used.min() >= _FP16_SMALLEST:
        plain = not transposed and alpha == 1.0
        return call.var(0), call.var(1) if plain else _stored(weight, alpha, transposed=transposed)
    wanted = np.ceil(np.log2(_FP16_SMALLEST / used.min()))
    factor = float(2.0 ** min(wanted, np.floor(-np.log2(used.max()))))  # no scale grows beyond 1
    producer = call.node.inputs[0].producer()
    if producer is not None and producer.op_type == "DequantizeLinear" and _is_quantized(producer):
        x = _computed(Call(producer, call.values), 1 / factor)
    else:
        x = mb.mul(x=call.var(0), y=1 / factor)
    return x, _stored(weight, factor * alpha, transposed=transposed)


def _is_quantized(node: ir.Node) -> bool:
    """Whether a DequantizeLinear reads 8-bit values that the program computes with a constant scale."""
    return node.inputs[0].dtype.name in _EIGHT_BIT


def _stored(call: Call, factor: float = 1.0, *, transposed: bool = False) -> Any:
    """A DequantizeLinear of 8-bit constants: they stay 8-bit in the file. ``factor`` multiplies the result."""
    scale = call.required(1, "scale")
    data, axis = call.array(0), call.axis(1) if scale.size > 1 else 0
    zero_point = _zero_point(call, scale, _EIGHT_BIT[call.dtype(0).name])
    scale = _vector(scale * np.float32(factor))
    if transposed:
        data, axis = np.ascontiguousarray(data.T), 1 - axis if scale.ndim else 0
    name = call.node.inputs[0].name
    if not _blocks_known():
        return mb.constexpr_affine_dequantize(
            quantized_data=data, zero_point=zero_point, scale=scale, axis=axis, name=name
        )
    shape = [1] * data.ndim
    shape[axis] = scale.size
    offset = np.asarray(zero_point).reshape(-1 if scale.ndim else ()) * np.ones(scale.size, data.dtype)
    return mb.constexpr_blockwise_shift_scale(
        data=data, scale=scale.reshape(shape), offset=offset.reshape(shape).astype(data.dtype), name=name
    )


def _blocks_known() -> bool:
    """Whether the program is for iOS 18, where ``constexpr_blockwise_shift_scale`` took its predecessor's place."""
    from coremltools.converters.mil._deployment_compatibility import AvailableTarget
    from coremltools.converters.mil.mil.block import is_current_opset_version_compatible_with

    return is_current_opset_version_compatible_with(AvailableTarget.iOS18)


def _computed(call: Call, factor: float = 1.0) -> Any:
    """A DequantizeLinear of computed 8-bit values. ``factor`` multiplies the result."""
    scale = call.required(1, "scale")
    return mb.dequantize(
        input=call.var(0),
        zero_point=_zero_point(call, scale, _EIGHT_BIT[call.dtype(0).name]),
        scale=_vector(scale * np.float32(factor)),
        **({"axis": call.axis(1)} if scale.size > 1 else {}),
    )


def _saturate(call: Call, scale: np.ndarray, limits: np.iinfo) -> Any:
    output = call.node.outputs[0]
    if scale.size != 1 or output.is_graph_output():
        raise call.unsupported("16-bit quantization per channel or of an output")
    for reader, _ in output.uses():
        same = all(
            np.array_equal(_constant_input(reader, index), _constant_input(call.node, index)) for index in (1, 2)
        )
        if reader.op_type != "DequantizeLinear" or not same:
            raise call.unsupported("16-bit values that another node than their DequantizeLinear reads")
    zero = int(call.array(2).item()) if call.has(2) else 0
    factor = float(scale.item())
    return mb.clip(x=call.var(0), alpha=(limits.min - zero) * factor, beta=(limits.max - zero) * factor)


def _constant_input(node: Any, index: int) -> np.ndarray | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _no_blocks(call: Call) -> None:
    if call.attr("block_size", 0):
        raise call.unsupported("blockwise quantization")


def _vector(scale: np.ndarray) -> Any:
    """MIL wants one scale as a scalar, and one per channel as a vector."""
    return scale.reshape(-1) if scale.size > 1 else np.float32(scale.item())


def _zero_point(call: Call, scale: np.ndarray, dtype: str) -> Any:
    zero = call.required(2, "zero point") if call.has(2) else np.zeros_like(scale, dtype=dtype)
    zero = zero.astype(dtype)
    return np.broadcast_to(zero.reshape(-1), scale.size).copy() if scale.size > 1 else zero.reshape(-1)[0]
