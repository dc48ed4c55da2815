"""The layers that both networks are made of, each taken whole by XNNPACK, the GPU delegates and Core ML."""

import torch
import torch.nn.functional as F
from torch import nn

# Large enough to be a normal number in float16 (the smallest is 6.1e-5), where 1e-5 loses most of its digits.
NORM_EPSILON = 1e-3


class ConditionalInstanceNorm(nn.Module):
    r"""Instance norm whose scale and shift are a blend of N learned styles.

    .. math:: y = (sΓ)\,\frac{x - μ(x)}{\sqrt{σ²(x) + ε}} + sB

    with style weights :math:`s ∈ R^N` (sum 1) and :math:`Γ, B ∈ R^{N×C}`; one-hot ``s`` selects a style, any
    other blends. Mean and variance run over each picture's own plane. ``x`` is (B, C, H, W), ``s`` is (B, N).

    Source: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style", ICLR 2017, eq. 5.
    """

    def __init__(self, channels: int, styles: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Normalize (B, C, H, W) by its own statistics, then scale and shift by ``style`` (B, N)."""
        scale = (style @ self.scale)[:, :, None, None]
        shift = (style @ self.shift)[:, :, None, None]
        return F.instance_norm(x, eps=NORM_EPSILON) * scale + shift


class SamePadConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's ``SAME``, which a phone needs no separate pad operator for.

    With stride 2 on an even side, the odd row and column of zeros go to the bottom and right.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, bias: bool = True):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=bias)
        before = (kernel - stride) // 2
        self.same = (before, kernel - stride - before) * 2
        if stride == 1:
            self.padding = (kernel // 2, kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride); ``stride`` divides H and W."""
        return super().forward(x if self.stride[0] == 1 else F.pad(x, self.same))


class SeparableConv(nn.Module):
    """Depthwise 3×3, pointwise 1×1, conditional instance norm, and ReLU unless ``activate`` is false."""

    def __init__(self, inputs: int, outputs: int, styles: int, stride: int = 1, activate: bool = True):
        super().__init__()
        self.depthwise = SamePadConv2d(inputs, inputs, stride=stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = ConditionalInstanceNorm(outputs, styles)
        self.activate = activate

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        x = self.norm(self.pointwise(self.depthwise(x)), style)
        return F.relu(x) if self.activate else x


class Residual(nn.Module):
    """x + two separable convolutions of x; the second has no ReLU, so the sum can also darken."""

    def __init__(self, channels: int, styles: int):
        super().__init__()
        self.first = SeparableConv(channels, channels, styles)
        self.second = SeparableConv(channels, channels, styles, activate=False)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.second(self.first(x, style), style)


class Up(nn.Module):
    """Twice the size, joined with the encoder's skip of that size.

    The pointwise convolution that narrows runs before the bilinear upsampling: the two commute (bilinear weights
    sum to one), and at the low resolution it costs a quarter and the upsampled plane is half as deep.
    """

    def __init__(self, inputs: int, skip: int, outputs: int, styles: int):
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.join = SeparableConv(outputs + skip, outputs, styles)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) and (B, skip, 2H, 2W) to (B, outputs, 2H, 2W)."""
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.join(torch.cat([x, skip], dim=1), style)
