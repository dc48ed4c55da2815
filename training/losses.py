"""What makes a photo a painting: content, style and smoothness, each relative so that weights carry over."""

import torch

from training.perceptual import Features


def gram(features: torch.Tensor) -> torch.Tensor:
    r"""Gram matrix :math:`G = F Fᵀ / (H W)` of (B, C, H, W) features: (B, C, C), in float32.

    Source: Gatys, Ecker and Bethge, "Image Style Transfer Using CNNs", CVPR 2016, eq. 3.
    """
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_loss(grams: list[torch.Tensor], targets: list[torch.Tensor]) -> torch.Tensor:
    r"""Mean over layers of :math:`‖G_l − A_l‖² / ‖A_l‖²`, a number without unit that is 0 for the painting itself.

    ``grams`` are (B, C, C) of the outputs, ``targets`` (B, C, C) of each picture's painting. Dividing by the
    target's own energy (not in the source, Gatys et al. 2016, eq. 4–5) lets paintings and layers share one weight.
    """
    ratios = [(g - a).square().sum((1, 2)) / a.square().sum((1, 2)) for g, a in zip(grams, targets, strict=True)]
    return torch.stack(ratios).mean()


def content_loss(output: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    r"""Squared feature distance relative to the photo's feature variance, :math:`‖F − P‖² / ‖P − mean(P)‖²`.

    Both (B, C, H, W). Source: Gatys et al. 2016, eq. 1; relative as :func:`style_loss` is.
    """
    photo = photo.float()
    spread = (photo - photo.mean((2, 3), keepdim=True)).square().mean()
    return (output.float() - photo).square().mean() / (spread + 1e-6)


def total_variation(image: torch.Tensor) -> torch.Tensor:
    """Mean squared step between neighboring pixels of (B, 3, H, W) RGB in [0, 1] (Mahendran and Vedaldi, CVPR 2015)."""
    down = (image[:, :, 1:] - image[:, :, :-1]).square().mean()
    right = (image[:, :, :, 1:] - image[:, :, :, :-1]).square().mean()
    return down + right


def grams_of(features: Features) -> list[torch.Tensor]:
    """The Gram matrix of each style map."""
    return [gram(layer) for layer in features.style]
