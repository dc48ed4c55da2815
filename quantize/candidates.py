"""The plans of one network as they are tried: each is made into a Q/DQ hub, run on photos, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from quantize.closest import Rounded
from quantize.dynamic import make_dynamic
from quantize.judge import Aim, Judge, Score
from quantize.plan import Trial, explore, overlaps, search
from quantize.planfile import Range
from quantize.qdq import insert_qdq
from quantize.sensitivity import Sensitivity, neighbors

RANGED_PHOTOS = 4  # on which methods of choosing ranges are compared
SETTLING = 8  # plans that are tried to round less at run time, besides the one with nothing rounded then
HOPELESS = 1.3  # times the loss that the aim allows, as the first photos have it: the others need not be run
Span = tuple[float, float]  # low and high


class Candidates:
    """Makes and measures plans of ``prepared``: what of ``work`` stays float, the rest being int8.

    ``work`` are the multiply-accumulates of the nodes that can be int8, by name, ``total`` those of the whole network;
    ``closest`` is how weights are rounded (:mod:`quantize.closest`). ``static`` is as in
    :func:`quantize.quantizer.quantize_hub`. A ``patient`` one runs every plan on all photos of ``judge``, also when the
    first photos say that it will not reach ``aim``. ``dynamic`` are the nodes that are rounded at run time where they
    are not float, ``ranges`` what the activations are rounded to; both may be changed between plans.
    """

    def __init__(
        self,
        prepared: ir.Model,
        work: Mapping[str, int],
        total: int,
        closest: Mapping[str, Rounded],
        judge: Judge,
        aim: Aim,
        *,
        static: bool,
        patient: bool,
        report: Callable[[str], None],
    ) -> None:
        self.prepared, self.work, self.total, self.closest = prepared, work, total, closest
        self.judge, self.aim, self.static, self.patient, self.report = judge, aim, static, patient, report
        self.dynamic: frozenset[str] = frozenset()
        self.ranges: dict[str, tuple[Range, Span]] = {}
        self.trials: dict[tuple[frozenset[str], frozenset[str]], Trial] = {}  # by what stays float and what is dynamic
        self._losses: list[tuple[float, float]] = []  # on the first photos and on all, of trials that saw all

    @property
    def names(self) -> Sequence[str]:
        """Of the nodes that can be int8."""
        return list(self.work)

    def hub(self, floats: frozenset[str], spans: Mapping[str, Span] | None = None) -> ir.Model:
        """The Q/DQ hub of the plan that keeps ``floats``; activations are rounded to ``spans``, else to ``ranges``."""
        spans = spans_of(self.ranges) if spans is None else spans
        rounded = [name for name in self.work if name not in floats]
        at_run_time = self.dynamic - floats - frozenset(self.work if self.static else ())
        fixed = [name for name in rounded if name not in at_run_time]
        made = insert_qdq(self.prepared, fixed, spans, self.dynamic, self.static, self.closest)
        return make_dynamic(made, sorted(at_run_time), self.closest) if at_run_time else made

    def best_method(self, ranges: Mapping[str, Mapping[str, tuple[Range, Span]]], floats: frozenset[str]) -> str:
        """Which of ``ranges``, by method, paints best with all but ``floats`` in int8."""
        self.report("choosing ranges")

        def excess(method: str) -> float:
            return self.aim.excess(self.judge.score(self.hub(floats, spans_of(ranges[method])), RANGED_PHOTOS))

        return min(ranges, key=excess)

    def measure(self, floats: frozenset[str]) -> Trial:
        """Try the plan that keeps ``floats``; one that the first photos show hopeless is not run on the others."""
        glances: list[float] = []

        def hopeless(glance: Score) -> bool:
            glances.append(self.aim.excess(glance))
            return bool(floats and self.trials) and not self.patient and self._whole(glances[0]) > HOPELESS

        self.report(f"choosing convolutions, trial {len(self.trials) + 1}")
        made = self.hub(floats)
        score = self.judge.score(made, hopeless=hopeless)
        excess = self.aim.excess(score)
        if score.photos < len(self.judge.samples):
            excess = self._whole(excess)
        elif glances:
            self._losses.append((glances[0], excess))
        share = sum(macs for name, macs in self.work.items() if name not in floats) / self.total
        trial = Trial(floats, share, _weight_bytes(made), score, excess)
        self.trials[floats, self.dynamic] = trial
        return trial

    def search(self, start: Trial, costs: Mapping[str, float], sensitivity: Sensitivity, survey: bool) -> Trial:
        """The best plan from ``start`` on, everything in int8, with the nodes' ``costs``; ``survey`` tries more."""
        self.report("measuring what int8 costs neighbors")
        pairs = [pair for pair in neighbors(self.prepared, self.names) if self.dynamic.isdisjoint(pair)]
        shared = overlaps(pairs, costs, sensitivity.cost)
        found = search(start, costs, self.work, self.measure, shared, least=self.aim.share)
        if survey:
            known = {floats for floats, dynamic in self.trials if dynamic == self.dynamic}
            explore(costs, shared, self.work, self.measure, known)
        return found

    def settle(self, start: Trial, savings: Mapping[str, float], times: Mapping[str, int]) -> Trial:
        """Round in advance what of the ``dynamic`` nodes ``start`` leaves room for in the aim; ``start`` if none.

        ``savings`` are what it saves of the aim to round them at run time, ``times`` how long that takes, in any unit.
        The plan that spares most time is looked for as :func:`quantize.plan.search` looks for the most work in int8:
        at run time stands for float, and what is lost more than ``start`` loses is a share of the room.
        """
        room, total = 1 - start.excess, sum(times.values())
        others = self.dynamic - frozenset(times)
        if room <= 0 or not total:
            return start
        self.forget_losses()
        tried = {frozenset(times): start}

        def measure(kept: frozenset[str]) -> Trial:
            self.dynamic = others | kept
            tried[kept] = self.measure(start.floats)
            spared = sum(time for name, time in times.items() if name not in kept)
            more = max(tried[kept].excess - start.excess, 0.0)
            return replace(tried[kept], floats=kept, share=spared / total, excess=more / room)

        costs = {name: savings[name] / room for name in times}
        kept = search(measure(frozenset()), costs, times, measure, trials=SETTLING).floats
        if tried[kept].excess > 1:
            kept = frozenset(times)
        self.dynamic = others | kept
        return tried[kept]

    def forget_losses(self) -> None:
        """Expect nothing any more from how the first photos compare with all: plans are others now."""
        self._losses.clear()

    def _whole(self, glance: float) -> float:
        """What a loss on the first photos comes to on all of them, going by the trial that lost most nearly as much."""
        usable = [(few, every) for few, every in self._losses if few > 0 and np.isfinite(every)]
        if not usable or not 0 < glance < np.inf:
            return glance
        few, every = min(usable, key=lambda pair: abs(np.log(pair[0] / glance)))
        return glance * every / few


def spans_of(ranges: Mapping[str, tuple[Range, Span]]) -> dict[str, Span]:
    """Low and high of each tensor."""
    return {name: span for name, (_, span) in ranges.items()}


def _weight_bytes(model: ir.Model) -> int:
    return sum(value.const_value.nbytes for value in model.graph.initializers.values())
