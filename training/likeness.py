"""How far a network's pictures are from those of the network it is to equal; differentiable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from validate import metrics
from validate.compare import as_pictures
from validate.metrics import SIGMA, WINDOW
from validate.ports import Port

C1, C2 = 0.01**2, 0.03**2  # of pictures in [0, 1]


def ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean SSIM of (B, C, H, W) pictures in [0, 1], with the settings of :mod:`validate.metrics`, edges left out.

    Sides are to be of 11 pixels at least.
    """
    offsets = torch.arange(WINDOW, dtype=a.dtype, device=a.device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    planes = torch.cat([a, b, a * a, b * b, a * b]).flatten(0, 1)[None]
    # Each plane a channel of its own: as a batch of single planes, one gradient takes 20 times as long.
    count = planes.shape[1]
    planes = F.conv2d(planes, window.view(1, 1, -1, 1).expand(count, -1, -1, -1), groups=count)
    planes = F.conv2d(planes, window.view(1, 1, 1, -1).expand(count, -1, -1, -1), groups=count)[0]
    mean_a, mean_b, aa, bb, ab = planes.chunk(5)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    value = (2 * product + C1) * (2 * (ab - product) + C2) / ((squares + C1) * (aa + bb - squares + C2))
    return value.mean()


class Likeness:
    """A loss over a network's outputs: mean absolute difference plus 1 - SSIM, of pictures in [0, 1].

    Outputs that are no pictures, where there is no picture at all, count by their absolute difference alone.
    The two together are what Zhao, Gallo, Frosio and Kautz, "Loss Functions for Image Restoration with Neural
    Networks" (IEEE TCI 2017) found best.
    """

    def __init__(self, outputs: Sequence[Port]):
        self.outputs = list(outputs)
        self.counted = [i for i, port in enumerate(outputs) if port.is_image] or list(range(len(self.outputs)))

    def pictures(self, results) -> list[torch.Tensor]:
        """The outputs that count, pictures in [0, 1]."""
        results = results if isinstance(results, tuple) else (results,)
        return [_unit(results[index], self.outputs[index]) for index in self.counted]

    def __call__(self, results, wanted) -> torch.Tensor:
        """The loss of ``results`` against ``wanted``, both as the network gives them."""
        total = 0.0
        for a, b, index in zip(self.pictures(results), self.pictures(wanted), self.counted, strict=True):
            total = total + (a - b).abs().mean()
            if self.outputs[index].is_image and min(a.shape[2:]) >= WINDOW:
                total = total + 1 - ssim(a, b)
        return total / len(self.counted)


def _unit(tensor: torch.Tensor, port: Port) -> torch.Tensor:
    if not port.is_image:
        return tensor
    low, high = port.value_range
    return (tensor - low) / (high - low)


@dataclass(frozen=True)
class Score:
    """Mean and least SSIM (None where no output is a picture of 11x11 or more), and PSNR in dB of the mean error."""

    ssim: float | None
    worst_ssim: float | None
    psnr: float

    def __str__(self) -> str:
        psnr = f"PSNR {self.psnr:.1f} dB"
        return psnr if self.ssim is None else f"SSIM {self.ssim:.4f} (worst {self.worst_ssim:.4f}), {psnr}"


@torch.no_grad()
def compare(
    first: Callable, second: Callable, outputs: Sequence[Port], samples: Iterable[tuple[torch.Tensor, ...]]
) -> Score:
    """How alike two functions of the hub's inputs are on ``samples``, by their pictures where there are any."""
    counted = [i for i, port in enumerate(outputs) if port.is_image] or list(range(len(outputs)))
    ssims, errors = [], []
    for inputs in samples:
        results = [r if isinstance(r, tuple) else (r,) for r in (first(*inputs), second(*inputs))]
        for index in counted:
            a, b = as_pictures(results[0][index].numpy(), results[1][index].numpy(), outputs[index])
            errors.append(10 ** (-metrics.psnr(a, b) / 10))
            if min(a.shape[:2]) >= WINDOW:
                ssims.append(metrics.ssim(a, b))
    error = float(np.mean(errors))
    psnr = float("inf") if error == 0 else float(-10 * np.log10(error))
    return Score(float(np.mean(ssims)) if ssims else None, min(ssims, default=None), psnr)
