"""8-bit activations: quantize and dequantize (iOS 17)."""

from __future__ import annotations

from typing import Any

import numpy as np

from validate.coreml.graph import Graph, param, shape_of
from validate.coreml.registry import mil_op

_RANGES = {"int8": (-128.0, 127.0), "uint8": (0.0, 255.0)}


def _along_axis(op: Any, name: str) -> np.ndarray:
    """Scale or zero point, shaped to broadcast along ``axis``; zero when not given."""
    value = np.asarray(param(op, name, 0), np.float32)
    if value.ndim == 0:
        return value
    shape = shape_of(op.input)
    spread = [1] * len(shape)
    spread[int(param(op, "axis"))] = -1
    return value.reshape(spread)


@mil_op("quantize")
def quantize(graph: Graph, op: Any) -> str:
    """clip(round(x / scale) + zero_point), ties to even."""
    low, high = _RANGES[param(op, "output_dtype")]
    steps = graph.node("Round", graph.node("Div", graph.tensor(op.input), _along_axis(op, "scale")))
    shifted = graph.node("Add", steps, _along_axis(op, "zero_point"))
    return graph.cast(graph.node("Clip", shifted, low, high), "i")


@mil_op("dequantize")
def dequantize(graph: Graph, op: Any) -> str:
    """(q - zero_point) * scale."""
    real = graph.cast(graph.tensor(op.input), "f")
    return graph.node("Mul", graph.node("Sub", real, _along_axis(op, "zero_point")), _along_axis(op, "scale"))
