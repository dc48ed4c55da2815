"""Operators as whole-number arithmetic has them: norms, quotients and hard activations in elementary steps.

Integer kernels add, multiply, average and take inverse square roots. An instance norm is, for each channel,

    c = k (x - mean(x)),   v = mean(c c),   y = c g / sqrt(v + k^2 eps) + b,

which gives the same y for every k > 0. So k is chosen, from photos, to bring the variance of each channel near 1: the
tensors v and 1 / sqrt(v + k^2 eps) then have one scale for all channels without any channel losing its digits. Where
the channels are alike already, k is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import onnx_ir as ir

from quantize.equalize import channel_statistics
from quantize.graph import add_initializer, drop_unread_initializers, integer, name_nodes
from quantize.runtime import Sample

EPSILON = 1e-5  # ONNX's default of the norms
ALIKE = 16.0  # variances of channels within this factor need no k
LEAST_GAIN = 2.0**-10  # of the largest k: as a 16-bit number of the same scale it still has 5 bits
FLAT = 1e-12  # a variance of less is none


def in_elementary_steps(model: ir.Model, samples: Iterable[Sample]) -> ir.Model:
    """A copy of ``model`` without norms, HardSwish and quotients, which computes the same.

    InstanceNormalization, GroupNormalization, LayerNormalization (of one output), BatchNormalization, HardSwish, Div
    and squares are written as means, sums, products and inverse square roots. A few ``samples`` are enough.
    """
    model = model.clone()
    name_nodes(model.graph)
    norms = [node for node in model.graph if node.op_type == "InstanceNormalization" and len(node.inputs[0].shape) == 4]
    gains = {}
    if norms:
        statistics = channel_statistics(model, list(dict.fromkeys(node.inputs[0].name for node in norms)), samples)
        for node in norms:
            seen = statistics[node.inputs[0].name]
            gains[node] = _gain(np.sqrt(np.maximum(seen.least_variance, FLAT) * np.maximum(seen.greatest_square, FLAT)))
    for node in list(model.graph):
        steps = _Steps(model.graph, node)
        if node.op_type == "InstanceNormalization":
            _instance_norm(steps, node, gains.get(node))
        elif node.op_type in _EXPANSIONS:
            _EXPANSIONS[node.op_type](steps, node)
    drop_unread_initializers(model.graph)
    return model


def _gain(variance: np.ndarray) -> np.ndarray | None:
    """k of each channel; None where one does for all. Channels that never change get that of the others' largest."""
    seen = variance > 10 * FLAT
    if not seen.any() or variance[seen].max() <= ALIKE * variance[seen].min():
        return None
    gain = 1.0 / np.sqrt(np.where(seen, variance, variance[seen].min()))
    return np.maximum(gain, gain.max() * LEAST_GAIN)


