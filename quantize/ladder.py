"""Each weight as small as the picture bears: a ladder of forms, climbed where that gains most.

A form (say, a palette of 16 numbers) makes other weights of a node's. First every weight takes the lowest rung. Where
the picture suffers, what each weight alone costs on the lowest rung is measured, as the squared error of the picture;
further up it is taken to fall as the squared error of the weight does, or of what the node gives where that is known.
Errors of different weights are taken to add.
That gives an order of steps up, by error taken away for each byte that it costs, and bisection finds how many of them
the picture needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from quantize.judge import Judge, Score
from quantize.runtime import Sample
from quantize.weights import SMALL, float_weights, replace_weight
from validate.errors import UnsupportedError
from validate.ports import Port

COSTED_PHOTOS = 1


@dataclass(frozen=True)
class Rung:
    """One form of a weight: what it is called, its bits a weight, and ``make(name, weight, axis)``, the new numbers."""

    name: str
    bits: float
    make: Callable[[str, np.ndarray, int], np.ndarray]


DENSE = Rung("float", 16.0, lambda name, weight, axis: weight)


@dataclass(frozen=True)
class LadderResult:
    """The hub with its new weights, the rung of each of them by name, and how close the picture is."""

    model: ir.Model
    rungs: Mapping[str, Rung]
    score: Score

    def facts(self) -> dict:
        """For the manifest: how many weights stand on each rung, which stayed, and SSIM and PSNR while choosing."""
        counts: dict[str, int] = {}
        for rung in self.rungs.values():
            counts[rung.name] = counts.get(rung.name, 0) + 1
        quality = {"psnr_db": round(self.score.psnr, 2)} if np.isfinite(self.score.psnr) else {}
        if self.score.ssim is not None:
            quality["ssim"] = round(self.score.ssim, 5)
        return {"weights": counts, "calibration": quality}


def climb(
    model: ir.Model,
    samples: Sequence[Sample],
    outputs: Sequence[Port],
    rungs: Sequence[Rung],
    *,
    target: float,
    loss: Callable[[str, np.ndarray, np.ndarray], float] = lambda name, weight, made: squared_error(weight, made),
    report: Callable[[str], None] = lambda step: None,
) -> LadderResult:
    """The weights of ``model`` on the lowest ``rungs`` with which the mean SSIM over ``samples`` is ``target``.

    ``rungs`` begins with the smallest form; above the last of them a weight stays as it is. ``loss(name, weight,
    made)`` tells how much worse one form of a weight is than another.
    Raises :class:`UnsupportedError` where the model has no weights of a size that matters, or bears none of the rungs.
    """
    rungs = [*rungs, DENSE]
    judge = Judge(model, samples, outputs)
    weights = {value.name: (value.const_value.numpy(), axis) for value, axis in float_weights(model)}
    if not weights:
        raise UnsupportedError("The model has no convolution or matrix product with constant float weights to store.")
    made: dict[tuple[str, int], np.ndarray] = {}

    def form(name: str, place: int) -> np.ndarray:
        if (name, place) not in made:
            made[name, place] = rungs[place].make(name, *weights[name])
        return made[name, place]

    def build(places: Mapping[str, int]) -> ir.Model:
        changed = model.clone()
        changed.metadata_props[SMALL] = "1"
        for name, place in places.items():
            if rungs[place] is not DENSE:
                replace_weight(changed.graph.initializers[name], form(name, place))
        return changed

    def attempt(moves: Sequence[str]) -> tuple[ir.Model, dict[str, int], Score]:
        places = dict.fromkeys(weights, 0)
        for name in moves:
            places[name] += 1
        changed = build(places)
        return changed, places, judge.score(changed)

    report("compressing the weights")
    best = attempt([])
    if best[2].quality < target:
        costs = {}
        for index, name in enumerate(weights, start=1):
            report(f"measuring what {rungs[0].name} costs, weight {index} of {len(weights)}")
            costs[name] = judge.error(build({name: 0}), COSTED_PHOTOS)
        moves = _order(weights, rungs, form, costs, loss)
        report("choosing a form for each weight")
        low, high, best = 0, len(moves), None
        while best is None or high - low > 1:
            middle = (low + high) // 2 if high - low > 1 else high
            tried = attempt(moves[:middle])
            if tried[2].quality >= target or middle == len(moves):
                high, best = middle, tried
            else:
                low = middle
    changed, places, score = best
    if min(places.values()) == len(rungs) - 1:
        raise UnsupportedError(f"This model bears none of its weights as {rungs[-2].name}; use fp16.")
    return LadderResult(changed, {name: rungs[place] for name, place in places.items()}, score)


def squared_error(weight: np.ndarray, made: np.ndarray) -> float:
    """The sum of the squared differences."""
    return float(np.sum(np.square(made - weight, dtype=np.float64)))


def _order(
    weights: Mapping[str, tuple[np.ndarray, int]],
    rungs: Sequence[Rung],
    form: Callable[[str, int], np.ndarray],
    costs: Mapping[str, float],
    loss: Callable[[str, np.ndarray, np.ndarray], float],
) -> list[str]:
    """The names of the weights in the order of their steps up, each as often as there are rungs to climb."""
    errors = {}
    for name, (weight, _) in weights.items():
        squares = [loss(name, weight, form(name, place)) for place in range(len(rungs))]
        first = squares[0] or 1.0
        errors[name] = [costs[name] * min(1.0, square / first) for square in squares]
    places = dict.fromkeys(weights, 0)
    moves = []

    def gain(name: str) -> float:
        place = places[name]
        paid = (rungs[place + 1].bits - rungs[place].bits) * weights[name][0].size
        return (errors[name][place] - errors[name][place + 1]) / paid

    while waiting := [name for name in weights if places[name] < len(rungs) - 1]:
        name = max(waiting, key=gain)
        places[name] += 1
        moves.append(name)
    return moves
