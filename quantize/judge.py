"""How far a changed graph's pictures are from those of the float hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from quantize.runtime import Sample, open_session, run
from validate.compare import PSNR_FLOORS, SSIM_FLOORS, as_pictures
from validate.errors import BrushportError
from validate.metrics import WINDOW, psnr, ssim
from validate.ports import Port

FLOOR = SSIM_FLOORS["int8"]  # what an int8 artifact has to reach in the end
FLOOR_PSNR = PSNR_FLOORS["int8"]  # dB; the same where there is no SSIM
LEAST_LOSS = 1e-6  # of SSIM, that even an aim of 1 allows
GLANCE = 2  # samples after which a hopeless graph is given up
AIM_SSIM = 0.97  # on calibration photos, where FLOOR is the least that an artifact is kept at
PSNR_BESIDE_SSIM = 34.0  # dB; below it, the colors of flat areas are seen to be off


@dataclass(frozen=True)
class Score:
    """SSIM and PSNR (dB) against the float hub: the mean over ``photos`` samples, and the worst of them.

    PSNR is that of the mean squared error. SSIM is None for outputs that are no planes of 11x11 or more.
    """

    ssim: float | None
    psnr: float
    worst_ssim: float | None
    worst_psnr: float
    photos: int

    @property
    def quality(self) -> float:
        """SSIM, or what stands for it: 1 less a share of the squared error, ``FLOOR`` at ``FLOOR_PSNR``."""
        if self.ssim is not None:
            return self.ssim
        return max(0.0, 1.0 - (1.0 - FLOOR) * 10.0 ** ((FLOOR_PSNR - self.psnr) / 10.0))

    def __str__(self) -> str:
        return f"PSNR {self.psnr:.1f} dB" if self.ssim is None else f"SSIM {self.ssim:.4f}, PSNR {self.psnr:.1f} dB"


@dataclass(frozen=True)
class Aim:
    """What a result is to reach on the photos that it is judged by: mean ``ssim`` and ``psnr`` (dB).

    Without ``psnr``, ``PSNR_BESIDE_SSIM`` is asked for where there is an SSIM, which overlooks colors that are off.
    With ``grace``, so many times the loss may be had, because learning will win it back (:mod:`quantize.learned`).
    ``share`` is the least share of the work that is to be int8, even where float would be faster.
    """

    ssim: float = AIM_SSIM
    psnr: float | None = None
    grace: float = 1.0
    share: float = 0.0

    def excess(self, score: Score) -> float:
        """The squared error that ``score`` stands for, as a share of what is allowed: the aim is reached at 1 or less.

        Taken to be in proportion to the SSIM that is lost, too. The larger of both shares; inf for NaN.
        """
        share = (1.0 - score.quality) / max(1.0 - self.ssim, LEAST_LOSS)
        decibels = PSNR_BESIDE_SSIM if self.psnr is None and score.ssim is not None else self.psnr
        if decibels is not None:
            share = max(share, 10.0 ** ((decibels - score.psnr) / 10.0))
        share /= self.grace
        return share if np.isfinite(share) else float("inf")

    def said_of(self, score: Score) -> str:
        """What is asked for, in the terms of ``score``."""
        if score.ssim is not None:
            return f"SSIM {self.ssim:g} and {PSNR_BESIDE_SSIM if self.psnr is None else self.psnr:g} dB"
        by_quality = FLOOR_PSNR + 10.0 * np.log10((1.0 - FLOOR) / (1.0 - self.ssim)) if self.ssim < 1 else np.inf
        return f"{max(by_quality, self.psnr or 0.0):.1f} dB"


class Judge:
    """Runs graphs on the same few samples and compares what they paint with what the float hub does.

    The pictures count; where the model gives none, all outputs, each scaled by the float output's own range. What is
    too small for SSIM is judged by PSNR (see :attr:`Score.quality`), as :mod:`validate.compare` does.

    Holds the samples and one float32 tensor for each and for each of these outputs; so few samples, not all.
    Raises :class:`BrushportError` when there are no samples.
    """

    def __init__(self, model: ir.Model, samples: Iterable[Sample], outputs: Sequence[Port]) -> None:
        self.outputs = [port for port in outputs if port.is_image] or list(outputs)
        self.samples = list(samples)
        if not self.samples:
            raise BrushportError("There are no photos to judge quantization by.")
        self.expected = list(self._run(model, len(self.samples)))

    def error(self, model: ir.Model, limit: int | None = None) -> float:
        """Mean squared error of ``model``'s pictures in [0, 1] over the first ``limit`` samples; inf for NaN."""
        errors = [np.mean(np.square(a - b), dtype=np.float64) for a, b in self._pairs(model, limit)]
        return float(np.mean(errors)) if np.isfinite(errors).all() else float("inf")

    def score(
        self, model: ir.Model, limit: int | None = None, hopeless: Callable[[Score], bool] = lambda score: False
    ) -> Score:
        """SSIM and PSNR of ``model``'s pictures over the first ``limit`` samples, all by default.

        ``hopeless`` is shown the score of the first ``GLANCE`` samples; where it says so, the others are spared.
        """
        ssims, psnrs = [], []
        limit = min(limit or len(self.samples), len(self.samples))
        glance = GLANCE * len(self.outputs)
        for expected, got in self._pairs(model, limit):
            psnrs.append(psnr(expected, got))
            if min(expected.shape[:2]) >= WINDOW:
                ssims.append(ssim(expected, got))
            if len(psnrs) == glance and hopeless(self._score(ssims, psnrs)):
                break
        return self._score(ssims, psnrs)

    def _score(self, ssims: list[float], psnrs: list[float]) -> Score:
        error = float(np.mean([10.0 ** (-value / 10.0) for value in psnrs]))
        mean_psnr = float("inf") if error == 0.0 else float(-10.0 * np.log10(error))
        mean_ssim, worst_ssim = (float(np.mean(ssims)), min(ssims)) if ssims else (None, None)
        return Score(mean_ssim, mean_psnr, worst_ssim, min(psnrs), len(psnrs) // len(self.outputs))

    def _pairs(self, model: ir.Model, limit: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What the hub and ``model`` paint, output by output, as HxWxC in [0, 1]."""
        for expected, got in zip(self.expected, self._run(model, limit or len(self.samples)), strict=False):
            for port, a, b in zip(self.outputs, expected, got, strict=True):
                yield as_pictures(a, b, port)

    def _run(self, model: ir.Model, count: int) -> Iterator[list[np.ndarray]]:
        session = open_session(model, simulate=True)
        names = [port.name for port in self.outputs]
        return (run(session, sample, names) for sample in self.samples[:count])
