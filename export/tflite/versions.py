"""The operator version each operation needs, so that an older runtime refuses a file instead of misreading it.

The numbers are those of ``tensorflow/lite/tools/versioning/op_version.cc``, for the cases that this compiler writes.
"""

from __future__ import annotations

import numpy as np

from export.tflite.builder import Operation, Tensor

# Versions that a data type asks for; operators and types not named need only version 1.
BY_DTYPE = {
    "int8": {
        "ADD": 2, "SUB": 2, "MUL": 2, "AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3,
        "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "BATCH_MATMUL": 2, "DEQUANTIZE": 2, "LOGISTIC": 2, "TANH": 2,
        "SOFTMAX": 2, "LOG_SOFTMAX": 2, "PAD": 2, "PADV2": 2, "RELU": 2, "RELU6": 2, "MEAN": 2, "SUM": 2, "MAXIMUM": 2,
        "MINIMUM": 2, "RESIZE_BILINEAR": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "SLICE": 2, "STRIDED_SLICE": 2, "SPLIT": 2,
        "TRANSPOSE": 2, "GATHER": 2, "DEPTH_TO_SPACE": 2, "SPACE_TO_DEPTH": 2, "MIRROR_PAD": 2, "REDUCE_MAX": 2,
        "REDUCE_MIN": 2, "TILE": 3, "BROADCAST_TO": 3, "ARG_MAX": 2, "ARG_MIN": 2, "REVERSE_V2": 3,
    },
    "int16": {
        "ADD": 3, "SUB": 5, "MUL": 4, "AVERAGE_POOL_2D": 3, "MAX_POOL_2D": 3, "CONCATENATION": 3, "CONV_2D": 4,
        "DEPTHWISE_CONV_2D": 5, "FULLY_CONNECTED": 7, "BATCH_MATMUL": 3, "DEQUANTIZE": 3, "LOGISTIC": 3, "TANH": 3,
        "SOFTMAX": 3, "PAD": 3, "PADV2": 3, "MIRROR_PAD": 3, "RELU": 3, "RELU6": 3, "LEAKY_RELU": 2, "RSQRT": 3,
        "MEAN": 3, "MAXIMUM": 4, "MINIMUM": 4, "REDUCE_MAX": 3, "REDUCE_MIN": 3, "RESIZE_BILINEAR": 4,
        "RESIZE_NEAREST_NEIGHBOR": 4, "SLICE": 4, "SPLIT": 4, "TRANSPOSE": 5, "GATHER": 4, "ABS": 3,
    },
    "uint8": {"RELU": 2, "ABS": 2, "GELU": 2},
    "bool": {"GATHER": 3, "TRANSPOSE": 3, "STRIDED_SLICE": 3, "REVERSE_V2": 2},
    "int32": {"SIGN": 2, "ABS": 5, "SPLIT": 3},
    "int64": {"ADD": 4, "SUB": 4, "MUL": 5},
    "float16": {"DEQUANTIZE": 3, "CAST": 5},
}  # fmt: skip
# Float input and output and an int8 filter, with one scale and with a scale for each channel.
HYBRID = {"CONV_2D": (2, 5), "FULLY_CONNECTED": (9, 12)}
PER_CHANNEL_DEQUANTIZE = 5
BROADCAST_TO_FLOAT = 2  # version 1 was withdrawn
# Versions for tensors of more than four axes, and for operands of more than four that are broadcast.
MANY_AXES = {"TRANSPOSE": 4, "SLICE": 5, "STRIDED_SLICE": 4, "PAD": 4, "PADV2": 4}
MANY_BROADCAST_AXES = {"MAXIMUM": 3, "MINIMUM": 3, "SUB": 3, "DIV": 2}
FEW = 4


def builtin_version(operation: Operation) -> int:
    """The version to declare for ``operation``."""
    code, options = operation.code, operation.options
    tensors = [tensor for tensor in operation.inputs if tensor is not None]
    data = tensors[1] if code == "SPLIT" else tensors[0]  # SPLIT's first input is the axis
    version = BY_DTYPE.get(data.dtype.name, {}).get(code, 1)
    rank = max(tensor.rank for tensor in tensors)
    if rank > FEW:
        version = max(version, MANY_AXES.get(code, 1))
        if len({tensor.shape for tensor in tensors}) > 1:
            version = max(version, MANY_BROADCAST_AXES.get(code, 1))
    return max(version, _by_option(operation, code, options, rank))


def _by_option(operation: Operation, code: str, options: dict, rank: int) -> int:
    """The version that the operation's options and operands ask for."""
    if code in HYBRID and operation.inputs[0].dtype == np.float32 and operation.inputs[1].dtype == np.int8:
        return HYBRID[code][_is_per_channel(operation.inputs[1])]
    if code == "DEQUANTIZE" and _is_per_channel(operation.inputs[0]):
        return PER_CHANNEL_DEQUANTIZE
    if code == "QUANTIZE" and operation.outputs[0].dtype == np.int16:
        return 2
    if code == "TRANSPOSE" and rank > FEW + 1:
        return 6
    if code == "BROADCAST_TO":
        return BROADCAST_TO_FLOAT
    if code == "TRANSPOSE_CONV":
        return 3  # with a bias
    if code == "DEPTHWISE_CONV_2D" and max(options.get("dilationWFactor", 1), options.get("dilationHFactor", 1)) > 1:
        return 2
    if code == "FULLY_CONNECTED" and options.get("keepNumDims"):
        return 5
    if code == "RESIZE_BILINEAR" and options.get("halfPixelCenters"):
        return 3
    if code == "RESIZE_NEAREST_NEIGHBOR" and (options.get("halfPixelCenters") or options.get("alignCorners")):
        return 3
    if code == "CAST" and np.int8 in (operation.inputs[0].dtype, operation.outputs[0].dtype):
        return 3
    if code == "MUL" and all(t is not None and t.quantization for t in operation.inputs):
        (a,), (b,), (y,) = (t.quantization.scale for t in (*operation.inputs, *operation.outputs))
        return 3 if a * b / y >= 1 else 1
    return 1


def _is_per_channel(tensor: Tensor) -> bool:
    return tensor.quantization is not None and len(tensor.quantization.scale) > 1
