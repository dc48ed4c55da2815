"""Hub ONNX to a ``.tflite`` file: NHWC from input to output, written directly as a flatbuffer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnx_ir as ir

from export.hub.model import Hub
from export.tflite import ops  # noqa: F401 - registers the rules
from export.tflite.builder import GraphBuilder, Quantization
from export.tflite.flexible import open_shapes
from export.tflite.fp16 import store_weights_as_float16
from export.tflite.int8 import lower_quantized
from export.tflite.int16 import lower_int16
from export.tflite.int16.ports import integer_input, integer_output, require_integers
from export.tflite.lowering import NHWC, Lowering, Perm, plain
from export.tflite.ops.quantize import requantize
from export.tflite.passes import for_tflite
from export.tflite.registry import lowering as registry
from export.tflite.registry import unknown, unsupported
from export.tflite.statistics import Statistics
from export.tflite.stored_weights import lower_stored, store_filters
from export.tflite.writer import write_tflite
from validate.errors import BrushportError, UnsupportedError, short
from validate.ports import Port

PRECISIONS = ("fp32", "fp16", "w8", "dynamic", "int8", "int16x8")
EXACT = ("fp32", "dynamic")  # float filters stay float32
HALF = ("fp16", "w8")  # float constants become float16
IO_STYLES = ("image", "tensor", "integer")
UINT8_STEPS = 255
MAX_RANK = 6  # of XNNPACK's tensors
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout")
MAX_VIEW_RANK = 8  # of the TRANSPOSE kernel


def compile_tflite(
    hub: Hub,
    path: Path,
    *,
    precision: Literal["fp32", "fp16", "w8", "dynamic", "int8", "int16x8"] = "fp32",
    io: Literal["image", "tensor", "integer"] = "image",
    metadata: Mapping[str, str] | None = None,
    other: Hub | None = None,
    tiles: bool = False,
) -> list[dict[str, int]]:
    """Writes ``hub`` as a TFLite file at ``path``.

    Every input and output of rank 4 is NHWC, the others lie as in the hub; names are kept. ``io="tensor"`` gives
    float32 in the hub's value range. ``io="image"`` makes every picture a uint8 tensor, 0 black and 255 white, with
    ``scale = (white - black) / 255``; other ports stay float32. ``precision`` is ``fp32``, ``fp16`` (weights stored as
    float16), ``w8`` (the hub carries weights behind DequantizeLinear; what else is large is float16), ``dynamic``
    (some nodes read DynamicQuantizeLinear: hybrid kernels), ``int8`` or ``int16x8`` (the hub carries QuantizeLinear
    and DequantizeLinear; the file holds int8 and int16 kernels wherever TFLite has them). ``io="integer"`` is for the
    last two: each port is the tensor of the QuantizeLinear or DequantizeLinear beside it, and nothing may stay float.
    ``metadata`` entries become named UTF-8 buffers. ``other`` is the same network at another picture size: the file's
    inputs can then be resized to any size that the network takes. ``tiles`` adds inputs and an output for statistics
    of a larger photo (:mod:`export.tflite.statistics`); their layers are returned, none where none is needed.

    Raises :class:`UnsupportedError` for what TFLite or this compiler cannot express, naming the node.
    """
    if precision not in PRECISIONS:
        raise BrushportError(f"Precision '{precision}' is unknown to TFLite; choose one of {', '.join(PRECISIONS)}.")
    if io not in IO_STYLES:
        raise BrushportError(f"Input/output style '{io}' is unknown; choose one of {', '.join(IO_STYLES)}.")
    layers: list[dict[str, int]] = []
    graph = lower(
        hub, io, exact_weights=precision in EXACT, flexible=other is not None, layers=layers if tiles else None
    )
    if other is not None:
        open_shapes(graph, lower(other, io, exact_weights=precision in EXACT, flexible=True))
    if precision in HALF:
        store_weights_as_float16(graph)
    write_tflite(graph, Path(path), dict(metadata or {}), description=f"{hub.name} ({precision}), by Brushport")
    return layers


def lower(
    hub: Hub, io: str, exact_weights: bool = True, *, flexible: bool = False, layers: list[dict[str, int]] | None = None
) -> GraphBuilder:
    """The hub as a TFLite graph, before it is written; ``exact_weights`` says that the filters stay float32.

    ``flexible`` keeps the size of the picture out of every operator, where that can be done. A list of ``layers``
    makes it a graph for tiles, and is filled with what their statistics are.
    """
    builder = GraphBuilder()
    graph = for_tflite(hub.model).graph
    opset = graph.opset_imports.get("", 0)
    context = Lowering(builder, opset, exact_weights, flexible=flexible)
    context.integer_only = io == "integer"
    if layers is not None:
        context.statistics = Statistics(builder, *next(port.shape[2:] for port in hub.inputs if port.is_image))
    names = port_names(hub)
    fed = [value for value in graph.inputs if value.const_value is None]
    for value, port in zip(fed, hub.inputs, strict=True):
        _lower_input(context, value, port, names[port.name], io)
    for node in graph:
        if node not in context.done:
            _lower_node(context, node)
    for value, port in zip(graph.outputs, hub.outputs, strict=True):
        _lower_output(context, value, port, names[port.name], io)
    if layers is not None:
        context.statistics.finish()
        layers += context.statistics.layers
    store_filters(context)
    if context.integer_only:
        builder.drop_unused()
        require_integers(builder)
    return builder


def port_names(hub: Hub) -> dict[str, str]:
    """What each input and output of ``hub`` is called in the file: the same, TFLite takes any name.

    Raises :class:`UnsupportedError` if two of them have the same name.
    """
    names = [port.name for port in (*hub.inputs, *hub.outputs)]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedError(f"TFLite: two inputs or outputs are both named '{name}'; rename one of them.")
    return {name: name for name in names}


def _lower_node(context: Lowering, node: ir.Node) -> None:
    rule = registry.find(node, context.opset)
    if rule is None:
        raise unknown(node, context.opset)
    for value in (*node.inputs, *node.outputs):
        if value is not None and value.name and not _is_static(value):
            raise UnsupportedError(
                f"Node '{node.name}' ({node.op_type}): the shape of '{value.name}' is not fixed; give the picture size."
            )
    axes = max(
        (len(value.shape) for value in (*node.inputs, *node.outputs) if value is not None and value.name), default=0
    )
    if axes > (MAX_VIEW_RANK if node.op_type in VIEWS else MAX_RANK):
        raise unsupported(node, f"it has {axes} axes, more than LiteRT's kernels take; merge some by a Reshape.")
    try:
        if not lower_int16(context, node) and not lower_quantized(context, node):
            lower_stored(context, node, rule)
    except OverflowError as error:
        raise unsupported(node, f"a number of it is beyond 32 bits ({short(error)}).") from error


def _is_static(value: ir.Value) -> bool:
    return value.shape is not None and all(isinstance(d, int) for d in value.shape)


def _port_perm(value: ir.Value) -> Perm:
    return NHWC if len(value.shape) == 4 else plain(len(value.shape))


def _lower_input(context: Lowering, value: ir.Value, port: Port, name: str, io: str) -> None:
    builder, perm = context.builder, _port_perm(value)
    if not _is_static(value):
        raise UnsupportedError(f"The shape of input '{value.name}' is not fixed; give the picture size.")
    shape = tuple(context.shape(value)[axis] for axis in perm)
    if io == "integer":
        integer_input(context, value, name, shape, perm)
        return
    if io == "tensor" or not port.is_image:
        dtype = np.float32 if value.dtype is None else value.dtype.numpy()
        context.bind(value, builder.input(name, shape, dtype), perm)
        return
    quantization, offset = _uint8_quantization(port)
    pixels = builder.input(name, shape, np.uint8, quantization)
    if not offset:
        context.bind_quantized(value, pixels, perm)
        return
    real = builder.emit("DEQUANTIZE", [pixels], shape)
    context.bind(value, builder.emit("ADD", [real, builder.constant(np.float32(offset))], shape), perm)


def _lower_output(context: Lowering, value: ir.Value, port: Port, name: str, io: str) -> None:
    builder, perm = context.builder, _port_perm(value)
    if io == "integer":
        integer_output(context, value, name, perm)
        return
    if io == "tensor" or not port.is_image:
        builder.output(context.get(value, perm), name)
        return
    quantization, offset = _uint8_quantization(port)
    placed = context.quantized(value)
    if placed is not None and not offset:
        tensor = context.relayout(placed.tensor, placed.perm, perm)
    else:
        tensor = context.get(value, perm)
        if offset:
            tensor = builder.emit("SUB", [tensor, builder.constant(np.float32(offset))], tensor.shape)
    builder.output(requantize(context, tensor, quantization, np.dtype(np.uint8)), name)


def _uint8_quantization(port: Port) -> tuple[Quantization, float]:
    """How 0..255 reads in the port's value range, and what is left to add where no whole zero point does it.

    ``real = scale * (q - zero_point) + offset``. The offset is zero wherever black is a whole number of steps below
    zero: (0, 1) and (0, 255), but not (-1, 1), whose zero point would be 127.5.
    """
    black, white = port.value_range
    scale = (white - black) / UINT8_STEPS
    zero_point = -black / scale
    if abs(zero_point - round(zero_point)) < 1e-6 and 0 <= round(zero_point) <= UINT8_STEPS:
        return Quantization.per_tensor(scale, round(zero_point)), 0.0
    return Quantization.per_tensor(scale, 0), float(black)
