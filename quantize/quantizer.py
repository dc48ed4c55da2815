"""``quantize_hub``: from a float hub and photos to a Q/DQ hub that is as much int8 as the picture bears."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import onnx_ir as ir

from quantize.equalize import equalize_norms
from quantize.graph import name_nodes
from quantize.judge import Judge, Score
from quantize.macs import count_macs
from quantize.plan import PlanRow, choose
from quantize.qdq import calibrated_values, insert_qdq, why_not
from quantize.ranges import METHODS, Histogram, calibrate
from quantize.runtime import Sample
from validate.errors import BrushportError, UnsupportedError
from validate.photos import iterate_default_photos, photo_samples
from validate.ports import Port

TARGET_SSIM = 0.95  # on calibration photos; the floor for a written int8 file is 0.90
JUDGED_PHOTOS = 3  # calibration photos that the plan is scored on
COSTED_PHOTOS = 1  # of those, photos on which each convolution's cost is measured
HELD_OUT_PHOTOS = 3  # default photos that the result is scored on
EXACT_PSNR = 80.0  # dB that equalization must keep, or it is left out


@dataclass(frozen=True)
class QuantizeResult:
    """A Q/DQ hub and what is known about it.

    ``plan`` has a row for every node with multiply-accumulates, in graph order; ``int8_share`` is the share of
    those that are int8. ``score`` compares with the float hub on photos that took no part in calibration,
    ``calibration_score`` on those that did. ``method`` is how ranges were chosen (of ``ranges.METHODS``).
    """

    model: ir.Model
    plan: tuple[PlanRow, ...]
    int8_share: float
    calibrated: int
    method: str
    equalized: int
    score: Score
    calibration_score: Score


def quantize_hub(
    model: ir.Model,
    samples: Iterable[Sample],
    *,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    held_out: Iterable[Sample] | None = None,
    target: float = TARGET_SSIM,
    equalize: bool = True,
) -> QuantizeResult:
    """Quantize the convolutions of ``model`` to int8 Q/DQ, keeping in float the few that the picture cannot bear.

    ``samples`` are calibration inputs by input name (see :func:`validate.photos.photo_samples`); they are read
    once, one at a time. ``held_out`` are the samples that the result is scored on, bundled photos by default.
    ``target`` is the SSIM that the result is to reach on calibration photos. ``model`` itself is not changed.
    The result keeps the hub's promises but one: int8 and int32 constants, and the Q/DQ nodes they come with.

    Raises :class:`BrushportError` when there are no samples, they do not fit the model, or no output is a
    picture, and :class:`UnsupportedError` when there is nothing to quantize.
    """
    model = model.clone()
    name_nodes(model.graph)
    macs = count_macs(model)
    reasons = {node.name: why_not(node) for node in model.graph if node.name in macs}
    names = [name for name, reason in reasons.items() if reason is None]
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph):
        raise UnsupportedError("The model is quantized already: export it as it is, without --int8.")
    if not names:
        raise UnsupportedError("The model has no float convolution with constant weights, so nothing can be int8.")

    stream = iter(samples)
    first = list(islice(stream, JUDGED_PHOTOS))
    judge = Judge(model, first, outputs)
    prepared, equalized = _equalized(model, first, judge) if equalize else (model, [])
    nodes = [node for node in prepared.graph if node.name in set(names)]
    histograms, count = calibrate(prepared, calibrated_values(nodes), chain(first, stream))
    spans = {method: _spans(histograms, method, inputs) for method in METHODS}

    method = min(METHODS, key=lambda m: judge.error(insert_qdq(prepared, names, spans[m]), COSTED_PHOTOS))
    scores: dict[frozenset[str], Score] = {}

    def quantized(floats: set[str]) -> ir.Model:
        return insert_qdq(prepared, [name for name in names if name not in floats], spans[method])

    def score(floats: set[str]) -> Score:
        key = frozenset(floats)
        if key not in scores:
            scores[key] = judge.score(quantized(floats))
        return scores[key]

    floats, costs = set(), {}
    if score(floats).ssim < target:
        for name in names:
            costs[name] = judge.error(insert_qdq(prepared, [name], spans[method]), COSTED_PHOTOS)
        floats = choose(costs, {name: macs[name] for name in names}, score, target)

    result = quantized(floats)
    calibration_score = score(floats)
    if held_out is None:
        held_out = _default_samples(inputs)
    plan = tuple(
        _row(node, macs[node.name], node.name in names and node.name not in floats, reasons[node.name], costs)
        for node in model.graph
        if node.name in macs
    )
    share = sum(row.macs for row in plan if row.precision == "int8") / max(sum(macs.values()), 1)
    final = Judge(model, held_out, outputs).score(result)
    return QuantizeResult(result, plan, share, count, method, len(equalized), final, calibration_score)


def _equalized(model: ir.Model, samples: list[Sample], judge: Judge) -> tuple[ir.Model, list[str]]:
    prepared, names = equalize_norms(model, samples)
    exact = names and judge.error(prepared, COSTED_PHOTOS) <= 10 ** (-EXACT_PSNR / 10)
    return (prepared, names) if exact else (model, [])


def _spans(histograms: dict[str, Histogram], method: str, inputs: Sequence[Port]) -> dict[str, tuple[float, float]]:
    """Ranges by tensor name; that of a picture input is the port's, so that int8 holds every pixel exactly."""
    spans = {name: histogram.span(method) for name, histogram in histograms.items()}
    spans.update((port.name, port.value_range) for port in inputs if port.is_image and port.name in spans)
    return spans


def _row(node: ir.Node, macs: int, is_int8: bool, reason: str | None, costs: dict[str, float]) -> PlanRow:
    if reason is None:
        reason = "" if is_int8 else "costs the picture too much"
    shape = tuple(node.outputs[0].shape)
    return PlanRow(node.name, node.op_type, shape, macs, "int8" if is_int8 else "float32", costs.get(node.name), reason)


def _default_samples(inputs: Sequence[Port]) -> Iterable[Sample]:
    sizes = {tuple(port.shape[2:]) for port in inputs if port.is_image}
    if len(sizes) != 1:
        raise BrushportError(
            "The model has no picture input, or picture inputs of different sizes, so it needs samples of its own."
        )
    return photo_samples(iterate_default_photos(HELD_OUT_PHOTOS, sizes.pop()), inputs)
