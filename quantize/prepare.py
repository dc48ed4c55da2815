"""Exact preparation of a float hub for int8: the same pictures, out of tensors whose channels have equal spans.

First norm equalization (:mod:`quantize.equalize`), then cross-layer equalization (:mod:`quantize.cross_layer`). A step
is kept when the float pictures stay (``EXACT_PSNR``) and the pictures with everything in int8 come nearer to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from quantize.cross_layer import equalize_layers
from quantize.equalize import channel_statistics, equalize_norms
from quantize.judge import Judge
from quantize.qdq import calibrated_values, insert_qdq, why_not
from quantize.ranges import calibrate
from quantize.runtime import Sample

EXACT_PSNR = 70.0  # dB that a step must keep, or it is left out
EXACT_ERROR = 10.0 ** (-EXACT_PSNR / 10)
METHOD = "percentile"  # how ranges are chosen while steps are compared: heavy tails decide nothing then
PHOTOS = 2  # that steps are compared on
SHARES = (1.0, 0.5)  # of the way to equal spans


@dataclass(frozen=True)
class Prepared:
    """The prepared hub, and what was done: plain numbers for a manifest.

    ``equalized`` names the convolutions that were equalized with the norm after them, ``channels`` is how many
    channels cross-layer equalization gave another unit.
    """

    model: ir.Model = field(repr=False)
    equalized: tuple[str, ...] = ()
    channels: int = 0

    @property
    def facts(self) -> dict[str, int]:
        """What was done, as numbers by name."""
        return {"equalized_convolutions": len(self.equalized), "rescaled_channels": self.channels}


def prepare(model: ir.Model, samples: Iterable[Sample], judge: Judge) -> Prepared:
    """A copy of ``model`` that paints the same and bears int8 better.

    Nodes and tensors keep their names. ``samples`` are a few calibration inputs, ``judge`` holds the pictures of
    ``model``. What does not stay exact or does not help on them is left out.
    """
    samples = list(samples)
    best, equalized = model, ()
    changed, names = equalize_norms(model, samples)
    if names and judge.error(changed, PHOTOS) <= EXACT_ERROR:
        best, equalized = changed, tuple(names)
    convolutions = [node.name for node in best.graph if why_not(node) is None]
    inputs = {value.name for value in best.graph.inputs}
    tensors = calibrated_values(node for node in best.graph if node.name in set(convolutions))
    made = [name for name in tensors if name not in inputs]
    if not made:
        return Prepared(best, equalized)
    statistics = channel_statistics(best, made, samples)
    error = _int8_error(best, convolutions, samples, judge)
    channels = 0
    before = best
    for share in SHARES:
        changed, count = equalize_layers(before, made, statistics, share)
        if not count or judge.error(changed, PHOTOS) > EXACT_ERROR:
            continue
        now = _int8_error(changed, convolutions, samples, judge)
        if now < error:
            best, channels, error = changed, count, now
    return Prepared(best, equalized, channels)


def _int8_error(model: ir.Model, names: Sequence[str], samples: Sequence[Sample], judge: Judge) -> float:
    """Mean squared error of the pictures with the convolutions ``names`` in int8."""
    wanted = set(names)
    tensors = calibrated_values(node for node in model.graph if node.name in wanted)
    histograms, _ = calibrate(model, tensors, samples)
    spans = {name: histogram.span(METHOD) for name, histogram in histograms.items()}
    return judge.error(insert_qdq(model, names, spans), PHOTOS)
