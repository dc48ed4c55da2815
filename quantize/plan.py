"""Which convolutions become int8: all of them if the picture allows it, else those with the most work that it bears.

What int8 costs a convolution is measured: it alone is rounded, and what the picture loses is its cost, as a share of
the loss that is allowed (:meth:`quantize.judge.Aim.excess`). Rounding noise of different tensors is nearly independent,
so costs about add up, but for tensors that two nodes share: what both together cost is measured, too. The best plan is
a knapsack: the most multiply-accumulates that cost 1 at most (:mod:`quantize.knapsack`).
Each plan that is tried on pictures then corrects what is believed of the costs (recursive least squares, Gaussian
with costs that are known to a factor at first), until no better plan is in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from quantize.judge import Score
from quantize.knapsack import Pair, most_int8

TRIALS = 12  # plans that are tried on pictures, besides the one with everything in int8
WORTH = 0.01  # share of the multiply-accumulates for which another trial is worth while
SPREAD = 0.5  # of a measured cost: standard deviation of its part in a sum, as a share of it
NOISE = 0.05  # of what a plan loses against the sum of its costs, where it just reaches the aim
PATIENCE = 3  # trials without a better plan, once one reaches the aim
STRAIGHT = 2  # of these, trials that go at once for the share of int8 that was asked for
CAUTION = 0.95  # of the budget, for each trial that failed
BOLDNESS = 1.05 ** np.arange(12)  # budgets that are looked at, from the aim up, once a plan reaches it
ENOUGH = 0.25  # of what the aim allows: to lose less is worth no work
KNEE = 0.02  # share of the work that may be given up to halve the loss
HALVINGS = np.arange(1, 5) / 2  # of the loss, that are looked for beyond the aim
EXPLORED = (0.06, 0.12, 0.25, 0.5, 2.0, 4.0)  # of what the aim allows, for a picture of the trade-off
OVERLAP, PAIRS = 0.03, 12  # of the aim, from which on sharing is measured, and for how many pairs at most


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


class CostModel:
    """What is believed of the nodes' costs and of what pairs share: a Gaussian, each known to ``SPREAD`` at first."""

    def __init__(self, costs: Mapping[str, float], shared: Mapping[Pair, float]) -> None:
        self.names, self.pairs = sorted(costs), sorted(shared)
        self.mean = np.array([*(costs[name] for name in self.names), *(shared[pair] for pair in self.pairs)])
        self.least = self.mean / 10
        self.covariance = np.diag((SPREAD * self.mean) ** 2)

    def learn(self, floats: frozenset[str], excess: float) -> None:
        """Correct the costs by what was lost with all but ``floats`` in int8. Far from the aim, costs hardly add up."""
        singly = [name not in floats for name in self.names]
        doubly = [floats.isdisjoint(pair) for pair in self.pairs]
        present = np.concatenate([np.array(singly, float), -np.array(doubly, float)])
        spread = self.covariance @ present
        gain = spread / (present @ spread + (NOISE * excess**1.5) ** 2 + np.finfo(float).tiny)
        self.mean = np.maximum(self.mean + gain * (excess - present @ self.mean), self.least)
        self.covariance = self.covariance - np.outer(gain, spread)

    @property
    def costs(self) -> dict[str, float]:
        """The cost of each node that is most likely."""
        return dict(zip(self.names, self.mean.tolist(), strict=False))

    @property
    def shared(self) -> dict[Pair, float]:
        """What each pair most likely shares, no more than either costs."""
        costs, found = self.costs, self.mean[len(self.names) :].tolist()
        return {pair: min(saved, *map(costs.get, pair)) for pair, saved in zip(self.pairs, found, strict=True)}


def overlaps(
    neighbors: Iterable[Pair], costs: Mapping[str, float], measure: Callable[[Pair], float]
) -> dict[Pair, float]:
    """What pairs of ``neighbors`` (nodes that round the same tensor) share of their ``costs``.

    ``measure`` tells what two cost together. It is asked only of the ``PAIRS`` whose sharing can matter most.
    """
    common = {pair: min(costs[pair[0]], costs[pair[1]]) for pair in neighbors}
    worth = [pair for pair in common if OVERLAP <= common[pair] < np.inf]
    worth = sorted(worth, key=lambda pair: (-common[pair], pair))[:PAIRS]
    saved = {pair: costs[pair[0]] + costs[pair[1]] - measure(pair) for pair in worth}
    return {pair: min(saved[pair], common[pair]) for pair in worth if saved[pair] > 0}


