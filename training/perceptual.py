"""VGG features: the eyes that training looks through."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from training.weights import load_state, unusable, weights_by_name

# How torchvision's weights want RGB in [0, 1]: mean and deviation of (most of them, its VGG-16 without classifier).
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FEATURES_ONLY = ((0.48235, 0.45882, 0.40784), (1 / 255,) * 3)


@dataclass(frozen=True)
class Features:
    """What the losses look at: ``style`` maps from shallow to deep, ``content`` one map, each (B, C, H', W')."""

    style: list[torch.Tensor]
    content: torch.Tensor


class Perceptual(nn.Module):
    """A frozen VGG that gives :class:`Features` of (B, 3, H, W) RGB pictures in [0, 1].

    ``layers`` run in order; the outputs of those at ``style_taps`` and ``content_tap`` are returned.
    """

    def __init__(self, layers: nn.Sequential, style_taps: tuple[int, ...], content_tap: int):
        super().__init__()
        self.layers = layers.eval().requires_grad_(False)
        self.style_taps, self.content_tap = style_taps, content_tap

    def forward(self, image: torch.Tensor) -> Features:
        """Features of (B, 3, H, W) RGB in [0, 1]; gradients flow to the picture, never to the weights."""
        style, content, x = [], None, image
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.style_taps:
                style.append(x)
            if index == self.content_tap:
                content = x
            if index >= max(*self.style_taps, self.content_tap):
                break
        return Features(style, content)


class _Normalize(nn.Module):
    """RGB in [0, 1] minus a mean, over a deviation, channel by channel."""

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]):
        super().__init__()
        self.mean, self.deviation = mean, deviation

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torchvision.transforms.functional.normalize(image, self.mean, self.deviation)


class _ReflectConv(nn.Conv2d):
    """3×3 convolution over a reflected border of one pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="reflect"))


def load_perceptual(weights: str | Path = "vgg16") -> Perceptual:
    """VGG-16 of torchvision by name (``"vgg16"``), or a file of weights.

    Files: torchvision's VGG-16 or VGG-19 state dict, or the normalized VGG-19 up to relu3_1 that AdaIN and WCT use
    (keys 0, 2, 5, 9, 12, 16). Taps: relu1_2, 2_2, 3_3, 4_3 with content at relu2_2 (Johnson et al. 2016) for VGG-16;
    relu1_1, 2_1, 3_1, 4_1 with content at relu4_1, or relu3_1 where the file ends there, for VGG-19.
    Raises BrushportError for weights that cannot be downloaded, read or recognized.
    """
    if weights == "vgg16":
        return _torchvision_vgg(weights_by_name(torchvision.models.VGG16_Weights.IMAGENET1K_FEATURES, "--vgg"), weights)
    state = load_state(weights)
    return _normalized_vgg19(state) if "0.weight" in state else _torchvision_vgg(state, weights)


def _torchvision_vgg(state: dict[str, torch.Tensor], weights: str | Path) -> Perceptual:
    deep = "features.34.weight" in state  # VGG-19 has its last convolution there, VGG-16 at 28
    build, taps, content = (
        (torchvision.models.vgg19, (1, 6, 11, 20), 20) if deep else (torchvision.models.vgg16, (3, 8, 15, 22), 8)
    )
    layers = build(weights=None).features
    try:
        layers.load_state_dict({k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")})
    except RuntimeError as error:
        raise unusable(weights, "it is neither VGG-16 nor VGG-19") from error
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    # The weights made for features alone say so by a classifier of NaN, and want another normalization.
    classifier = state.get("classifier.6.bias")
    scaling = FEATURES_ONLY if classifier is not None and classifier.isnan().any() else IMAGENET
    shifted = tuple(tap + 1 for tap in taps)
    return Perceptual(nn.Sequential(_Normalize(*scaling), *layers), shifted, content + 1)


def _normalized_vgg19(state: dict[str, torch.Tensor]) -> Perceptual:
    def conv(key: str) -> nn.Conv2d:
        weight = state[f"{key}.weight"]
        kind = _ReflectConv if weight.shape[-1] == 3 else nn.Conv2d
        layer = kind(weight.shape[1], weight.shape[0], weight.shape[-1])
        layer.load_state_dict({"weight": weight, "bias": state[f"{key}.bias"]})
        return layer

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(2, ceil_mode=True)

    layers = [conv("0"), conv("2"), nn.ReLU(), conv("5"), nn.ReLU(), pool()]
    layers += [conv("9"), nn.ReLU(), conv("12"), nn.ReLU(), pool(), conv("16"), nn.ReLU()]
    return Perceptual(nn.Sequential(*layers), (2, 7, 12), 12)
