"""``Conv(x, DequantizeLinear(q))`` and ``Conv(DequantizeLinear(DynamicQuantizeLinear(x)), ..)`` as float, with a note.

Weights behind a DequantizeLinear become the floats that they stand for, and a pair that rounds the activations at run
time is taken out, so that every later pass and every form of a convolution finds what it looks for. What the hub had
is noted on the node (:func:`storage_of`): the lowering stores the filters in 8 bits again
(:mod:`export.tflite.stored_weights`), in the very same steps where the form left them whole. A dynamic node keeps its
rounding: TFLite's hybrid kernels round what they read in the same way. Any other reader of such a pair reads its floats
unrounded.

Nodes whose result is rounded by a QuantizeLinear are left as they are; int8 kernels may take those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.hub.dynamic_rounding import take_out_dynamic_rounding
from export.hub.passes.rewrite import attribute, constant, float_constant

NOTE = "brushport.storage"
KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CLAMPS = ("Relu", "Clip")
UINT8_MIDDLE = 128


@dataclass(frozen=True)
class Storage:
    """How a node's filters are to be stored: int8 in steps of ``scale``, one an output channel (None: any steps).

    ``dynamic`` says that what the node reads is rounded to 8 bits at run time.
    """

    scale: np.ndarray | None
    dynamic: bool = False


def storage_of(node: ir.Node) -> Storage | None:
    """The note on a node; None for one whose filters are float."""
    return node.meta.get(NOTE)


def pass_on(node: ir.Node, new: ir.Node, channels: slice = slice(None)) -> None:
    """Notes on ``new``, which computes some of ``node``'s output ``channels``, what is noted on ``node``."""
    noted = storage_of(node)
    if noted is not None:
        new.meta[NOTE] = Storage(None if noted.scale is None else noted.scale[channels], noted.dynamic)


def unpack_stored_weights(model: ir.Model) -> int:
    """Makes weights float that are stored in 8 bits, and takes pairs of dynamic rounding out; returns how many."""
    rounded = set(take_out_dynamic_rounding(model))
    count = len(rounded)
    for node in model.graph:
        if node.op_type not in KINDS or node.domain not in ("", "ai.onnx"):
            continue
        dynamic = node in rounded
        if not dynamic and _is_rounded(node.outputs[0]):
            continue
        count += _unpack(node, dynamic)
    return count


def _is_rounded(value: ir.Value) -> bool:
    readers = [use.node for use in value.uses()]
    if len(readers) == 1 and readers[0].op_type in CLAMPS:
        readers = [use.node for use in readers[0].outputs[0].uses()]
    return any(node.op_type == "QuantizeLinear" for node in readers)


def _unpack(node: ir.Node, dynamic: bool) -> bool:
    weights = _dequantized(node, 1)
    if weights is None:
        if dynamic and constant(node.inputs[1]) is not None:
            node.meta[NOTE] = Storage(None, True)
        return False
    scale = _scales(node, weights.ndim)
    node.replace_input_with(1, float_constant(node.graph, weights, f"{node.inputs[1].name}_float"))
    bias = _dequantized(node, 2)
    if bias is not None:
        node.replace_input_with(2, float_constant(node.graph, bias, f"{node.inputs[2].name}_float"))
    if dynamic or scale is not None:
        node.meta[NOTE] = Storage(scale, dynamic)
    return True


def _source(node: ir.Node, index: int) -> ir.Node | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    source = None if value is None else value.producer()
    return source if source is not None and source.op_type == "DequantizeLinear" else None


def _dequantized(node: ir.Node, index: int) -> np.ndarray | None:
    """The floats behind a DequantizeLinear of constants; None where there is none."""
    source = _source(node, index)
    arrays = [] if source is None else [constant(value) for value in source.inputs if value is not None]
    if not arrays or any(array is None for array in arrays) or arrays[0].dtype.name not in ("int8", "uint8", "int32"):
        return None
    steps = arrays[0].astype(np.int64)
    if len(arrays) > 2:
        steps = steps - _spread(source, arrays[2].astype(np.int64), steps.shape)
    return (steps * _spread(source, arrays[1], steps.shape)).astype(np.float32)


def _spread(node: ir.Node, parameter: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A scale or zero point, stretched to a tensor of ``shape`` (per tensor, axis or block)."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = attribute(node, "axis", 1) % len(shape)
    if parameter.ndim == 1:
        return parameter.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    block = attribute(node, "block_size", 0)
    return np.repeat(parameter, block, axis=axis)[tuple(np.s_[:d] for d in shape)]


def _scales(node: ir.Node, rank: int) -> np.ndarray | None:
    """The steps of symmetric weights, one an output channel; None for others."""
    source = _source(node, 1)
    zero = constant(source.inputs[2]) if len(source.inputs) > 2 and source.inputs[2] is not None else None
    quantized, scale = constant(source.inputs[0]), constant(source.inputs[1])
    middle = UINT8_MIDDLE if quantized.dtype == np.uint8 else 0
    if np.any((0 if zero is None else zero) != middle) or scale.ndim > 1:
        return None
    axis = channel_axis(node, rank)
    channels = quantized.shape[axis] * (attribute(node, "group", 1) if node.op_type == "ConvTranspose" else 1)
    if scale.size == 1:
        return np.full(channels, scale.item(), np.float32)
    if attribute(source, "axis", 1) % rank != axis or channels != scale.size:
        return None
    return scale.astype(np.float32)


def channel_axis(node: ir.Node, rank: int) -> int:
    """Along which axis of the weights the output channels of a convolution or matrix product run."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    return 0 if node.op_type == "Gemm" and attribute(node, "transB", 0) else rank - 1
