"""The hub's operators of quantization, so that what is rounded can be trained: gradients pass through the rounding.

A tensor is rounded to q = clip(round(x / s) + z, low, high) and read as (q - z) s. Backwards, rounding counts as
the identity and clipping as what it is (Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through
Stochastic Neurons", 2013; Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018, section 3).
So s has a gradient, too: where x is clipped, that of the range's end, elsewhere that of the rounding error (Esser et
al., "Learned Step Size Quantization", ICLR 2020). :func:`train_scales` lets the activations' scales be trained; zero
points and weights' scales stay. A range may grow, and narrow to L = ``NARROWEST`` of what it was, because a photo that
was not among those learned on may reach further: for a trained p, its factor is L + (1 - L) exp(p / (1 - L)), which is
1 + p about 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from training.hub_operators import attribute, constant, operator, refused, required

BIAS_UNITS = 128  # steps of a bias that one step of training is measured in
INT32_HIGH = 2**31 - 1
NARROWEST = 0.85  # left free, photos of another kind gained 1 dB less (the zoo's U-Net)
_DYNAMIC_HIGH = 255  # DynamicQuantizeLinear is uint8


def rounded(x: torch.Tensor) -> torch.Tensor:
    """``x`` to the nearest whole number, halves to even; its gradient is that of ``x``."""
    return x + (torch.round(x) - x).detach()


def _along(array: np.ndarray, axis: int, rank: int) -> torch.Tensor:
    """A scale or zero point in the shape that broadcasts along ``axis`` of a tensor of ``rank``."""
    tensor = torch.from_numpy(np.asarray(array, np.float32).copy())
    if tensor.ndim == 0 or tensor.numel() == 1:
        return tensor.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return tensor.reshape(shape)


def _parameters(node: ir.Node, dtype: np.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point of a node, as they broadcast over its first input."""
    if attribute(node, "block_size", 0):
        raise refused(node, "has scales of blocks")
    rank, axis = len(node.inputs[0].shape), attribute(node, "axis", 1)
    zero_point = constant(node, 2)
    scale = required(node, 1)
    return _along(scale, axis, rank), _along(np.zeros(1, dtype) if zero_point is None else zero_point, axis, rank)


