"""How far a changed graph's pictures are from those of the float hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from quantize.runtime import Sample, open_session, run
from validate.errors import BrushportError
from validate.metrics import psnr, ssim
from validate.photos import tensor_to_picture
from validate.ports import Port


@dataclass(frozen=True)
class Score:
    """SSIM and PSNR (dB) against the float hub: the mean over ``photos`` samples, and the worst of them."""

    ssim: float
    psnr: float
    worst_ssim: float
    worst_psnr: float
    photos: int


class Judge:
    """Runs graphs on the same few samples and compares their pictures with the float hub's.

    Holds the samples and one float32 picture for each and for each picture output; so few samples, not all.
    Raises :class:`BrushportError` when there are no samples or no output is a picture.
    """

    def __init__(self, model: ir.Model, samples: Iterable[Sample], outputs: Sequence[Port]) -> None:
        self.outputs = [port for port in outputs if port.is_image]
        self.samples = list(samples)
        if not self.outputs:
            raise BrushportError("No output of the model is a picture, so quantization cannot be judged.")
        if not self.samples:
            raise BrushportError("There are no photos to judge quantization by.")
        self.expected = list(self._paint(model, len(self.samples)))

    def error(self, model: ir.Model, limit: int | None = None) -> float:
        """Mean squared error of ``model``'s pictures in [0, 1] over the first ``limit`` samples; inf for NaN."""
        pairs = zip(self.expected, self._paint(model, limit or len(self.samples)), strict=False)
        errors = [np.mean(np.square(a - b), dtype=np.float64) for e, g in pairs for a, b in zip(e, g, strict=True)]
        return float(np.mean(errors)) if np.isfinite(errors).all() else float("inf")

    def score(self, model: ir.Model) -> Score:
        """SSIM and PSNR of ``model``'s pictures over all samples."""
        ssims, psnrs = [], []
        for expected, got in zip(self.expected, self._paint(model, len(self.samples)), strict=True):
            ssims.extend(ssim(a, b) for a, b in zip(expected, got, strict=True))
            psnrs.extend(psnr(a, b) for a, b in zip(expected, got, strict=True))
        return Score(float(np.mean(ssims)), float(np.mean(psnrs)), min(ssims), min(psnrs), len(self.samples))

    def _paint(self, model: ir.Model, count: int) -> Iterator[list[np.ndarray]]:
        session = open_session(model, simulate=True)
        names = [port.name for port in self.outputs]
        for sample in self.samples[:count]:
            tensors = run(session, sample, names)
            yield [tensor_to_picture(t, port) for t, port in zip(tensors, self.outputs, strict=True)]
