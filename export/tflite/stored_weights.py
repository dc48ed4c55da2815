"""Filters stored in 8 bits: behind DEQUANTIZE for float kernels, or as they are for hybrid ones.

*Weights only*: an int8 constant with one scale an output channel behind DEQUANTIZE. XNNPACK unpacks it once, when the
file is loaded, and runs its float kernels.

*Dynamic*: CONV_2D, TRANSPOSE_CONV and FULLY_CONNECTED with float input and output and an int8 filter. XNNPACK rounds
what they read to 8 bits, asymmetric over the extremes of the tensor at hand (of each row for FULLY_CONNECTED and 1x1
convolutions), and multiplies in 8 bits. It does not take a hybrid DEPTHWISE_CONV_2D; such a filter is stored as
weights only.

The rule of the node writes float filters first, in whatever form costs least. Those that hold the hub's own steps
(copies, rows of zeros between them) keep them; sums of several filters are rounded once more. Winograd's form, which
would enlarge the rounding and the file, is not for them.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Operation, Quantization, Tensor
from export.tflite.lowering import Lowering
from export.tflite.passes.stored_weights import storage_of
from export.tflite.registry import Rule

CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0, "FULLY_CONNECTED": 0}
HYBRID = frozenset({"CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})
WEIGHT_LIMIT = 127
WHOLE = 1e-3  # of a step
LEAST_SCALE = float(np.finfo(np.float32).tiny)


def lower_stored(context: Lowering, node: ir.Node, rule: Rule) -> None:
    """Lowers ``node`` by its float ``rule``; what it writes is remembered for :func:`store_filters`."""
    storage = storage_of(node)
    if storage is None:
        rule(context, node)
        return
    first = len(context.builder.operations)
    exact, context.exact_weights = context.exact_weights, False
    try:
        rule(context, node)
    finally:
        context.exact_weights = exact
    context.stored += [(operation, storage) for operation in context.builder.operations[first:]]


def store_filters(context: Lowering) -> None:
    """Stores the filters of lowered nodes in the way that is noted on the nodes, when no rule changes them any more."""
    unpacked: dict[int, Tensor] = {}
    for operation, storage in context.stored:
        filters = operation.inputs[1] if operation.code in CHANNEL_AXES else None
        if filters is None or filters.data is None or filters.dtype != np.float32 or not filters.data.size:
            continue
        axis = CHANNEL_AXES[operation.code]
        steps, scale = quantize_filters(filters.data, axis, storage.scale)
        quantization = Quantization(tuple(scale.tolist()), (0,) * scale.size, axis)
        packed = context.builder.constant(steps, f"{filters.name}_int8", quantization)
        if storage.dynamic and operation.code in HYBRID:
            operation.inputs[1] = packed
            if operation.code == "FULLY_CONNECTED":
                operation.options["asymmetricQuantizeInputs"] = True
            continue
        if id(packed) not in unpacked:
            unpacked[id(packed)] = _unpacked(filters, packed)
        operation.inputs[1] = unpacked[id(packed)]
    context.builder.operations[:0] = [tensor.producer for tensor in unpacked.values()]


def _unpacked(filters: Tensor, packed: Tensor) -> Tensor:
    real = Tensor(filters.name, filters.shape, filters.dtype)
    real.producer = Operation("DEQUANTIZE", [packed], [real])
    return real


def quantize_filters(filters: np.ndarray, axis: int, known: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """int8 steps of ``filters``, symmetric, and the scale of each index of ``axis``.

    Where a channel consists of whole steps of its ``known`` scale, 127 at most, it keeps them. ``known`` may be shorter
    than the axis: the channels then repeat in the same order.
    """
    rows = np.moveaxis(filters, axis, 0).reshape(filters.shape[axis], -1).astype(np.float64)
    scale = np.maximum(np.abs(rows).max(axis=1) / WEIGHT_LIMIT, LEAST_SCALE)
    scale[~rows.any(axis=1)] = 1.0
    if known is not None and known.size and len(scale) % known.size == 0:
        given = np.maximum(np.tile(known.astype(np.float64), len(scale) // known.size), LEAST_SCALE)
        steps = rows / given[:, None]
        whole = (np.abs(steps - np.rint(steps)) < WHOLE) & (np.abs(steps) < WEIGHT_LIMIT + WHOLE)
        scale = np.where(whole.all(axis=1), given, scale)
    scale = scale.astype(np.float32)
    shape = [-1 if i == axis else 1 for i in range(filters.ndim)]
    steps = np.rint(filters / scale.astype(np.float64).reshape(shape))
    return np.clip(steps, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8), scale
