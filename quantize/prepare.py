"""Exact preparation of a float hub for int8: the same pictures, out of tensors whose channels have equal spans.

First norm equalization (:mod:`quantize.equalize`), then cross-layer equalization (:mod:`quantize.cross_layer`). A step
is kept when the float pictures stay (``EXACT_PSNR``) and the pictures with everything in int8 come nearer to them.
Where activations such as HardSwish hold channels to one unit, they are taken apart (:mod:`quantize.gates`) if that
pays: of the smaller tensors first, since it costs two passes over each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

import onnx_ir as ir

from quantize.cross_layer import equalize_layers
from quantize.equalize import channel_statistics, equalize_norms
from quantize.gates import gates, take_apart, without_idle
from quantize.judge import Judge
from quantize.qdq import calibrated_values, insert_qdq, why_not
from quantize.ranges import calibrate
from quantize.runtime import Sample

EXACT_PSNR = 70.0  # dB that a step must keep, or it is left out
EXACT_ERROR = 10.0 ** (-EXACT_PSNR / 10)
METHOD = "percentile"  # how ranges are chosen while steps are compared: heavy tails decide nothing then
PHOTOS = 2  # that steps are compared on
SHARES = (1.0, 0.5)  # of the way to equal spans
APART = 0.75  # of the error with everything in int8, that is left where activations are worth taking apart


@dataclass(frozen=True)
class Prepared:
    """The prepared hub, and what was done: plain numbers for a manifest.

    ``equalized`` names the convolutions that were equalized with the norm after them, ``channels`` is how many
    channels cross-layer equalization gave another unit, ``apart`` names the activations that were taken apart.
    """

    model: ir.Model = field(repr=False)
    equalized: tuple[str, ...] = ()
    channels: int = 0
    apart: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, int]:
        """What was done, as numbers by name."""
        facts = {"equalized_convolutions": len(self.equalized), "rescaled_channels": self.channels}
        return facts | ({"activations_taken_apart": len(self.apart)} if self.apart else {})


def prepare(model: ir.Model, samples: Iterable[Sample], judge: Judge, apart: Sequence[str] | None = None) -> Prepared:
    """A copy of ``model`` that paints the same and bears int8 better.

    Nodes and tensors keep their names. ``samples`` are a few calibration inputs, ``judge`` holds the pictures of
    ``model``. What does not stay exact or does not help on them is left out. ``apart`` names the activations to take
    apart; None finds out which.
    """
    samples = list(samples)
    if apart:
        return _prepared(model, tuple(apart), samples, judge)[0]
    best, error = _prepared(model, (), samples, judge)
    able = gates(model) if apart is None else []
    if not able:
        return best
    sizes = {node.name: prod(node.inputs[0].shape) for node in model.graph if node.name in set(able)}
    middle = sorted(sizes.values())[len(sizes) // 2]
    for names in dict.fromkeys((tuple(name for name in able if sizes[name] <= middle), tuple(able))):
        found, left = _prepared(model, names, samples, judge)
        if left < APART * error:
            best, error = found, left
    return best


def _prepared(
    model: ir.Model, apart: tuple[str, ...], samples: Sequence[Sample], judge: Judge
) -> tuple[Prepared, float]:
    """The prepared ``model`` with the activations ``apart``, and its error with everything in int8."""
    best, equalized = take_apart(model, apart) if apart else model, ()
    changed, names = equalize_norms(best, samples)
    if names and judge.error(changed, PHOTOS) <= EXACT_ERROR:
        best, equalized = changed, tuple(names)
    convolutions = [node.name for node in best.graph if why_not(node) is None]
    inputs = {value.name for value in best.graph.inputs}
    tensors = calibrated_values(node for node in best.graph if node.name in set(convolutions))
    made = [name for name in tensors if name not in inputs]
    error = _int8_error(best, convolutions, samples, judge)
    channels = 0
    if made:
        statistics = channel_statistics(best, made, samples)
        before = best
        for share in SHARES:
            changed, count = equalize_layers(before, made, statistics, share)
            if not count or judge.error(changed, PHOTOS) > EXACT_ERROR:
                continue
            now = _int8_error(changed, convolutions, samples, judge)
            if now < error:
                best, channels, error = changed, count, now
    return Prepared(without_idle(best) if apart else best, equalized, channels, apart), error


def _int8_error(model: ir.Model, names: Sequence[str], samples: Sequence[Sample], judge: Judge) -> float:
    """Mean squared error of the pictures with the convolutions ``names`` in int8."""
    wanted = set(names)
    tensors = calibrated_values(node for node in model.graph if node.name in wanted)
    histograms, _ = calibrate(model, tensors, samples)
    spans = {name: histogram.span(METHOD) for name, histogram in histograms.items()}
    return judge.error(insert_qdq(model, names, spans), PHOTOS)
