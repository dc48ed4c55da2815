"""Normalizations. Statistics are computed in float32, in two passes, and rounded only at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.registry import mil_op


def _channels(op: Any, name: str, default: float) -> np.ndarray:
    """A [C] parameter of ``op``, filled with ``default`` when it is not given."""
    value = param(op, name)
    if value is None:
        return np.full(shape_of(op.x)[1], default, np.float32)
    return np.asarray(value, np.float32).reshape(-1)


@mil_op("batch_norm")
def batch_norm(graph: Graph, op: Any) -> str:
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, per channel, in float64 up to one scale and shift."""
    mean, variance = (np.asarray(param(op, name), np.float64) for name in ("mean", "variance"))
    scale = _channels(op, "gamma", 1.0) / np.sqrt(variance + float(param(op, "epsilon")))
    shift = _channels(op, "beta", 0.0) - mean * scale
    spread = (-1, *([1] * (len(op.x.shape) - 2)))
    scale, shift = (value.astype(np.float32).reshape(spread) for value in (scale, shift))
    return graph.node("Add", graph.node("Mul", graph.tensor(op.x), scale), shift)


@mil_op("instance_norm")
def instance_norm(graph: Graph, op: Any) -> str:
    """gamma * (x - E[x]) / sqrt(Var[x] + epsilon) + beta over each channel's plane."""
    return graph.node(
        "InstanceNormalization",
        graph.tensor(op.x),
        _channels(op, "gamma", 1.0),
        _channels(op, "beta", 0.0),
        epsilon=float(param(op, "epsilon")),
    )


@mil_op("layer_norm")
def layer_norm(graph: Graph, op: Any) -> str:
    """gamma * (x - E[x]) / sqrt(Var[x] + epsilon) + beta over ``axes``."""
    x, shape = graph.tensor(op.x), shape_of(op.x)
    axes = sorted(int(axis) % len(shape) for axis in param(op, "axes", range(len(shape))))
    axes_name = graph.ints(axes)
    centered = graph.node("Sub", x, graph.node("ReduceMean", x, axes_name, keepdims=1))
    variance = graph.node("ReduceMean", graph.node("Mul", centered, centered), axes_name, keepdims=1)
    deviation = graph.node("Sqrt", graph.node("Add", variance, float(param(op, "epsilon"))))
    result = graph.node("Div", centered, deviation)
    spread = [size if axis in axes else 1 for axis, size in enumerate(shape)]
    for name, onnx_op in (("gamma", "Mul"), ("beta", "Add")):
        value = param(op, name)
        if value is not None:
            result = graph.node(onnx_op, result, np.asarray(value, np.float32).reshape(spread))
    return result


@mil_op("l2_norm")
def l2_norm(graph: Graph, op: Any) -> str:
    """X / sqrt(sum of x² over the last three axes + epsilon)."""
    x = graph.tensor(op.x)
    total = graph.node("ReduceSumSquare", x, graph.ints([-3, -2, -1]), keepdims=1)
    return graph.node("Div", x, graph.node("Sqrt", graph.node("Add", total, float(param(op, "epsilon")))))


@mil_op("local_response_norm")
def local_response_norm(graph: Graph, op: Any) -> str:
    """X / (k + alpha / size * sum of x² over ``size`` neighboring channels) ** beta.

    Where the odd neighbor of an even window is, Apple does not say.
    """
    shape, size = shape_of(op.x), int(param(op, "size"))
    if size % 2 == 0:
        raise unsupported(op, f"a window of {size} channels is not defined, only odd ones are")
    if len(shape) not in (3, 4):
        raise unsupported(op, "only [N, C, L] and [N, C, H, W] are defined for it")
    x = graph.tensor(op.x)
    planes = graph.reshape(graph.node("Mul", x, x), (shape[0], 1, shape[1], int(np.prod(shape[2:]))))
    mean = graph.node(
        "AveragePool",
        planes,
        kernel_shape=[size, 1],
        pads=[size // 2, 0, size // 2, 0],
        count_include_pad=1,
    )
    scaled = graph.node("Mul", graph.reshape(mean, shape), float(param(op, "alpha")))
    base = graph.node("Add", scaled, float(param(op, "k")))
    return graph.node("Div", x, graph.node("Pow", base, float(param(op, "beta"))))
