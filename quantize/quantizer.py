"""``quantize_hub``: from a float hub and photos to a Q/DQ hub that is as much int8 as the picture bears."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice

import onnx_ir as ir

from quantize.equalize import equalize_norms
from quantize.graph import name_nodes
from quantize.judge import FLOOR, FLOOR_PSNR, Judge, Score
from quantize.macs import count_macs
from quantize.plan import PlanRow, choose
from quantize.ports import ports_of, range_of
from quantize.qdq import calibrated_values, insert_qdq, why_not
from quantize.ranges import METHODS, Histogram, calibrate
from quantize.runtime import Sample
from validate.errors import UnsupportedError
from validate.ports import Port

TARGET_SSIM = 0.95  # on calibration photos, where FLOOR is the least that is accepted at all
JUDGED_PHOTOS = 3  # calibration photos that the plan is scored on
COSTED_PHOTOS = 1  # of those, photos on which each convolution's cost is measured
OLDEST_OPSET = 13  # QuantizeLinear along an axis
EXACT_PSNR = 70.0  # dB that equalization must keep, or it is left out


@dataclass(frozen=True)
class QuantizeResult:
    """A Q/DQ hub and what is known about it.

    ``plan`` has a row for every node with multiply-accumulates, in graph order; ``int8_share`` is the share of
    those that are int8. ``method`` is how ranges were chosen (one of ``quantize.ranges.METHODS``), ``equalized``
    how many convolutions were equalized with the norm after them. ``calibration_score`` compares with the float
    hub on some of the calibration photos, ``score`` on photos held out, None where there were none.
    """

    model: ir.Model = field(repr=False)
    plan: tuple[PlanRow, ...]
    int8_share: float
    calibrated: int
    method: str
    equalized: int
    calibration_score: Score
    score: Score | None = None

    def facts(self) -> dict:
        """The result as plain numbers and names, for a manifest."""
        return {
            "int8_share_of_macs": round(self.int8_share, 4),
            "float_nodes": [row.node for row in self.plan if row.precision != "int8"],
            "calibration_photos": self.calibrated,
            "range_method": self.method,
            "equalized_convolutions": self.equalized,
            **_fact("calibration", self.calibration_score),
        } | (_fact("held_out", self.score) if self.score else {})


def quantize_hub(
    model: ir.Model,
    samples: Iterable[Sample],
    *,
    inputs: Sequence[Port] | None = None,
    outputs: Sequence[Port] | None = None,
    held_out: Iterable[Sample] = (),
    target: float = TARGET_SSIM,
    equalize: bool = True,
    report: Callable[[str], None] = lambda step: None,
) -> QuantizeResult:
    """Quantize the convolutions of ``model`` to int8 Q/DQ, keeping in float the few that the picture cannot bear.

    ``samples`` are calibration inputs by input name (see :func:`validate.photos.photo_samples`); they are read
    once, one at a time, and all of them set the ranges. ``inputs`` and ``outputs`` are the model's ports; without
    them, pictures are known by their shape and their value range by the samples. ``held_out`` are samples that
    the result is scored on. ``target`` is the mean SSIM that the result is to reach on the first calibration
    photos; a result that falls short of it is returned all the same where it reaches ``FLOOR``. Outputs that are
    no pictures or too small for SSIM are judged by PSNR, see :class:`quantize.judge.Score`. ``equalize`` allows the
    exact rescaling of convolutions in front of instance norms. ``report`` is told each step as it begins. ``model``
    itself is not changed.

    The result keeps the hub's promises but one: int8 and int32 constants, and the Q/DQ nodes they come with.

    Raises :class:`BrushportError` when there are no samples or they do not fit the model, and
    :class:`UnsupportedError` when there is nothing to quantize, or nothing that the picture bears.
    """
    model = model.clone()
    name_nodes(model.graph)
    macs = count_macs(model)
    reasons = {node.name: why_not(node) for node in model.graph if node.name in macs}
    names = [name for name, reason in reasons.items() if reason is None]
    _check(model, names)

    stream = iter(samples)
    first = list(islice(stream, JUDGED_PHOTOS))
    if inputs is None or outputs is None:
        inputs, outputs = ports_of(model, range_of(first))
    report("running the float model")
    judge = Judge(model, first, outputs)
    prepared, equalized = _equalized(model, first, judge) if equalize else (model, [])
    report("calibrating")
    nodes = [node for node in prepared.graph if node.name in set(names)]
    histograms, count = calibrate(prepared, calibrated_values(nodes), chain(first, stream))
    spans = {method: _spans(histograms, method, inputs) for method in METHODS}

    @cache
    def score(floats: frozenset[str], method: str) -> Score:
        return judge.score(insert_qdq(prepared, [n for n in names if n not in floats], spans[method]))

    def best_method(floats: frozenset[str]) -> str:
        report("choosing ranges")
        return max(METHODS, key=lambda method: score(floats, method).quality)

    floats: frozenset[str] = frozenset()
    costs: dict[str, float] = {}
    method = best_method(floats)
    if score(floats, method).quality < target:
        for index, name in enumerate(names, start=1):
            report(f"measuring what int8 costs, convolution {index} of {len(names)}")
            costs[name] = judge.error(insert_qdq(prepared, [name], spans[method]), COSTED_PHOTOS)
        report("choosing convolutions")
        work = {name: macs[name] for name in names}
        floats = choose(costs, work, lambda kept: score(kept, method), target)
        method = best_method(floats)  # what suits the rest may not be what suited the worst
        _require(score(floats, method), target)

    result = insert_qdq(prepared, [name for name in names if name not in floats], spans[method])
    plan = tuple(
        _row(node, macs[node.name], node.name in names and node.name not in floats, reasons[node.name], costs)
        for node in model.graph
        if node.name in macs
    )
    share = sum(row.macs for row in plan if row.precision == "int8") / max(sum(macs.values()), 1)
    held_out = list(held_out)
    final = Judge(model, held_out, outputs).score(result) if held_out else None
    return QuantizeResult(result, plan, share, count, method, len(equalized), score(floats, method), final)


def _check(model: ir.Model, names: list[str]) -> None:
    opset = model.graph.opset_imports.get("", 0)
    if opset < OLDEST_OPSET:
        raise UnsupportedError(
            f"The model is of opset {opset}, but per-channel int8 weights need {OLDEST_OPSET} or later: "
            "export it with a newer opset."
        )
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph):
        raise UnsupportedError("The model is quantized already: use it as it is.")
    if not names:
        raise UnsupportedError("The model has no float convolution with constant weights, so nothing can be int8.")


def _require(best: Score, target: float) -> None:
    if best.quality < min(target, FLOOR):
        least = f"{FLOOR_PSNR:g} dB" if best.ssim is None else f"SSIM {min(target, FLOOR):g}"
        raise UnsupportedError(
            f"This model does not bear int8: at best {best} was reached with any convolution in int8, under {least}; "
            "use fp16, or calibrate on photos like those it will see."
        )


def _fact(on: str, score: Score) -> dict[str, float]:
    if score.ssim is None:
        return {f"{on}_psnr": round(score.psnr, 2)}
    return {f"{on}_ssim": round(score.ssim, 4)}


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
