"""Does an artifact paint the hub's picture? Numbers, and a verdict against a floor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np

from validate.metrics import WINDOW, psnr, ssim
from validate.photos import photo_samples, tensor_to_picture
from validate.ports import STYLE, Port
from validate.runners import Runner, Tensors

# Least mean SSIM against the hub, by precision.
SSIM_FLOORS = {
    "fp32": 0.999,
    "fp16": 0.995,
    "w8": 0.99,
    "w6": 0.98,
    "w4": 0.95,
    "sparse": 0.95,
    "dynamic": 0.98,
    "int16x8": 0.98,
    "int8": 0.90,
}
# Least PSNR in dB for outputs that are no planes, or too small for SSIM.
PSNR_FLOORS = {
    "fp32": 60.0,
    "fp16": 40.0,
    "w8": 35.0,
    "w6": 30.0,
    "w4": 25.0,
    "sparse": 25.0,
    "dynamic": 30.0,
    "int16x8": 30.0,
    "int8": 20.0,
}


@dataclass
class Likeness:
    """One output compared run by run. ``ssim`` is empty where the output is no plane or too small for it."""

    ssim: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)

    @property
    def mean_ssim(self) -> float | None:
        """Mean over the runs."""
        return float(np.mean(self.ssim)) if self.ssim else None

    @property
    def mean_psnr(self) -> float:
        """PSNR of the mean squared error over the runs, in dB; infinite when all are equal."""
        errors = [10 ** (-value / 10) for value in self.psnr]
        return float(-10 * np.log10(np.mean(errors))) if any(errors) else float("inf")

    def passes(self, precision: str, floor: float | None = None) -> bool:
        """Whether the mean SSIM reaches ``floor``, or the PSNR its own floor where there is no SSIM."""
        if self.mean_ssim is None:
            return bool(self.mean_psnr >= PSNR_FLOORS[precision])
        return bool(self.mean_ssim >= (SSIM_FLOORS[precision] if floor is None else floor))


@dataclass
class Comparison:
    """Every output's :class:`Likeness`, and what a run costs.

    ``latency`` is in milliseconds, ``memory`` in bytes; both are those of the machine that ran it.
    """

    outputs: dict[str, Likeness] = field(default_factory=dict)
    latency: float | None = None
    memory: int | None = None

    @property
    def mean_ssim(self) -> float | None:
        """The least alike output's; None when no output has any."""
        return min((one.mean_ssim for one in self.outputs.values() if one.ssim), default=None)

    @property
    def worst_ssim(self) -> float | None:
        """That of the worst single run."""
        return min((value for one in self.outputs.values() for value in one.ssim), default=None)

    @property
    def mean_psnr(self) -> float:
        """The least alike output's, in dB."""
        return min(one.mean_psnr for one in self.outputs.values())

    @property
    def runs(self) -> int:
        """How many times the artifact was run."""
        return max(len(one.psnr) for one in self.outputs.values())

    def passes(self, precision: str, floor: float | None = None) -> bool:
        """Whether every output is the hub's; ``floor`` is the least mean SSIM, by default that of ``precision``."""
        return all(one.passes(precision, floor) for one in self.outputs.values())


def feeds_for(inputs: tuple[Port, ...], photos: Sequence[np.ndarray]) -> Iterator[Tensors]:
    """Feeds that show every photo (uint8 H×W×3) and every style at least once, and a blend of two styles at the end."""
    styles = next((port.shape[-1] for port in inputs if port.name == STYLE and len(port.shape) == 2), 1)
    first = None
    for feed in photo_samples(islice(cycle(photos), max(len(photos), styles)), inputs):
        yield feed
        first = first or feed
    if styles > 1:
        yield feed | {STYLE: (first[STYLE] + feed[STYLE]) / 2}


def compare(reference: Runner, artifact: Runner, feeds: Iterable[Tensors]) -> Comparison:
    """Run both on every feed and compare what they give, output by output.

    Where the artifact gives 8-bit pictures, the hub's are rounded to 8 bits, too: what is drawn is compared.
    """
    result = Comparison({port.name: Likeness() for port in reference.outputs})
    for feed in feeds:
        expected, got = reference.run(feed), artifact.run(feed)
        for port in reference.outputs:
            a, b = as_pictures(expected[port.name], got[port.name], port)
            if port.name in artifact.eight_bit:
                a = np.round(a * 255) / np.float32(255)
            likeness = result.outputs[port.name]
            likeness.psnr.append(psnr(a, b))
            if min(a.shape[:2]) >= WINDOW:
                likeness.ssim.append(ssim(a, b))
    result.latency, result.memory = artifact.latency, artifact.memory
    return result


def as_pictures(expected: np.ndarray, got: np.ndarray, port: Port) -> tuple[np.ndarray, np.ndarray]:
    """Both values as H×W×C in [0, 1]; a value that is no picture is scaled by the expected one's own range."""
    if port.is_image:
        return tensor_to_picture(expected, port), tensor_to_picture(got, port)
    expected, got = (np.asarray(value, np.float32) for value in (expected, got))
    low, high = float(expected.min()), float(expected.max())
    scale = (high - low) or 1.0
    planes = [((value - low) / scale).astype(np.float32) for value in (expected, got)]
    if expected.ndim == 4 and expected.shape[0] == 1:
        return planes[0][0].transpose(1, 2, 0), planes[1][0].transpose(1, 2, 0)
    return planes[0].reshape(1, 1, -1), planes[1].reshape(1, 1, -1)
