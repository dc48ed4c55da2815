"""A U-Net that paints: three levels of skips, separable convolutions, conditional instance norm."""

import torch
import torch.nn.functional as F
from torch import nn

from training.networks.layers import ConditionalInstanceNorm, Residual, SamePadConv2d, SeparableConv, Up


class UNet(nn.Module):
    """Photo and style weights in, painting out; 1.5 G multiply-adds at 512×512.

    Encoder–decoder with skips after Ronneberger, Fischer and Brox, "U-Net" (MICCAI 2015); depthwise-separable
    convolutions after Howard et al., "MobileNets" (2017); residual blocks at 1/8 size after Johnson, Alahi and
    Fei-Fei, "Perceptual Losses" (ECCV 2016); bilinear upsampling + convolution after Odena, Dumoulin and Olah,
    "Deconvolution and Checkerboard Artifacts" (Distill 2016).
    """

    size_multiple = 8

    def __init__(self, styles: int, width: int = 16, blocks: int = 4):
        super().__init__()
        w1, w2, w4, w8 = width, 2 * width, 4 * width, 8 * width
        self.stem = SamePadConv2d(3, w1, bias=False)
        self.stem_norm = ConditionalInstanceNorm(w1, styles)
        self.down1 = SeparableConv(w1, w2, styles, stride=2)
        self.down2 = SeparableConv(w2, w4, styles, stride=2)
        self.down3 = SeparableConv(w4, w8, styles, stride=2)
        self.blocks = nn.ModuleList(Residual(w8, styles) for _ in range(blocks))
        self.up3 = Up(w8, w4, w4, styles)
        self.up2 = Up(w4, w2, w2, styles)
        self.up1 = Up(w2, w1, w1, styles)
        self.paint = SamePadConv2d(w1, 3)

    def forward(self, image: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) RGB in [0, 1] and (B, N) weights of sum 1 to (B, 3, H, W) RGB in [0, 1]; 8 divides H, W."""
        x1 = F.relu(self.stem_norm(self.stem(2 * image - 1), style))  # (B, 16, H, W)
        x2 = self.down1(x1, style)  # (B, 32, H/2, W/2)
        x4 = self.down2(x2, style)  # (B, 64, H/4, W/4)
        x = self.down3(x4, style)  # (B, 128, H/8, W/8)
        for block in self.blocks:
            x = block(x, style)
        x = self.up3(x, x4, style)  # (B, 64, H/4, W/4)
        x = self.up2(x, x2, style)  # (B, 32, H/2, W/2)
        x = self.up1(x, x1, style)  # (B, 16, H, W)
        return torch.sigmoid(self.paint(x))
