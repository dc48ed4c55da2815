"""Networks as people bring them: torchvision's, timm's, segmentation_models_pytorch's, and two in common papers' shape.

Nothing is downloaded: the weights are the libraries' own initial ones, batch norms get statistics that are not the
identity, and heads that start at zero get numbers.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig


@dataclass(frozen=True)
class Architecture:
    """How a network is made, the side of its picture, and whether its TFLite file must hold no TRANSPOSE."""

    make: Callable[[], nn.Module]
    side: int
    still: bool = True


ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": Architecture(models.resnet18, 96),
    "mobilenet_v2": Architecture(models.mobilenet_v2, 96),
    "mobilenet_v3_small": Architecture(models.mobilenet_v3_small, 96),
    "efficientnet_b0": Architecture(models.efficientnet_b0, 96),
    "squeezenet1_1": Architecture(models.squeezenet1_1, 96),
    "mnasnet0_5": Architecture(models.mnasnet0_5, 96),
    "regnet_y_400mf": Architecture(models.regnet_y_400mf, 96),
    "googlenet": Architecture(functools.partial(models.googlenet, aux_logits=False, init_weights=False), 96),
    "densenet": Architecture(functools.partial(models.DenseNet, 16, (3, 4, 4, 3), 32), 96),
    "convnext": Architecture(
        functools.partial(models.ConvNeXt, [CNBlockConfig(32, 64, 2), CNBlockConfig(64, None, 2)]), 96
    ),
    "shufflenet_v2_x0_5": Architecture(models.shufflenet_v2_x0_5, 96, still=False),  # it shuffles channels
    "swin": Architecture(
        functools.partial(models.SwinTransformer, [4, 4], 32, [2, 2], [2, 4], [4, 4]), 64, still=False
    ),
    "vit": Architecture(functools.partial(models.VisionTransformer, 64, 16, 2, 4, 64, 128), 64, still=False),
    "lraspp_mobilenet_v3": Architecture(
        functools.partial(models.segmentation.lraspp_mobilenet_v3_large, weights_backbone=None), 96
    ),
    **{
        name: Architecture(functools.partial(timm.create_model, name), 64, still=still)
        for name, still in (
            ("ghostnet_100", True),
            ("lcnet_050", True),
            ("mobilenetv4_conv_small", True),
            ("starnet_s1", True),
            ("mobilevit_xxs", False),
            ("edgenext_xx_small", False),
        )
    },
    **{
        f"{name}": Architecture(functools.partial(getattr(smp, name), "resnet18", encoder_weights=None, classes=3), 64)
        for name in ("Unet", "FPN", "Linknet", "DeepLabV3Plus", "Segformer")
    },
}


class Generator(nn.Module):
    """The generator of CycleGAN (Zhu et al. 2017): reflection padding, instance norm, transposed convolutions."""

    def __init__(self, width: int = 16):
        super().__init__()

        def step(layer: nn.Module, channels: int) -> list[nn.Module]:
            return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]

        def block() -> nn.Module:
            return nn.Sequential(
                nn.ReflectionPad2d(1), *step(nn.Conv2d(4 * width, 4 * width, 3), 4 * width),
                nn.ReflectionPad2d(1), nn.Conv2d(4 * width, 4 * width, 3), nn.InstanceNorm2d(4 * width),
            )  # fmt: skip

        self.head = nn.Sequential(
            nn.ReflectionPad2d(3), *step(nn.Conv2d(3, width, 7), width),
            *step(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width),
            *step(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), 4 * width),
        )  # fmt: skip
        self.blocks = nn.ModuleList(block() for _ in range(3))
        self.tail = nn.Sequential(
            *step(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1), 2 * width),
            *step(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), width),
            nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A picture of -1..1 from one of the same size."""
        x = self.head(x)
        for block in self.blocks:
            x = x + block(x)
        return self.tail(x)


class SuperResolution(nn.Module):
    """In EDSR's shape (Lim et al. 2017): residual blocks, a pixel shuffle, added to the picture enlarged cubically."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, 1, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(width), nn.Conv2d(width, width, 3, 1, 1))
            for _ in range(4)
        )
        self.tail = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.Conv2d(width, 3, 3, 1, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A picture of twice the height and width."""
        y = self.head(x)
        for block in self.blocks:
            y = y + 0.1 * block(y)
        return self.tail(y) + nn.functional.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)


ARCHITECTURES["cyclegan"] = Architecture(Generator, 64)
ARCHITECTURES["super_resolution"] = Architecture(SuperResolution, 64)


class _FirstOutput(nn.Module):
    """torchvision's segmentation networks give a dictionary."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.network(x)
        return y["out"] if isinstance(y, dict) else y


def save_onnx(name: str, path: Path) -> Path:
    """Export the architecture ``name`` from PyTorch, input ``x`` and output ``y``, always with the same weights."""
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    network = architecture.make().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.7, 1.4)
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.1)
        elif isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, 0, 0.1)
    picture = torch.rand(1, 3, architecture.side, architecture.side)
    with warnings.catch_warnings():  # with gradients: without, PyTorch takes an attention that no opset has
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _FirstOutput(network).eval(), (picture,), str(path), dynamo=False, opset_version=17,
            input_names=["x"], output_names=["y"],
        )  # fmt: skip
    return path
