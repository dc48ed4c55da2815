r"""Steadiness: a painting that does not change when what the network computes with changes a little.

A network that paints texture into smooth places finds its seeds there in the last bits of its activations, so rounding
them gives other textures. So the network paints each photo once more with noise in what every convolution reads, as
strong as rounding to ``LEVELS`` steps of its range would be, and the two paintings are to agree.

(Noise in the picture: Zheng, Song, Leung and Goodfellow, "Improving the Robustness of Deep Neural
Networks via Stability Training", CVPR 2016. Noise in place of rounding: Défossez, Adi and Synnaeve, "Differentiable
Model Compression via Pseudo Quantization Noise", TMLR 2022.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

LEVELS = 1023  # of 10 bits: with noise of 8, a network gave up painting into smooth places


@contextmanager
def rounding_noise(network: nn.Module, generator: torch.Generator, levels: int = LEVELS) -> Iterator[None]:
    """Within it, what each convolution of ``network`` reads has uniform noise of one step: its range / ``levels``."""

    def disturb(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        x = inputs[0]
        step = (x.detach().amax() - x.detach().amin()) / levels
        noise = torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        return (x + (noise - 0.5) * step, *inputs[1:])

    hooks = [m.register_forward_pre_hook(disturb) for m in network.modules() if isinstance(m, nn.Conv2d)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def unsteadiness(painting: torch.Tensor, disturbed: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of two (B, 3, H, W) pictures in [0, 1].

    Not SSIM, which is raised by a pattern of single pixels laid over all of the painting, and so soon is.
    """
    return (painting - disturbed).abs().mean()
