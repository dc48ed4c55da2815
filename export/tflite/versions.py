"""The operator version each operation needs, so that an older runtime refuses a file instead of misreading it.

Source: ``tensorflow/lite/tools/versioning/op_version.cc``; only the cases that this compiler writes.
"""

from __future__ import annotations

import numpy as np

from export.tflite.builder import Operation

# Lowest version of the operator on int8 tensors; operators not named need no more than their float version.
INT8_VERSIONS = {
    "ADD": 2, "SUB": 3, "MUL": 2, "AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 2, "FULLY_CONNECTED": 4, "BATCH_MATMUL": 2, "DEQUANTIZE": 2,
    "LOGISTIC": 2, "TANH": 2, "SOFTMAX": 2, "LOG_SOFTMAX": 2, "PAD": 2, "PADV2": 2, "RELU": 2, "RELU6": 2,
    "LEAKY_RELU": 2, "MEAN": 2, "SUM": 2, "MAXIMUM": 2, "MINIMUM": 2, "RESIZE_BILINEAR": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2, "SLICE": 2, "STRIDED_SLICE": 2, "SPLIT": 2, "TRANSPOSE": 2, "GATHER": 2,
    "DEPTH_TO_SPACE": 2, "SPACE_TO_DEPTH": 2, "MIRROR_PAD": 2, "REDUCE_MAX": 2, "REDUCE_MIN": 2, "TILE": 2,
    "EQUAL": 2, "GREATER": 2, "LESS": 2, "SELECT_V2": 1,
}  # fmt: skip
FLOAT_VERSIONS = {"HARD_SWISH": 1, "BATCH_MATMUL": 1, "BROADCAST_TO": 2, "QUANTIZE": 1}
BROADCAST_RANK_LIMIT = 4  # the first versions of the elementwise kernels broadcast at most four axes


def builtin_version(operation: Operation) -> int:
    """The version to declare for ``operation``."""
    code, options = operation.code, operation.options
    first = next((tensor for tensor in operation.inputs if tensor is not None), None)
    kind = first.dtype if first is not None else np.dtype(np.float32)
    version = FLOAT_VERSIONS.get(code, 1)
    if kind == np.int8 or (code == "TRANSPOSE_CONV" and operation.outputs[0].dtype == np.int8):
        version = max(version, INT8_VERSIONS.get(code, 1))
    if code == "DEQUANTIZE" and kind == np.float16:
        version = 3
    elif code == "QUANTIZE" and (kind != np.float32 or operation.outputs[0].dtype == np.int16):
        version = 2 if kind != np.int16 else 3
    elif code == "TRANSPOSE_CONV" and len(operation.inputs) > 3:
        version = max(version, 3)
    elif code == "DEPTHWISE_CONV_2D" and (options.get("dilationWFactor", 1), options.get("dilationHFactor", 1)) != (
        1,
        1,
    ):
        version = max(version, 2)
    elif code == "FULLY_CONNECTED" and options.get("keepNumDims"):
        version = max(version, 5)
    elif code in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR") and options.get("halfPixelCenters"):
        version = 3
    elif code in ("ADD", "SUB", "MUL", "DIV") and _broadcasts_beyond(operation, BROADCAST_RANK_LIMIT):
        version = max(version, {"ADD": 3, "SUB": 4, "MUL": 4, "DIV": 2}[code])
    elif code == "TRANSPOSE" and operation.outputs[0].rank > BROADCAST_RANK_LIMIT:
        version = max(version, 5 if operation.outputs[0].rank == 5 else 6)
    elif code == "SLICE" and operation.outputs[0].rank > BROADCAST_RANK_LIMIT:
        version = max(version, 3)
    elif code in ("EQUAL", "NOT_EQUAL") and kind == np.bool_:
        version = max(version, 1)
    return version


def _broadcasts_beyond(operation: Operation, rank: int) -> bool:
    shapes = [tensor.shape for tensor in operation.inputs if tensor is not None]
    return len(set(shapes)) > 1 and max(len(shape) for shape in shapes) > rank
