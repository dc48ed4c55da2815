"""Does an artifact paint the hub's picture? Numbers, and a verdict against a floor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np

from validate.metrics import WINDOW, psnr, ssim
from validate.photos import photo_samples, tensor_to_picture
from validate.ports import Port
from validate.runners import Runner, Tensors

# Least mean SSIM against the hub, by precision.
SSIM_FLOORS = {"fp32": 0.999, "fp16": 0.995, "int8": 0.90}
# Least mean PSNR in dB for outputs that are no pictures large enough for SSIM.
PSNR_FLOORS = {"fp32": 60.0, "fp16": 40.0, "int8": 20.0}


@dataclass
class Comparison:
    """SSIM and PSNR of each photo, and what a run costs.

    ``ssim`` is empty where an output is too small for it or is no plane. ``latency`` is in milliseconds, ``memory``
    in bytes; both are those of the machine that ran it.
    """

    ssim: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    latency: float | None = None
    memory: int | None = None

    @property
    def mean_ssim(self) -> float | None:
        """Mean over the photos."""
        return float(np.mean(self.ssim)) if self.ssim else None

    @property
    def mean_psnr(self) -> float:
        """PSNR of the mean squared error over the photos, in dB; infinite when all are equal."""
        errors = [10 ** (-value / 10) for value in self.psnr]
        return float(-10 * np.log10(np.mean(errors))) if any(errors) else float("inf")

    def passes(self, precision: str, floor: float | None = None) -> bool:
        """Whether the mean SSIM reaches ``floor``, by default the one for ``precision``."""
        if self.mean_ssim is None:
            return bool(self.mean_psnr >= PSNR_FLOORS[precision])
        return bool(self.mean_ssim >= (SSIM_FLOORS[precision] if floor is None else floor))


def feeds_for(inputs: tuple[Port, ...], photos: Sequence[np.ndarray]) -> Iterator[Tensors]:
    """Feeds that show every photo (uint8 H×W×3) and every style at least once, and a blend of two styles at the end."""
    styles = max((port.shape[-1] for port in inputs if not port.is_image), default=1)
    count = max(len(photos), styles)
    first = None
    for feed in photo_samples(islice(cycle(photos), count), inputs):
        yield feed
        first = first or feed
    if styles > 1:
        yield {
            port.name: feed[port.name] if port.is_image else (first[port.name] + feed[port.name]) / 2 for port in inputs
        }


def compare(reference: Runner, artifact: Runner, feeds: Iterable[Tensors]) -> Comparison:
    """Run both on every feed and compare what they give, output by output."""
    result = Comparison()
    for feed in feeds:
        expected, got = reference.run(feed), artifact.run(feed)
        for port in reference.outputs:
            a, b = as_pictures(expected[port.name], got[port.name], port)
            if port.name in artifact.eight_bit:  # compare what is drawn: the hub's picture in 8 bits, too
                a = np.round(a * 255) / np.float32(255)
            result.psnr.append(psnr(a, b))
            if min(a.shape[:2]) >= WINDOW:
                result.ssim.append(ssim(a, b))
    result.latency, result.memory = artifact.latency, artifact.memory
    return result


def as_pictures(expected: np.ndarray, got: np.ndarray, port: Port) -> tuple[np.ndarray, np.ndarray]:
    """Both values as H×W×C in [0, 1]; a value that is no picture is scaled by the expected one's own range."""
    if port.is_image:
        return tensor_to_picture(expected, port), tensor_to_picture(got, port)
    low, high = float(expected.min()), float(expected.max())
    scale = (high - low) or 1.0
    planes = [((value - low) / scale).astype(np.float32) for value in (expected, got)]
    if expected.ndim == 4:
        return planes[0][0].transpose(1, 2, 0), planes[1][0].transpose(1, 2, 0)
    return planes[0].reshape(1, 1, -1), planes[1].reshape(1, 1, -1)