class Scale(nn.Module):
    """The scale of what is rounded. ``stretch``, which nodes may share, is what is trained, if it is."""

    def __init__(self, scale: torch.Tensor, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("first", scale)
        self.shape = shape  # as ONNX has it
        self.stretch: nn.Parameter | None = None

    def forward(self) -> torch.Tensor:
        """The scale."""
        if self.stretch is None:
            return self.first
        return self.first * (NARROWEST + (1 - NARROWEST) * (self.stretch / (1 - NARROWEST)).exp())

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """A trained scale, a scalar, in its place among a node's inputs."""
        return {} if self.stretch is None else {1: self().reshape(self.shape)}


class Quantize(nn.Module):
    """QuantizeLinear with constant scale and zero point; what it gives are whole numbers, kept in float32."""

    fixed = True

    def __init__(self, node: ir.Node):
        super().__init__()
        dtype = node.outputs[0].dtype.numpy() if node.outputs[0].dtype else required(node, 2).dtype
        limits = np.iinfo(dtype)
        self.low, self.high = int(limits.min), int(limits.max)
        scale, zero_point = _parameters(node, dtype)
        self.scale = Scale(scale, required(node, 1).shape)
        self.register_buffer("zero_point", zero_point)

    def forward(self, x: torch.Tensor, *_: None) -> torch.Tensor:
        """Any shape to the same."""
        return (rounded(x / self.scale()) + self.zero_point).clamp(self.low, self.high)

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The scale, where it is trained."""
        return self.scale.held


@operator("QuantizeLinear")
def quantize_linear(node: ir.Node) -> nn.Module:
    """To whole numbers of 8 or 16 bits."""
    return Quantize(node)


class DynamicQuantize(nn.Module):
    """DynamicQuantizeLinear: to uint8 over the range of the tensor itself, which holds zero; also scale and zero."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Whole numbers in float32, and the scale and zero point they came with, as scalars of each row.

        ONNX's has one range for the whole tensor; its batch is 1, so here each row of a batch has its own.
        """
        axes = tuple(range(1, x.ndim))
        low = x.detach().amin(axes, keepdim=True).clamp_max(0)
        high = x.detach().amax(axes, keepdim=True).clamp_min(0)
        scale = ((high - low) / _DYNAMIC_HIGH).clamp_min(torch.finfo(x.dtype).tiny)
        zero_point = torch.round(-low / scale).clamp(0, _DYNAMIC_HIGH)
        return (rounded(x / scale) + zero_point).clamp(0, _DYNAMIC_HIGH), scale, zero_point


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(node: ir.Node) -> nn.Module:
    """Activations rounded at run time."""
    del node
    return DynamicQuantize()


class Dequantize(nn.Module):
    """DequantizeLinear of a computed tensor: (q - z) s, with constant or computed parameters."""

    def __init__(self, node: ir.Node):
        super().__init__()
        self.fixed = constant(node, 1) is not None
        if self.fixed:
            scale, zero_point = _parameters(node, np.dtype(np.int8))
            self.scale = Scale(scale, required(node, 1).shape)
            self.register_buffer("zero_point", zero_point)

    def forward(self, q: torch.Tensor, scale: torch.Tensor | None = None, zero_point: torch.Tensor | None = None):
        """Any shape to the same."""
        if self.fixed:
            return (q - self.zero_point) * self.scale()
        return (q - zero_point) * scale

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The scale, where it is trained."""
        return self.scale.held if self.fixed else {}


class RoundedConstant(nn.Module):
    """DequantizeLinear of a constant: what is trained is the constant before it was rounded, in units of its steps.

    So one learning rate serves all weights. Weights of 8 bits that leave their lowest number out go on doing so.
    A bias of 32 bits is not rounded in training, and its unit is ``BIAS_UNITS`` steps. Where the scale of what it is
    added to is trained, ``product`` says so: it is rounded in steps of that scale times the weights'.
    """

    def __init__(self, node: ir.Node):
        super().__init__()
        array = required(node, 0)
        self.dtype = array.dtype
        limits = np.iinfo(array.dtype)
        self.low, self.high = int(limits.min), int(limits.max)
        if limits.min < 0 and array.min() > limits.min:
            self.low = -self.high
        scale, zero_point = _parameters(node, array.dtype)
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point)
        self.scale_shape = required(node, 1).shape
        self.product: tuple[Scale, RoundedConstant] | None = None
        self.is_bias = limits.bits > 16
        self.unit = BIAS_UNITS if self.is_bias else 1
        centered = array.astype(np.float64) - np.asarray(zero_point, np.float64)
        self.steps = nn.Parameter(torch.from_numpy((centered / self.unit).astype(np.float32)))

    def forward(self, *_: None) -> torch.Tensor:
        """The constant as the next node reads it."""
        if self.is_bias:
            return self.steps * (self.unit * self.scale)
        q = (rounded(self.steps) + self.zero_point).clamp(self.low, self.high)
        return (q - self.zero_point) * self.scale

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The whole numbers, and the scale where it follows another."""
        steps, scale = self.steps.detach().double() * self.unit, {}
        if self.product is not None:
            activation, weight = self.product
            followed = (activation().detach().double() * weight.scale.double().flatten()).float()
            followed = followed.expand(self.scale.numel()).reshape(self.scale.shape)
            steps = steps * self.scale.double() / followed.double()
            scale = {1: followed.reshape(self.scale_shape)}
        q = torch.round(steps) + self.zero_point.double()
        limits = np.iinfo(self.dtype)
        low, high = (-INT32_HIGH, INT32_HIGH) if limits.bits == 32 else (self.low, self.high)
        return {0: torch.from_numpy(q.clamp(low, high).numpy().astype(self.dtype)), **scale}


@operator("DequantizeLinear")
def dequantize_linear(node: ir.Node) -> nn.Module:
    """Of a constant, which can be trained, or of a computed tensor."""
    array = constant(node, 0)
    if array is None:
        return Dequantize(node)
    if not np.issubdtype(array.dtype, np.integer) or array.dtype.itemsize > 4:
        raise refused(node, f"holds {array.dtype}")
    return RoundedConstant(node)


def train_scales(nodes: Iterable[tuple[ir.Node, nn.Module]]) -> list[nn.Parameter]:
    """Let the scales of a network's rounded activations be trained; the parameters that do so.

    ``nodes`` are all of the network's (:meth:`HubNetwork.graph_nodes`). Nodes of one scale go on sharing it. What the
    network takes and gives keeps its own, which holds every 8-bit color exactly.
    """
    modules = dict(nodes)
    pairs = [(node, m) for node, m in modules.items() if isinstance(m, Quantize | Dequantize) and m.fixed]
    ports = {
        node.inputs[1].name for node, _ in pairs if node.inputs[0].is_graph_input() or node.outputs[0].is_graph_output()
    }
    shared: dict[str, nn.Parameter] = {}
    for node, module in pairs:
        name = node.inputs[1].name
        if name not in ports and module.scale.first.ndim == 0:
            module.scale.stretch = shared.setdefault(name, nn.Parameter(torch.zeros(())))
    for node in modules:
        read = [None if value is None else modules.get(value.producer()) for value in node.inputs]
        if len(read) == 3 and isinstance(read[0], Dequantize) and all(isinstance(m, RoundedConstant) for m in read[1:]):
            activation, weight, bias = read
            if bias.is_bias and activation.fixed and activation.scale.stretch is not None:
                bias.product = activation.scale, weight
    return list(shared.values())
