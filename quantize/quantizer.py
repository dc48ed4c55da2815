"""``quantize_hub``: from a float hub and photos to a Q/DQ hub that is as much int8 as the picture bears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import onnx_ir as ir

from quantize.bias import correct_biases
from quantize.candidates import Candidates, Span, spans_of
from quantize.closest import closest_weights
from quantize.dynamic import estimate, is_hybrid, overhead
from quantize.gates import gates
from quantize.graph import name_nodes
from quantize.headroom import with_headroom
from quantize.judge import Aim, Judge, Score
from quantize.macs import count_macs
from quantize.plan import ENOUGH, PlanRow, Trial
from quantize.planfile import DYNAMIC, FLOAT, INT8, Plan, Range
from quantize.ports import ports_of, range_of
from quantize.prepare import Prepared, prepare
from quantize.qdq import calibrated_values, why_not
from quantize.ranges import METHODS, Histogram, calibrate
from quantize.runtime import Sample
from quantize.sensitivity import Sensitivity
from validate.errors import BrushportError, UnsupportedError
from validate.ports import Port

JUDGED_PHOTOS = 8  # calibration photos that plans are tried on
PREPARED_PHOTOS = 4  # of those, photos that the preparation looks at
ROUNDED_PHOTOS = 8  # calibration photos that plans are not tried on, by which weights are rounded
CORRECTED_PHOTOS = 4  # of those, photos that biases are corrected by
DYNAMIC_FROM, WORTH_DYNAMIC = 0.1, 0.5  # of the aim, that a node costs before it is dynamic; of it, that is left then
SLOWER = 0.25  # of a node's work, that rounding at run time may cost more time than computing in float
# The same where a share of int8 is asked for that is not to be had so.
FORCED_FROM, WORTH_FORCED, MUCH_SLOWER = 0.002, 0.9, float("inf")
RANGED_NODES = 6  # those that cost most, of whose tensors every method is tried
OLDEST_OPSET = 13  # QuantizeLinear along an axis


@dataclass(frozen=True)
class QuantizeResult:
    """A Q/DQ hub and what is known about it.

    ``plan`` has a row for every node with multiply-accumulates, in graph order; ``int8_share`` is the share of
    those that are int8. ``method`` is how ranges were chosen (one of ``quantize.ranges.METHODS``), ``preparation`` what
    was done before (:attr:`quantize.prepare.Prepared.facts`). ``calibration_score`` compares with the float hub on some
    of the calibration photos, ``score`` on photos held out, None where there were none. ``aim`` is what was to be
    reached, ``ranges`` how each tensor's range was chosen and what it is, ``trials`` are the plans that were tried, the
    first with everything in int8, and ``chosen`` the one of them that became this plan. ``seconds`` is what it took.
    ``dynamic_share`` is the part of ``int8_share`` whose activations are rounded at run time,
    ``apart`` names the activations that were taken apart (:mod:`quantize.gates`).
    """

    model: ir.Model = field(repr=False)
    plan: tuple[PlanRow, ...]
    int8_share: float
    calibrated: int
    method: str
    preparation: dict[str, int]
    calibration_score: Score
    score: Score | None = None
    aim: Aim = field(default_factory=Aim)
    ranges: dict[str, tuple[Range, Span]] = field(default_factory=dict, repr=False)
    trials: tuple[Trial, ...] = field(default=(), repr=False)
    chosen: Trial | None = None
    seconds: float = 0.0
    dynamic_share: float = 0.0
    apart: tuple[str, ...] = ()

    def facts(self) -> dict:
        """The result as plain numbers and names, for a manifest."""
        return {
            "int8_share_of_macs": round(self.int8_share, 4),
            **({"dynamic_share_of_macs": round(self.dynamic_share, 4)} if self.dynamic_share else {}),
            "float_nodes": [row.node for row in self.plan if row.precision != "int8"],
            "calibration_photos": self.calibrated,
            "range_method": self.method,
            **self.preparation,
            "aim": {"ssim": self.aim.ssim, "psnr_db": self.aim.psnr},
            **_fact("calibration", self.calibration_score),
            **(_fact("held_out", self.score) if self.score else {}),
            "plan": [_described(row) for row in self.plan],
            "trials": [{"int8_share_of_macs": round(t.share, 4), **_fact("calibration", t.score)} for t in self.trials],
            "seconds": round(self.seconds, 1),
        }


def quantize_hub(
    model: ir.Model,
    samples: Iterable[Sample],
    *,
    inputs: Sequence[Port] | None = None,
    outputs: Sequence[Port] | None = None,
    held_out: Iterable[Sample] = (),
    aim: Aim | None = None,
    plan: Plan | None = None,
    survey: bool = False,
    equalize: bool = True,
    static: bool = False,
    hybrid: bool = True,
    report: Callable[[str], None] = lambda step: None,
) -> QuantizeResult:
    """Quantize the convolutions of ``model`` to int8 Q/DQ, keeping in float the few that the picture cannot bear.

    ``samples`` are calibration inputs by input name (see :func:`validate.photos.photo_samples`); they are read
    once, one at a time, and all of them set the ranges. ``inputs`` and ``outputs`` are the model's ports; without
    them, pictures are known by their shape and their value range by the samples. ``held_out`` are samples that
    the result is scored on. ``aim`` is what the result is to reach, in the mean over the first ``JUDGED_PHOTOS``
    calibration photos. Outputs that are no pictures or too small for SSIM are judged by PSNR, see
    :class:`quantize.judge.Score`. With a ``plan``, nothing is searched for: that is what is done, whatever it gives.
    ``survey`` tries more plans than it takes, to be drawn. ``equalize`` allows the exact preparation that
    :func:`quantize.prepare.prepare` does. ``static`` has what a plan calls dynamic read what is rounded in advance and
    give floats, as Core ML's kernels can and TFLite's cannot. Without ``hybrid`` no plan of ours is dynamic, for tiles
    that are to match: rounding at run time looks at the largest value of each. ``report`` is told each step as it
    begins. ``model`` itself is not changed.

    The result keeps the hub's promises but one: int8 and int32 constants, and the Q/DQ nodes they come with.

    Raises :class:`BrushportError` when there are no samples, or they or the plan do not fit the model, and
    :class:`UnsupportedError` when there is nothing to quantize, or nothing that the picture bears.
    """
    started = time.monotonic()
    aim = aim or Aim()
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
    apart = None if plan is None else plan.apart
    if unknown := [name for name in apart or () if name not in gates(model)]:
        raise BrushportError(
            f"{plan.source} takes '{unknown[0]}' apart, which is no activation that can be; leave it out."
        )
    preparation = prepare(model, first[:PREPARED_PHOTOS], judge, apart) if equalize else Prepared(model)
    prepared = preparation.model
    report("calibrating")
    tensors = calibrated_values(node for node in prepared.graph if node.name in set(names))
    if plan is not None:
        plan.check(reasons, tensors)
    others = list(islice(stream, ROUNDED_PHOTOS))
    histograms, count = calibrate(prepared, tensors, chain(first, others, stream))
    report("rounding weights")
    closest = closest_weights(prepared, names, others or first)
    ranges = {method: _ranges(histograms, method, inputs, plan) for method in METHODS}
    work = {name: macs[name] for name in names}
    total = max(sum(macs.values()), 1)
    candidates = Candidates(
        prepared, work, total, closest, judge, aim, static=static, patient=plan is not None or survey, report=report
    )
    candidates.dynamic = frozenset() if plan is None else plan.named(DYNAMIC)
    floats = frozenset() if plan is None else frozenset(names) - plan.named(INT8) - candidates.dynamic
    method = candidates.best_method(ranges, floats)
    candidates.ranges = dict(ranges[method])
    chosen = candidates.measure(floats)
    scores: dict[str, Score] = {}
    if plan is None:
        sensitivity = Sensitivity(model, prepared, judge, spans_of(candidates.ranges), aim, total, closest)
        scores, costs = _measured(sensitivity, names, chosen, report)
        report("choosing ranges of the tensors that cost most")
        taken = {port.name for port in inputs}
        for name in sorted(names, key=lambda name: -costs[name])[:RANGED_NODES]:
            tensors_of = [t for t in calibrated_values(n for n in prepared.graph if n.name == name) if t not in taken]
            taken.update(tensors_of)
            _choose_ranges(sensitivity, name, tensors_of, ranges, candidates.ranges, costs)
        report("leaving headroom")
        grown = with_headroom(prepared, costs, spans_of(candidates.ranges), _open(histograms, inputs))
        candidates.ranges = {
            tensor: (how, span) if grown[tensor] == span else (grown[tensor], grown[tensor])
            for tensor, (how, span) in candidates.ranges.items()
        }
        chosen = _planned(candidates, candidates.measure(floats), costs, sensitivity, macs, survey, hybrid)

    dynamic = candidates.dynamic
    result = candidates.hub(chosen.floats)
    report("correcting biases")
    corrected = correct_biases(result, prepared, first[:CORRECTED_PHOTOS])
    score, is_corrected = judge.score(corrected), False
    if aim.excess(score) < chosen.excess:
        chosen = replace(chosen, score=score, excess=aim.excess(score))
        candidates.trials[chosen.floats, dynamic] = chosen
        result, is_corrected = corrected, True
    rows = tuple(
        _row(node, macs[node.name], reasons[node.name], chosen.floats, plan, scores.get(node.name), dynamic)
        for node in model.graph
        if node.name in macs
    )
    dynamic_share = sum(row.macs for row in rows if row.precision == DYNAMIC) / total
    share = dynamic_share + sum(row.macs for row in rows if row.precision == INT8) / total
    done = preparation.facts | {"corrected_biases": int(is_corrected)}
    held_out = list(held_out)
    final = Judge(model, held_out, outputs).score(result) if held_out else None
    return QuantizeResult(
        result, rows, share, count, method, done, chosen.score, final,
        aim, candidates.ranges, tuple(candidates.trials.values()),
        chosen, time.monotonic() - started, dynamic_share, preparation.apart,
    )  # fmt: skip


def _measured(
    sensitivity: Sensitivity, names: Sequence[str], all_int8: Trial, report: Callable[[str], None]
) -> tuple[dict[str, Score], dict[str, float]]:
    """How the picture is with each of ``names`` alone in int8, and what of the aim that costs."""
    report("measuring what int8 costs")
    sensitivity.calibrate(names, all_int8.excess)
    scores = {}
    for index, name in enumerate(names, start=1):
        report(f"measuring what int8 costs, convolution {index} of {len(names)}")
        scores[name] = sensitivity.score([name])
    return scores, {name: sensitivity.scale * sensitivity.aim.excess(score) for name, score in scores.items()}


def _planned(
    candidates: Candidates,
    chosen: Trial,
    costs: dict[str, float],
    sensitivity: Sensitivity,
    macs: Mapping[str, int],
    survey: bool,
    hybrid: bool,
) -> Trial:
    """The plan that reaches the aim, from ``chosen`` on, everything in int8; with ``hybrid``, some at run time.

    Raises :class:`UnsupportedError` where none does.
    """
    aim = candidates.aim
    if hybrid and chosen.excess > ENOUGH:
        candidates.report("measuring what rounding at run time costs")
        bearable = _dynamic_costs(candidates.prepared, macs, costs, sensitivity)
        if bearable:
            candidates.dynamic, costs = frozenset(bearable), costs | bearable
            chosen = candidates.measure(chosen.floats)
    if survey or chosen.excess > ENOUGH:
        chosen = candidates.search(chosen, costs, sensitivity, survey)
        if hybrid and aim.share and (chosen.excess > 1 or chosen.share < aim.share):
            candidates.report("measuring what rounding more at run time costs")
            forced = FORCED_FROM, WORTH_FORCED, MUCH_SLOWER
            more = _dynamic_costs(candidates.prepared, macs, costs, sensitivity, *forced)
            if more:
                before = chosen, candidates.dynamic
                candidates.dynamic = candidates.dynamic | frozenset(more)
                candidates.forget_losses()
                chosen = candidates.search(candidates.measure(frozenset()), costs | more, sensitivity, survey)
                if chosen.excess > 1:
                    chosen, candidates.dynamic = before
                elif chosen.share >= aim.share and not candidates.static:
                    candidates.report("choosing what can be rounded in advance after all")
                    nodes = [n for n in candidates.prepared.graph if n.name in more and n.name not in chosen.floats]
                    savings = {node.name: costs[node.name] - more[node.name] for node in nodes}
                    chosen = candidates.settle(chosen, savings, {node.name: overhead(node) for node in nodes})
    _require(chosen, aim)
    return chosen


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


def _require(best: Trial, aim: Aim) -> None:
    if best.excess > 1:
        raise UnsupportedError(
            f"This model does not bear int8: at best {best.score} was reached with any convolution in int8, where "
            f"{aim.said_of(best.score)} is asked for; train what is rounded (--learn 300), lower --min-ssim, use fp16, "
            "or calibrate on photos like those it will see."
        )
    if best.share < aim.share and not best.floats:
        raise UnsupportedError(
            f"All that can be int8 is {best.share:.1%} of this model's work, where --min-share {aim.share:g} is asked "
            "for: the rest are operators that int8 has no kernel for; lower it."
        )
    if best.share < aim.share:
        raise UnsupportedError(
            f"At {aim.said_of(best.score)}, {best.share:.1%} of this model's work can be in int8, where --min-share "
            f"{aim.share:g} is asked for; train what is rounded (--learn 300), or lower one of them."
        )


def _described(row: PlanRow) -> dict:
    cost = {} if row.psnr is None or row.psnr == float("inf") else {"cost_db": round(row.psnr, 1)}
    return {"node": row.node, "op": row.op_type, "macs": row.macs, "precision": row.precision, **cost}


def _fact(on: str, score: Score) -> dict[str, float]:
    decibels = {} if score.psnr == float("inf") else {f"{on}_psnr": round(score.psnr, 2)}
    return decibels if score.ssim is None else {f"{on}_ssim": round(score.ssim, 4), **decibels}


def _ranges(
    histograms: dict[str, Histogram], method: str, inputs: Sequence[Port], plan: Plan | None
) -> dict[str, tuple[Range, Span]]:
    """How each tensor's range is chosen, and what it is: as ``plan`` says, else by ``method``.

    That of a picture input is the port's, so that int8 holds every pixel exactly.
    """
    stated: dict[str, Range] = dict.fromkeys(histograms, method)
    stated |= {port.name: port.value_range for port in inputs if port.is_image and port.name in histograms}
    stated |= {} if plan is None else plan.ranges
    return {
        name: (chosen, histograms[name].span(chosen) if isinstance(chosen, str) else chosen)
        for name, chosen in stated.items()
    }


def _open(histograms: dict[str, Histogram], inputs: Sequence[Port]) -> dict[str, Histogram]:
    """Those of the tensors that may reach further on other photos: all but pictures that go in."""
    pictures = {port.name for port in inputs if port.is_image}
    return {name: histogram for name, histogram in histograms.items() if name not in pictures}


def _dynamic_costs(
    model: ir.Model,
    macs: Mapping[str, int],
    costs: Mapping[str, float],
    sensitivity: Sensitivity,
    least: float = DYNAMIC_FROM,
    worth: float = WORTH_DYNAMIC,
    slower: float = SLOWER,
) -> dict[str, float]:
    """What the nodes cost that had better be rounded at run time: such kernels give floats, so no output is rounded.

    Only nodes that cost more than ``least``, have such a kernel that is no more than ``slower`` than the float one (as
    a share of its time), and then cost at most ``worth`` of what they do.
    """
    able = {n.name: estimate(n, macs[n.name]) for n in model.graph if n.name in costs and is_hybrid(n)}
    able = [name for name, gain in able.items() if gain > -slower * macs[name] and costs[name] > least]
    found = {name: sensitivity.dynamic_cost(name) for name in able}
    return {name: cost for name, cost in found.items() if cost <= worth * costs[name]}


def _choose_ranges(
    sensitivity: Sensitivity,
    node: str,
    tensors: Sequence[str],
    ranges: Mapping[str, Mapping[str, tuple[Range, Span]]],
    chosen: dict[str, tuple[Range, Span]],
    costs: dict[str, float],
) -> None:
    """Let each of ``tensors``, in ``chosen``, have the range of the method with which ``node`` costs least."""
    for tensor in tensors:
        before = chosen[tensor]
        best = costs[node], before
        for method in METHODS:
            if ranges[method][tensor][1] != before[1]:
                sensitivity.spans = spans_of(chosen | {tensor: ranges[method][tensor]})
                best = min(best, (sensitivity.cost([node]), ranges[method][tensor]), key=lambda found: found[0])
        costs[node], chosen[tensor] = best
    sensitivity.spans = spans_of(chosen)


def _row(
    node: ir.Node, macs: int, unable: str | None, floats: frozenset[str], plan: Plan | None, cost: Score | None,
    dynamic: frozenset[str],
) -> PlanRow:  # fmt: skip
    precision = FLOAT if unable or node.name in floats else DYNAMIC if node.name in dynamic else INT8
    precision = precision if plan is None else plan.nodes.get(node.name, FLOAT)
    reason = unable if precision == FLOAT else ""
    if precision != INT8 and not reason:
        why = {FLOAT: "costs the picture too much", DYNAMIC: "its rounded output costs the picture too much"}
        reason = why[precision] if plan is None else "as planned"
    shape = tuple(node.outputs[0].shape)
    error = None if cost is None else 10 ** (-cost.psnr / 10)
    return PlanRow(node.name, node.op_type, shape, macs, precision, error, reason, unable is None)
