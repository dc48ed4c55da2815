"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.registry import mil_op


def _per_channel(op: Any, name: str) -> np.ndarray:
    """A [C] parameter shaped to broadcast along axis 1 of ``op.x``."""
    value = np.asarray(param(op, name), np.float32)
    return value.reshape(-1, *([1] * (len(op.x.shape) - 2)))


@mil_op("relu", exact=True)
def relu(graph: Graph, op: Any) -> str:
    """max(x, 0)."""
    return graph.node("Relu", graph.tensor(op.x))


@mil_op("relu6", exact=True)
def relu6(graph: Graph, op: Any) -> str:
    """min(max(x, 0), 6)."""
    return graph.node("Clip", graph.tensor(op.x), 0.0, 6.0)


@mil_op("clamped_relu")
def clamped_relu(graph: Graph, op: Any) -> str:
    """min(beta, x) where x >= 0, else min(beta, alpha * x)."""
    leaky = graph.node("LeakyRelu", graph.tensor(op.x), alpha=float(param(op, "alpha")))
    return graph.node("Min", leaky, float(param(op, "beta")))


@mil_op("leaky_relu")
def leaky_relu(graph: Graph, op: Any) -> str:
    """X where x >= 0, else alpha * x."""
    return graph.node("LeakyRelu", graph.tensor(op.x), alpha=float(param(op, "alpha")))


@mil_op("prelu")
def prelu(graph: Graph, op: Any) -> str:
    """X where x > 0, else alpha of its channel * x."""
    return graph.node("PRelu", graph.tensor(op.x), _per_channel(op, "alpha"))


@mil_op("elu")
def elu(graph: Graph, op: Any) -> str:
    """X where x > 0, else alpha * (exp(x) - 1)."""
    return graph.node("Elu", graph.tensor(op.x), alpha=float(param(op, "alpha")))


@mil_op("gelu")
def gelu(graph: Graph, op: Any) -> str:
    """Gaussian error linear unit: exact (erf), or its tanh or sigmoid approximation."""
    x, mode = graph.tensor(op.x), param(op, "mode")
    if mode == "EXACT":
        return graph.node("Gelu", x)
    if mode == "TANH_APPROXIMATION":
        return graph.node("Gelu", x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return graph.node("Mul", x, graph.node("Sigmoid", graph.node("Mul", x, 1.702)))
    raise unsupported(op, f"mode {mode!r} is unknown")


@mil_op("sigmoid")
def sigmoid(graph: Graph, op: Any) -> str:
    """1 / (1 + exp(-x))."""
    return graph.node("Sigmoid", graph.tensor(op.x))


@mil_op("sigmoid_hard")
def sigmoid_hard(graph: Graph, op: Any) -> str:
    """min(max(alpha * x + beta, 0), 1)."""
    alpha, beta = float(param(op, "alpha")), float(param(op, "beta"))
    return graph.node("HardSigmoid", graph.tensor(op.x), alpha=alpha, beta=beta)


@mil_op("silu")
def silu(graph: Graph, op: Any) -> str:
    """X * sigmoid(x)."""
    x = graph.tensor(op.x)
    return graph.node("Mul", x, graph.node("Sigmoid", x))


@mil_op("softplus")
def softplus(graph: Graph, op: Any) -> str:
    """log(1 + exp(x))."""
    return graph.node("Softplus", graph.tensor(op.x))


@mil_op("softplus_parametric")
def softplus_parametric(graph: Graph, op: Any) -> str:
    """Alpha of the channel * log(1 + exp(beta of the channel * x))."""
    scaled = graph.node("Mul", graph.tensor(op.x), _per_channel(op, "beta"))
    return graph.node("Mul", graph.node("Softplus", scaled), _per_channel(op, "alpha"))


@mil_op("softsign")
def softsign(graph: Graph, op: Any) -> str:
    """X / (1 + |x|)."""
    return graph.node("Softsign", graph.tensor(op.x))


@mil_op("scaled_tanh")
def scaled_tanh(graph: Graph, op: Any) -> str:
    """Alpha * tanh(beta * x)."""
    tanh = graph.node("Tanh", graph.node("Mul", graph.tensor(op.x), float(param(op, "beta"))))
    return graph.node("Mul", tanh, float(param(op, "alpha")))


@mil_op("linear_activation")
def linear_activation(graph: Graph, op: Any) -> str:
    """Alpha * x + beta."""
    scaled = graph.node("Mul", graph.tensor(op.x), float(param(op, "alpha")))
    return graph.node("Add", scaled, float(param(op, "beta")))


@mil_op("thresholded_relu", exact=True)
def thresholded_relu(graph: Graph, op: Any) -> str:
    """X where x >= alpha, else 0."""
    x = graph.tensor(op.x)
    return graph.node("Where", graph.node("GreaterOrEqual", x, float(param(op, "alpha"))), x, 0.0)


@mil_op("softmax")
def softmax(graph: Graph, op: Any) -> str:
    """exp(x) / sum of exp(x) along ``axis``."""
    axis = int(param(op, "axis", -1))
    return graph.node("Softmax", graph.tensor(op.x), axis=axis % max(len(shape_of(op.x)), 1))
