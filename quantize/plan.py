"""Which convolutions become int8: all of them if the picture allows it, else those with the most work that it bears.

What int8 costs a convolution is measured: it alone is rounded, and what the picture loses is its cost, as a share of
the loss that is allowed (:meth:`quantize.judge.Aim.excess`). Rounding noise of different nodes is nearly independent,
so costs about add up, and the best plan is a knapsack: the most multiply-accumulates whose costs sum to 1 at most.
Each plan that is tried on pictures then corrects what is believed of the costs (recursive least squares, Gaussian
with costs that are known to a factor at first), until no better plan is in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from quantize.judge import Score

TRIALS = 12  # plans that are tried on pictures, besides the one with everything in int8
WORTH = 0.01  # share of the multiply-accumulates for which another trial is worth while
SPREAD = 0.5  # of a measured cost: standard deviation of its part in a sum, as a share of it
NOISE = 0.05  # of what a plan loses against the sum of its costs, where it just reaches the aim
PATIENCE = 3  # trials without a better plan, once one reaches the aim
CAUTION = 0.95  # of the budget, for each trial that failed
BOLDNESS = 1.05 ** np.arange(12)  # budgets that are looked at, from the aim up, once a plan reaches it
EXPLORED = (0.06, 0.12, 0.25, 0.5, 2.0, 4.0)  # of what the aim allows, for a picture of the trade-off
UNITS = 5000  # of the knapsack's budget


@dataclass(frozen=True)
class PlanRow:
    """What becomes of one node: ``precision`` int8, dynamic or float, and why; ``able`` says that it could be int8.

    ``cost`` is the mean squared error of the picture in [0, 1] with this node alone in int8; None when it was
    not measured, because all of them together were good enough or the plan was given.
    """

    node: str
    op_type: str
    shape: tuple[int, ...]
    macs: int
    precision: str
    cost: float | None
    reason: str
    able: bool = True

    @property
    def psnr(self) -> float | None:
        """``cost`` in dB."""
        if self.cost is None:
            return None
        return float("inf") if self.cost == 0.0 else float(-10 * np.log10(self.cost))


@dataclass(frozen=True)
class Trial:
    """A plan that was tried on pictures: what stays float, how it scored, and what of the aim that used up.

    ``share`` is the share of all multiply-accumulates in int8, ``weight_bytes`` the size of all constants.
    """

    floats: frozenset[str]
    share: float
    weight_bytes: int
    score: Score
    excess: float


def most_int8(costs: Mapping[str, float], macs: Mapping[str, int], budget: float) -> frozenset[str]:
    """The nodes to keep in float so that the others' costs sum to ``budget`` at most, with the most work in int8.

    The exact knapsack, by dynamic programming over costs that are rounded up to 1/``UNITS`` of ``budget``.
    """
    names = [name for name in sorted(costs) if costs[name] <= budget]
    best = np.zeros(UNITS + 1)
    taken = np.zeros((len(names), UNITS + 1), bool)
    units = [int(np.ceil(costs[name] / budget * UNITS - 1e-9)) for name in names]
    for index, (name, unit) in enumerate(zip(names, units, strict=True)):
        with_it = best[: UNITS + 1 - unit] + max(macs[name], 1)
        taken[index, unit:] = with_it > best[unit:]
        best[unit:] = np.maximum(best[unit:], with_it)
    left, floats = UNITS, set(costs)
    for index in reversed(range(len(names))):
        if taken[index, left]:
            floats.remove(names[index])
            left -= units[index]
    return frozenset(floats)


class CostModel:
    """What is believed of the nodes' costs: a Gaussian, at first each as measured, to ``SPREAD`` of it."""

    def __init__(self, costs: Mapping[str, float]) -> None:
        self.names = sorted(costs)
        self.mean = np.array([costs[name] for name in self.names])
        self.least = self.mean / 10
        self.covariance = np.diag((SPREAD * self.mean) ** 2)

    def learn(self, floats: frozenset[str], excess: float) -> None:
        """Correct the costs by what was lost with all but ``floats`` in int8. Far from the aim, costs hardly add up."""
        present = np.array([name not in floats for name in self.names], float)
        spread = self.covariance @ present
        gain = spread / (present @ spread + (NOISE * excess**1.5) ** 2 + np.finfo(float).tiny)
        self.mean = np.maximum(self.mean + gain * (excess - present @ self.mean), self.least)
        self.covariance = self.covariance - np.outer(gain, spread)

    @property
    def costs(self) -> dict[str, float]:
        """The cost of each node that is most likely."""
        return dict(zip(self.names, self.mean, strict=True))


def search(
    all_int8: Trial,
    costs: Mapping[str, float],
    macs: Mapping[str, int],
    measure: Callable[[frozenset[str]], Trial],
    trials: int = TRIALS,
) -> Trial:
    """The plan with the most work in int8 that reaches the aim, of those that ``measure`` tries: ``trials`` at most.

    ``costs`` are those of single nodes, as shares of what the aim allows; a node whose cost is not finite stays float.
    Some node is always int8. Where no plan reaches the aim, the one that comes nearest is returned.
    """
    bearable = {name: cost for name, cost in costs.items() if np.isfinite(cost)}
    always = frozenset(costs) - frozenset(bearable)
    model = CostModel(bearable)
    if np.isfinite(all_int8.excess):
        model.learn(frozenset(), all_int8.excess)
    tried = {all_int8.floats: all_int8}
    best: Trial | None = None
    failures = 0
    for index in range(trials):
        floats = None if index == trials - 1 else _next(model, macs, tried, best, CAUTION**index, always)
        if floats is None and best is None:
            floats = frozenset(costs) - {_cheapest(costs, macs)}
        if floats is None or floats in tried or failures == PATIENCE:
            break
        trial = tried[floats] = measure(floats)
        if np.isfinite(trial.excess):
            model.learn(floats, trial.excess)
        if trial.excess <= 1 and (best is None or trial.share > best.share):
            best, failures = trial, 0
        elif best is not None:
            failures += 1
    return best or min(tried.values(), key=lambda trial: (trial.excess, -trial.share))


def explore(
    costs: Mapping[str, float],
    macs: Mapping[str, int],
    measure: Callable[[frozenset[str]], Trial],
    known: set[frozenset],
) -> None:
    """Have ``measure`` try a plan for each of ``EXPLORED`` but those ``known``: both sides of the aim are seen."""
    for budget in EXPLORED:
        floats = most_int8(costs, macs, budget)
        if floats not in known and len(floats) < len(costs):
            known.add(floats)
            measure(floats)


def _next(
    model: CostModel,
    macs: Mapping[str, int],
    tried: Mapping[frozenset[str], Trial],
    best: Trial | None,
    caution: float,
    always: frozenset[str],
) -> frozenset[str] | None:
    """The float nodes of the plan to try now; None when none is in sight that is better than ``best``."""
    costs = model.costs
    if not costs:
        return None
    total = sum(macs.values())
    for budget in BOLDNESS if best else caution / BOLDNESS**2:
        floats = most_int8(costs, macs, budget) | always
        if len(floats) == len(macs):
            floats -= {_cheapest(costs, macs)}
        share = 1 - sum(macs[name] for name in floats) / max(total, 1)
        if floats not in tried and (best is None or share > best.share + WORTH):
            return floats
    return None


def _cheapest(costs: Mapping[str, float], macs: Mapping[str, int]) -> str:
    return min(costs, key=lambda name: (costs[name], -macs[name], name))