class _Steps:
    """Writes nodes in front of one node, which they replace."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node, self.count = graph, node, 0

    def __call__(self, op_type: str, *inputs: ir.Value, shape: Iterable[int], **attributes) -> ir.Value:
        """A float node; ``shape`` is that of its output."""
        name = f"{self.node.name}_{op_type}_{self.count}"
        self.count += 1
        made = ir.node(op_type, list(inputs), attributes, name=name)
        made.outputs[0].name = f"{name}_output"
        made.outputs[0].type, made.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(list(shape))
        self.graph.insert_before(self.node, made)
        return made.outputs[0]

    def constant(self, array: np.ndarray) -> ir.Value:
        """A new initializer."""
        self.count += 1
        return add_initializer(self.graph, f"{self.node.name}_constant_{self.count}", np.asarray(array))

    def mean(self, x: ir.Value, axes: Iterable[int]) -> ir.Value:
        """The mean over ``axes``, which stay with length 1."""
        axes = list(axes)
        shape = [1 if axis in axes else d for axis, d in enumerate(x.shape)]
        return self("ReduceMean", x, self.constant(np.array(axes, np.int64)), shape=shape, keepdims=1)

    def binary(self, op_type: str, a: ir.Value, b: ir.Value) -> ir.Value:
        """An operator of two operands that are broadcast."""
        return self(op_type, a, b, shape=np.broadcast_shapes(tuple(a.shape), tuple(b.shape)))

    def inverse_deviation(self, variance: ir.Value, epsilon: np.ndarray) -> ir.Value:
        """``1 / sqrt(variance + epsilon)``."""
        raised = self.binary("Add", variance, self.constant(epsilon.astype(np.float32)))
        return self("Reciprocal", self("Sqrt", raised, shape=raised.shape), shape=raised.shape)

    def reshaped(self, x: ir.Value, shape: Iterable[int]) -> ir.Value:
        """``x`` in another shape; a constant at once."""
        shape = [int(d) for d in shape]
        if x.const_value is not None:
            return self.constant(x.const_value.numpy().reshape(shape))
        return self("Reshape", x, self.constant(np.array(shape, np.int64)), shape=shape)

    def scaled_and_shifted(self, x: ir.Value, s: ir.Value, scale: ir.Value | None, bias: ir.Value | None) -> ir.Value:
        """``x s scale + bias``, without a scale of ones and a bias of zeros."""
        if scale is not None and not _is_all(scale, 1.0):
            s = self.binary("Mul", s, scale)
        y = self.binary("Mul", x, s)
        return y if bias is None or _is_all(bias, 0.0) else self.binary("Add", y, bias)

    def replace(self, value: ir.Value) -> None:
        """``value`` is what the node gave."""
        output = self.node.outputs[0]
        for user, index in list(output.uses()):
            user.replace_input_with(index, value)
        for index, other in enumerate(self.graph.outputs):
            if other is output:
                self.graph.outputs[index] = value
                output.name, value.name = f"{output.name}_before", output.name
        self.graph.remove(self.node, safe=True)


def _is_all(value: ir.Value, number: float) -> bool:
    return value.const_value is not None and bool(np.all(value.const_value.numpy() == number))


def _epsilon(node: ir.Node) -> float:
    return node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else EPSILON


def _instance_norm(steps: _Steps, node: ir.Node, gain: np.ndarray | None) -> None:
    x = node.inputs[0]
    rank, channels = len(x.shape), int(x.shape[1])
    along = (1, channels, *(1,) * (rank - 2))
    epsilon = np.full((1,) * rank, _epsilon(node))
    c = steps.binary("Sub", x, steps.mean(x, range(2, rank)))
    if gain is not None:
        gain = _as_16_bits(gain).reshape(along)
        epsilon = epsilon * gain**2
        c = steps.binary("Mul", c, steps.constant(gain.astype(np.float32)))
    variance = steps.mean(steps.binary("Mul", c, c), range(2, rank))
    scale, bias = (steps.reshaped(value, along) for value in node.inputs[1:3])
    steps.replace(steps.scaled_and_shifted(c, steps.inverse_deviation(variance, epsilon), scale, bias))


def _as_16_bits(array: np.ndarray) -> np.ndarray:
    """``array`` as it is after rounding to 16 bits, so that what depends on it can be exact."""
    step = np.abs(array).max() / 32767
    return np.rint(array / step) * step


def _group_norm(steps: _Steps, node: ir.Node) -> None:
    x, groups = node.inputs[0], integer(node, "num_groups", 1)
    rank, (batch, channels) = len(x.shape), (int(d) for d in x.shape[:2])
    along, members = (1, channels, *(1,) * (rank - 2)), channels // groups

    def group_mean(value: ir.Value) -> ir.Value:
        """The mean of each group, for each channel: planes are equally large."""
        means = steps.reshaped(steps.mean(value, range(2, rank)), (batch, groups, members))
        ones = steps.constant(np.ones((1, 1, members), np.float32))
        spread = steps.binary("Mul", steps.mean(means, [2]), ones)
        return steps.reshaped(spread, (batch, channels, *(1,) * (rank - 2)))

    c = steps.binary("Sub", x, group_mean(x))
    variance = group_mean(steps.binary("Mul", c, c))
    scale, bias = (steps.reshaped(value, along) for value in node.inputs[1:3])
    epsilon = np.full((1,) * rank, _epsilon(node))
    steps.replace(steps.scaled_and_shifted(c, steps.inverse_deviation(variance, epsilon), scale, bias))


def _layer_norm(steps: _Steps, node: ir.Node) -> None:
    if any(output.uses() for output in node.outputs[1:]):
        return
    x = node.inputs[0]
    rank = len(x.shape)
    axes = range(integer(node, "axis", -1) % rank, rank)
    c = steps.binary("Sub", x, steps.mean(x, axes))
    variance = steps.mean(steps.binary("Mul", c, c), axes)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    inverse = steps.inverse_deviation(variance, np.full((1,) * rank, _epsilon(node)))
    y = steps.binary("Mul", c, inverse)
    y = y if _is_all(node.inputs[1], 1.0) else steps.binary("Mul", y, node.inputs[1])
    steps.replace(y if bias is None or _is_all(bias, 0.0) else steps.binary("Add", y, bias))


def _batch_norm(steps: _Steps, node: ir.Node) -> None:
    constants = [value.const_value for value in node.inputs[1:5]]
    if any(constant is None for constant in constants) or integer(node, "training_mode", 0):
        return
    scale, bias, mean, variance = (constant.numpy().astype(np.float64) for constant in constants)
    along = (1, -1, *(1,) * (len(node.inputs[0].shape) - 2))
    scale = scale / np.sqrt(variance + _epsilon(node))
    shift = (bias - mean * scale).astype(np.float32).reshape(along)
    y = steps.binary("Mul", node.inputs[0], steps.constant(scale.astype(np.float32).reshape(along)))
    steps.replace(steps.binary("Add", y, steps.constant(shift)))


def _hard_swish(steps: _Steps, node: ir.Node) -> None:
    x = node.inputs[0]
    steps.replace(steps.binary("Mul", x, steps("HardSigmoid", x, shape=x.shape, alpha=1 / 6, beta=0.5)))


def _quotient(steps: _Steps, node: ir.Node) -> None:
    x, divisor = node.inputs
    if x.dtype is not ir.DataType.FLOAT:
        return
    if divisor.const_value is not None and divisor.const_value.numpy().all():
        inverse = steps.constant((1.0 / divisor.const_value.numpy().astype(np.float64)).astype(np.float32))
    else:
        inverse = steps("Reciprocal", divisor, shape=divisor.shape)
    steps.replace(steps.binary("Mul", x, inverse))


def _square(steps: _Steps, node: ir.Node) -> None:
    if _is_all(node.inputs[1], 2.0) and node.inputs[0].dtype is ir.DataType.FLOAT:
        steps.replace(steps.binary("Mul", node.inputs[0], node.inputs[0]))


_EXPANSIONS: dict[str, Callable[[_Steps, ir.Node], None]] = {
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
    "HardSwish": _hard_swish,
    "Div": _quotient,
    "Pow": _square,
}
