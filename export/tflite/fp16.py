"""Half-precision weights: TFLite's standard form, float16 constants behind DEQUANTIZE.

Delegates (XNNPACK, GPU) recognize the form and unpack the weights once; activations stay float32 on the CPU.
"""

from __future__ import annotations

import numpy as np

from export.tflite.builder import GraphBuilder, Operation, Tensor

# Constants with fewer values than this save nothing worth their rounding (biases, means, norm scales).
MIN_VALUES = 256
FILTER_OPERATORS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"})
FLOAT16_MAX = float(np.finfo(np.float16).max)


def store_weights_as_float16(graph: GraphBuilder) -> None:
    """Rewrites every large float32 constant, and every filter, as float16 + DEQUANTIZE.

    A constant that float16 cannot hold (beyond 65504) stays float32, and so does the bias of an int8 filter: XNNPACK
    leaves out a convolution whose filter is unpacked from int8 and whose bias from float16.
    """
    replacements: dict[int, Tensor] = {}
    unpacking: list[Operation] = []
    for operation in graph.operations:
        for i, tensor in enumerate(operation.inputs):
            if tensor is None or not _qualifies(tensor, operation):
                continue
            if id(tensor) not in replacements:
                half = Tensor(f"{tensor.name}_fp16", tensor.shape, np.dtype(np.float16), tensor.data.astype(np.float16))
                real = Tensor(tensor.name, tensor.shape, tensor.dtype)
                real.producer = Operation("DEQUANTIZE", [half], [real])
                unpacking.append(real.producer)
                replacements[id(tensor)] = real
            operation.inputs[i] = replacements[id(tensor)]
    graph.operations[:0] = unpacking


def _qualifies(tensor: Tensor, operation: Operation) -> bool:
    if tensor.data is None or tensor.dtype != np.float32 or not tensor.data.size:
        return False
    is_filter = operation.code in FILTER_OPERATORS and tensor.rank > 1
    if operation.code in FILTER_OPERATORS and not is_filter and _is_in_8_bits(operation.inputs[1]):
        return False
    if not is_filter and tensor.data.size < MIN_VALUES:
        return False
    return float(np.abs(tensor.data).max()) <= FLOAT16_MAX


def _is_in_8_bits(filters: Tensor | None) -> bool:
    if filters is not None and filters.producer is not None and filters.producer.code == "DEQUANTIZE":
        filters = filters.producer.inputs[0]
    return filters is not None and filters.dtype == np.int8
