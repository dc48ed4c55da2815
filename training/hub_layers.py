"""The hub's operators that hold weights: convolutions, matrix products and norms."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from torch import nn

from training.hub_operators import attribute, constant, operator, refused, required


class Convolution(nn.Module):
    """A 2-D Conv or ConvTranspose as torch's own layer, so that Torch-Pruning knows it.

    Pads that differ from side to side are zeros set before the convolution, or a crop after the transposed one.
    With ``computed`` weights (those of a quantized node) the layer keeps only the geometry.
    """

    def __init__(self, node: ir.Node):
        super().__init__()
        transposed = node.op_type == "ConvTranspose"
        weight, bias = constant(node, 1), constant(node, 2)
        self.computed = weight is None
        shape = tuple(node.inputs[1].shape)
        if len(shape) != 4:
            raise refused(node, "is no convolution of pictures")
        if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes:
            raise refused(node, "has pads that are not written out")
        groups = attribute(node, "group", 1)
        top, left, bottom, right = attribute(node, "pads", (0, 0, 0, 0))
        even = (top, left) == (bottom, right)
        inputs, outputs = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
        layer = nn.ConvTranspose2d if transposed else nn.Conv2d
        extra = {"output_padding": attribute(node, "output_padding", (0, 0)) if even else 0} if transposed else {}
        if transposed and not even and any(attribute(node, "output_padding", (0, 0))):
            raise refused(node, "has uneven pads and output padding")
        self.conv = layer(
            inputs,
            outputs,
            shape[2:],
            stride=attribute(node, "strides", (1, 1)),
            padding=(top, left) if even else 0,
            dilation=attribute(node, "dilations", (1, 1)),
            groups=groups,
            bias=bias is not None,
            **extra,
        )
        self.before = None if even or transposed else (left, right, top, bottom)
        self.after = (top, left, bottom, right) if transposed and not even else None
        with torch.no_grad():
            if not self.computed:
                self.conv.weight.copy_(torch.from_numpy(weight.copy()))
            if bias is not None:
                self.conv.bias.copy_(torch.from_numpy(bias.copy()))
        if self.computed:
            self.conv.weight = None

    def forward(self, x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None):
        """(B, inputs, H, W) to (B, outputs, H', W')."""
        if self.before is not None:
            x = F.pad(x, self.before)
        x = self.conv(x) if weight is None else self._functional(x, weight, bias)
        if self.after is not None:
            top, left, bottom, right = self.after
            x = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
        return x

    def _functional(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        conv, bias = self.conv, self.conv.bias if bias is None else bias
        if isinstance(conv, nn.Conv2d):
            return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return F.conv_transpose2d(
            x, weight, bias, conv.stride, conv.padding, conv.output_padding, conv.groups, conv.dilation
        )

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """Weight and bias, where they are the layer's own."""
        both = {1: self.conv.weight, 2: self.conv.bias}
        return {index: tensor for index, tensor in both.items() if tensor is not None}

    @property
    def groups(self) -> int:
        """Of the convolution, for ONNX's attribute."""
        return self.conv.groups


@operator("Conv", "ConvTranspose")
def convolution(node: ir.Node) -> nn.Module:
    """Over pictures."""
    return Convolution(node)


class Product(nn.Module):
    """x W + b with a constant matrix, as torch's Linear; ``turned`` where ONNX keeps W as Linear does, outputs first.

    ``scale`` is Gemm's alpha and ``bias_scale`` its beta, both folded into the weights here.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray | None, turned: bool):
        super().__init__()
        matrix = torch.from_numpy((weight if turned else weight.T).copy())
        self.turned = turned
        self.linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
        with torch.no_grad():
            self.linear.weight.copy_(matrix)
            if bias is not None:
                self.linear.bias.copy_(torch.from_numpy(np.broadcast_to(bias, matrix.shape[:1]).copy()))

    def forward(self, x: torch.Tensor, *_: None) -> torch.Tensor:
        """(..., inputs) to (..., outputs)."""
        return self.linear(x)

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """The matrix as ONNX keeps it, and the bias."""
        weight = self.linear.weight if self.turned else self.linear.weight.T
        return {1: weight} if self.linear.bias is None else {1: weight, 2: self.linear.bias}


@operator("MatMul")
def mat_mul(node: ir.Node) -> nn.Module:
    """By a constant matrix on the right."""
    weight = required(node, 1)
    if weight.ndim != 2 or constant(node, 0) is not None:
        raise refused(node, "is no product of a tensor and a constant matrix")
    return Product(weight, None, turned=False)


@operator("Gemm")
def gemm(node: ir.Node) -> nn.Module:
    """x W + b."""
    weight, bias = required(node, 1), constant(node, 2)
    plain = attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    if not plain or attribute(node, "transA", 0) or (bias is None and len(node.inputs) > 2):
        raise refused(node, "is no plain product with a constant matrix")
    return Product(weight, bias, turned=bool(attribute(node, "transB", 0)))


class InstanceNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + epsilon) + shift over each plane, as torch's own layer.

    Scale and shift of ones and zeros (where others follow, as in a conditional norm) stay what they are.
    """

    def __init__(self, scale: np.ndarray, shift: np.ndarray, epsilon: float):
        super().__init__()
        self.norm = nn.InstanceNorm2d(len(scale), eps=epsilon, affine=True)
        with torch.no_grad():
            self.norm.weight.copy_(torch.from_numpy(scale.copy()))
            self.norm.bias.copy_(torch.from_numpy(shift.copy()))
        if (scale == 1).all() and (shift == 0).all():
            self.norm.requires_grad_(False)

    def forward(self, x: torch.Tensor, *_: None) -> torch.Tensor:
        """(B, C, H, W) to the same shape."""
        return self.norm(x)

    @property
    def held(self) -> dict[int, torch.Tensor]:
        """Scale and shift."""
        return {1: self.norm.weight, 2: self.norm.bias}


@operator("InstanceNormalization")
def instance_normalization(node: ir.Node) -> nn.Module:
    """Of pictures, with constant scale and shift."""
    if len(node.inputs[0].shape) != 4:
        raise refused(node, "does not normalize pictures")
    return InstanceNorm(required(node, 1), required(node, 2), attribute(node, "epsilon", 1e-5))