def search(
    all_int8: Trial,
    costs: Mapping[str, float],
    macs: Mapping[str, int],
    measure: Callable[[frozenset[str]], Trial],
    shared: Mapping[Pair, float] | None = None,
    trials: int = TRIALS,
    least: float = 0.0,
) -> Trial:
    """The plan with the most work in int8 that reaches the aim, of those that ``measure`` tries: ``trials`` at most.

    ``costs`` are those of single nodes, as shares of what the aim allows; a node whose cost is not finite stays float.
    ``shared`` is what pairs of them have in common (:func:`overlaps`). Some node is always int8. Once the aim is
    reached, up to ``KNEE`` of the work is given up for each halving of the loss, until it is ``ENOUGH``, as long as a
    share of ``least`` is left; while it is not reached, plans that do are tried first. Where no plan reaches the aim,
    the one that comes nearest is returned.
    """
    bearable = {name: cost for name, cost in costs.items() if np.isfinite(cost)}
    always = frozenset(costs) - frozenset(bearable)
    pairs = {pair: saved for pair, saved in (shared or {}).items() if bearable.keys() >= set(pair)}
    model = CostModel(bearable, pairs)
    if np.isfinite(all_int8.excess):
        model.learn(frozenset(), all_int8.excess)
    tried = {all_int8.floats: all_int8}
    best: Trial | None = None
    if all_int8.excess <= 1:
        best = all_int8
    failures = 0
    for index in range(trials if best is None else 0):
        short = 0.0 if best is None or failures == STRAIGHT else least - best.share
        worth = short if short > 0 else WORTH
        floats = None if index == trials - 1 else _next(model, macs, tried, best, CAUTION**index, always, worth)
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
    while best is not None and len(tried) < trials and best.excess > ENOUGH:
        floats = _closer(model, macs, tried, best, least)
        if floats is None:
            break
        trial = tried[floats] = measure(floats)
        if np.isfinite(trial.excess):
            model.learn(floats, trial.excess)
        if best.share - trial.share <= KNEE * np.log2(best.excess / max(trial.excess, ENOUGH)):
            best = trial
    return best or min(tried.values(), key=lambda trial: (trial.excess, -trial.share))


def explore(
    costs: Mapping[str, float],
    shared: Mapping[Pair, float],
    macs: Mapping[str, int],
    measure: Callable[[frozenset[str]], Trial],
    known: set[frozenset],
) -> None:
    """Have ``measure`` try a plan for each of ``EXPLORED`` but those ``known``: both sides of the aim are seen."""
    for budget in EXPLORED:
        floats = most_int8(costs, macs, budget, shared)
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
    worth: float,
) -> frozenset[str] | None:
    """The float nodes of the plan to try now; None when none is in sight that is better than ``best``."""
    costs = model.costs
    if not costs:
        return None
    total = sum(macs.values())
    for budget in BOLDNESS if best else caution / BOLDNESS**2:
        floats = most_int8(costs, macs, budget, model.shared) | always
        if len(floats) == len(macs):
            floats -= {_cheapest(costs, macs)}
        share = 1 - sum(macs[name] for name in floats) / max(total, 1)
        if floats not in tried and (best is None or share >= best.share + worth):
            return floats
    return None


def _closer(
    model: CostModel, macs: Mapping[str, int], tried: Mapping[frozenset[str], Trial], best: Trial, least: float
) -> frozenset[str] | None:
    """The float nodes of a plan that loses less than ``best`` for little work; None when none is in sight.

    Little is ``KNEE`` of all work for each halving of the loss, and ``least`` of ``best``'s share stays.
    """
    total = sum(macs.values())
    found: list[tuple[float, frozenset[str]]] = []
    for halvings in HALVINGS:
        budget = best.excess / 2**halvings
        floats = most_int8(model.costs, macs, budget, model.shared) | (frozenset(macs) - frozenset(model.costs))
        given_up = best.share - (1 - sum(macs[name] for name in floats) / max(total, 1))
        gained = KNEE * np.log2(best.excess / max(budget, ENOUGH))
        enough = best.share - given_up >= min(least, best.share)
        if floats not in tried and len(floats) < len(macs) and given_up <= gained and enough:
            found.append((gained - given_up, floats))
    return max(found, key=lambda choice: choice[0])[1] if found else None


def _cheapest(costs: Mapping[str, float], macs: Mapping[str, int]) -> str:
    return min(costs, key=lambda name: (costs[name], -macs[name], name))
