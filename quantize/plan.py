"""Which convolutions become int8: all of them if the picture allows it, else all but the few that cost most.

What int8 costs a convolution is measured: it alone is rounded, and the mean squared error of the picture is its
cost. Rounding noise of different nodes is nearly independent, so costs about add up, and the nodes to keep in
float are those that give the most error back for the fewest multiply-accumulates. How much error the pictures
bear is found by bisection, scoring real pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from quantize.judge import FLOOR, Score

TRIALS = 5  # sets of float nodes that are scored
SAFETY = 0.8  # of the error budget, once a guess has turned out too large


@dataclass(frozen=True)
class PlanRow:
    """What becomes of one node: ``precision`` int8 or float32, and why.

    ``cost`` is the mean squared error of the picture in [0, 1] with this node alone in int8; None when it was
    not measured, because all of them together were good enough.
    """

    node: str
    op_type: str
    shape: tuple[int, ...]
    macs: int
    precision: str
    cost: float | None
    reason: str

    @property
    def psnr(self) -> float | None:
        """``cost`` in dB."""
        if self.cost is None:
            return None
        return float("inf") if self.cost == 0.0 else float(-10 * np.log10(self.cost))


def keep_float(costs: Mapping[str, float], macs: Mapping[str, int], budget: float) -> frozenset[str]:
    """The nodes to keep in float so that the other nodes' costs sum to ``budget`` at most.

    Few multiply-accumulates stay float: nodes leave by cost per multiply-accumulate, largest first, and return,
    largest first, where the budget still has room for them.
    """
    order = sorted(costs, key=lambda name: (-costs[name] / max(macs[name], 1), name))
    total = sum(costs.values())
    floats = []
    for name in order:
        if total <= budget:
            break
        floats.append(name)
        total = sum(cost for other, cost in costs.items() if other not in floats)
    for name in sorted(floats, key=lambda name: (-macs[name], name)):
        if total + costs[name] <= budget:
            floats.remove(name)
            total += costs[name]
    return frozenset(floats)


def choose(
    costs: Mapping[str, float], macs: Mapping[str, int], score: Callable[[frozenset[str]], Score], target: float
) -> frozenset[str]:
    """The nodes to keep in float so that the quality (SSIM) reaches ``target``: few, by multiply-accumulates.

    ``score`` tells what a set of float nodes paints; it is asked ``TRIALS`` times at most, besides the first time
    for none. The lost SSIM is taken to be in proportion to the summed cost, and that guess is then narrowed down.
    When no set reaches the target, the best one is taken; when that is under ``FLOOR``, all but the node that costs
    least is tried, too. Some node is always int8: whether the picture is good enough is for the caller to see.
    """
    best = None
    qualities = {frozenset(): score(frozenset()).quality}
    high, lost = sum(costs.values()), 1.0 - qualities[frozenset()]
    if lost <= 1.0 - target:
        return frozenset()
    if not np.isfinite(high):
        high, lost = sum(cost for cost in costs.values() if np.isfinite(cost)), 1.0
    low = 0.0
    budget = high * (1.0 - target) / lost
    for _ in range(TRIALS):
        floats = keep_float(costs, macs, budget)
        if floats in qualities or len(floats) == len(costs):
            break
        qualities[floats] = score(floats).quality
        lost = 1.0 - qualities[floats]
        if lost <= 1.0 - target:
            best, low = floats, budget
            budget = (low + high) / 2
        else:
            high = budget
            budget = (low + high) / 2 if low else high * SAFETY * (1.0 - target) / lost
    if best is not None:
        return best
    if max(qualities.values()) < FLOOR:
        floats = frozenset(costs) - {min(costs, key=lambda name: (costs[name], -macs[name], name))}
        qualities.setdefault(floats, score(floats).quality)
    return max(qualities, key=qualities.get)
