"""MobileNetV3-Small sees, a light decoder paints."""

from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from training.networks.layers import ConditionalInstanceNorm, Residual, SamePadConv2d, Up
from training.weights import load_state, unusable, weights_by_name

# Where torchvision's `features` reach 1/2, 1/4, 1/8 and 1/16 of the input, and their channels there.
TAPS = {0: 16, 1: 16, 3: 24, 8: 48}


class MobileNetV3(nn.Module):
    """Photo and style weights in, painting out; 0.6 G multiply-adds at 512×512.

    The encoder is torchvision's ``mobilenet_v3_small().features`` up to 1/16 size (Howard et al., "Searching for
    MobileNetV3", ICCV 2019, table 2: bneck, squeeze-and-excitation, hard-swish). Its batch norms keep the
    statistics they came with, so that they fold into the convolutions exactly; strided convolutions pad as
    TensorFlow's SAME. The decoder carries the styles and ends at half size with a pixel shuffle (Shi et al., 2016).
    """

    size_multiple = 16

    def __init__(self, styles: int, blocks: int = 2):
        super().__init__()
        features = torchvision.models.mobilenet_v3_small(weights=None).features
        self.encoder = nn.ModuleList(features[: max(TAPS) + 1])
        pad_strided_convolutions(self.encoder)
        half, quarter, eighth, sixteenth = TAPS.values()
        self.enter = nn.Conv2d(sixteenth, 96, 1, bias=False)
        self.enter_norm = ConditionalInstanceNorm(96, styles)
        self.up8 = Up(96, eighth, 64, styles)
        self.blocks = nn.ModuleList(Residual(64, styles) for _ in range(blocks))
        self.up4 = Up(64, quarter, 48, styles)
        self.refine = Residual(48, styles)
        self.up2 = Up(48, half, 32, styles)
        self.paint = SamePadConv2d(32, 3 * 4)
        with torch.no_grad():  # the four pixels of each shuffle start equal: no checkerboard (Aitken et al., 2017)
            self.paint.weight.copy_(self.paint.weight[::4].repeat_interleave(4, dim=0))
            self.paint.bias.copy_(self.paint.bias[::4].repeat_interleave(4, dim=0))

    def train(self, mode: bool = True) -> "MobileNetV3":
        """Switch the decoder; the encoder's batch norms always use their stored statistics."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, image: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) RGB in [0, 1] and (B, N) weights of sum 1 to (B, 3, H, W) RGB in [0, 1]; 16 divides H, W."""
        x, taps = 2 * image - 1, []
        for index, layer in enumerate(self.encoder):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        x2, x4, x8, x = taps  # (B, 16, H/2, W/2), (B, 16, H/4, W/4), (B, 24, H/8, W/8), (B, 48, H/16, W/16)
        x = F.relu(self.enter_norm(self.enter(x), style))  # (B, 96, H/16, W/16)
        x = self.up8(x, x8, style)  # (B, 64, H/8, W/8)
        for block in self.blocks:
            x = block(x, style)
        x = self.refine(self.up4(x, x4, style), style)  # (B, 48, H/4, W/4)
        x = self.up2(x, x2, style)  # (B, 32, H/2, W/2)
        return torch.sigmoid(F.pixel_shuffle(self.paint(x), 2))

    def freeze_encoder(self) -> None:
        """Keep the encoder as ImageNet made it.

        The decoder's instance norms cancel any scale of what they are given, so nothing holds the encoder's
        activations back: trained at the decoder's rate they reached 1e9 in 500 steps, and float16 ends at 65504.
        """
        self.encoder.requires_grad_(False)

    def load_encoder(self, weights: str | Path) -> None:
        """Start from ImageNet: torchvision's weights by name (``"torchvision"``) or a file.

        A file holds torchvision's state dict, or one with batch norm already folded and the keys
        ``stem, blocks.N.{expand,dw,se_reduce,se_expand,project}.{weight,bias}``.
        Raises BrushportError when they cannot be downloaded, read or fitted.
        """
        if weights == "torchvision":
            state = weights_by_name(torchvision.models.MobileNet_V3_Small_Weights.IMAGENET1K_V1, "--encoder-weights")
        else:
            state = load_state(weights)
        if "stem.weight" in state:
            self._load_folded(state, weights)
            return
        wanted = self.encoder.state_dict()
        state = {key.removeprefix("features."): value for key, value in state.items()}
        if missing := [key for key in wanted if key not in state]:
            raise unusable(weights, f"it has no '{missing[0]}', so it is not MobileNetV3-Small")
        self.encoder.load_state_dict({key: state[key] for key in wanted})

    def _load_folded(self, state: dict[str, torch.Tensor], weights: str | Path) -> None:
        """Copy convolutions whose batch norm was folded; the batch norms here become additions of their bias."""

        def put(conv: nn.Conv2d, norm: nn.BatchNorm2d | None, key: str) -> None:
            weight, bias = state.get(f"{key}.weight"), state.get(f"{key}.bias")
            if weight is None or bias is None or weight.shape != conv.weight.shape:
                raise unusable(weights, f"'{key}' does not fit MobileNetV3-Small")
            conv.weight.data.copy_(weight)
            if norm is None:
                conv.bias.data.copy_(bias)
                return
            norm.reset_running_stats()
            norm.weight.data.fill_((1 + norm.eps) ** 0.5)
            norm.bias.data.copy_(bias)

        put(self.encoder[0][0], self.encoder[0][1], "stem")
        for index, bneck in enumerate(self.encoder[1:]):
            *before, last = bneck.block
            convs = [part for part in before if isinstance(part, nn.Sequential)]
            for part, key in zip(reversed(convs), ("dw", "expand"), strict=False):
                put(part[0], part[1], f"blocks.{index}.{key}")
            for part in before:
                if not isinstance(part, nn.Sequential):
                    put(part.fc1, None, f"blocks.{index}.se_reduce")
                    put(part.fc2, None, f"blocks.{index}.se_expand")
            put(last[0], last[1], f"blocks.{index}.project")


def pad_strided_convolutions(module: nn.Module) -> None:
    """Replace every strided convolution inside ``module`` by one of the same weights that pads as SAME."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d) and child.stride[0] > 1:
            same = SamePadConv2d(
                child.in_channels,
                child.out_channels,
                child.kernel_size[0],
                child.stride[0],
                child.groups,
                bias=child.bias is not None,
            )
            same.weight, same.bias = child.weight, child.bias
            setattr(module, name, same)
        else:
            pad_strided_convolutions(child)
