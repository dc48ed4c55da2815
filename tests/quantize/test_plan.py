import itertools

import numpy as np
import pytest

from quantize.judge import Aim, Score
from quantize.plan import TRIALS, CostModel, PlanRow, Trial, most_int8, search

COSTS = {"a": 0.02, "b": 8.0, "c": 0.04, "d": 1.6, "e": 0.002}
MACS = {"a": 100, "b": 100, "c": 10, "d": 1000, "e": 1}


def best_of_all(costs, macs, budget):
    """The most work in int8 within the budget, by trying every set."""
    sets = (kept for size in range(len(costs) + 1) for kept in itertools.combinations(costs, size))
    return max(sum(macs[n] for n in kept) for kept in sets if sum(costs[n] for n in kept) <= budget)


@pytest.mark.parametrize("seed", range(5))
def test_the_knapsack_is_exact(seed):
    random = np.random.default_rng(seed)
    costs = {str(i): float(cost) for i, cost in enumerate(random.integers(0, 40, 9) / 100)}
    macs = {name: int(work) for name, work in zip(costs, random.integers(1, 100, 9), strict=True)}
    floats = most_int8(costs, macs, 1.0)
    kept = set(costs) - floats
    assert sum(costs[name] for name in kept) <= 1.0
    assert sum(macs[name] for name in kept) == best_of_all(costs, macs, 1.0)


def test_nodes_that_cost_nothing_are_int8_even_without_work():
    assert most_int8({"a": 0.0, "b": 2.0}, {"a": 0, "b": 5}, 1.0) == {"b"}


class Network:
    """Loses ``factor`` times the summed costs of what is int8, and a little at random."""

    def __init__(self, costs, macs, factor=1.0, noise=0.0):
        self.costs, self.macs, self.factor, self.noise = costs, macs, factor, noise
        self.asked = []

    def lost(self, floats):
        index = hash(tuple(name in floats for name in self.costs))
        luck = 1 + self.noise * np.random.default_rng(abs(index)).standard_normal()
        return self.factor * luck * sum(cost for name, cost in self.costs.items() if name not in floats)

    def __call__(self, floats):
        self.asked.append(floats)
        share = 1 - sum(self.macs[name] for name in floats) / sum(self.macs.values())
        return Trial(floats, share, 0, Score(1 - 0.03 * self.lost(floats), 40.0, 0, 0, 1), self.lost(floats))

    def search(self, measured=None):
        return search(self(frozenset()), measured or self.costs, self.macs, self)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7, 10.0])
def test_search_finds_the_best_plan_although_costs_were_off_by_a_factor(factor):
    network = Network(COSTS, MACS, factor)
    found = network.search()
    assert found.excess <= 1
    assert round(found.share * sum(MACS.values())) == best_of_all(COSTS, MACS, 1 / factor)
    assert len(network.asked) <= TRIALS + 1


def test_search_learns_costs_that_were_measured_wrongly():
    random = np.random.default_rng(0)
    costs = {str(i): float(cost) for i, cost in enumerate(random.lognormal(-2.5, 1.0, 12))}
    macs = {name: int(work) for name, work in zip(costs, random.integers(1, 100, 12), strict=True)}
    network = Network(costs, macs)
    found = network.search({name: cost * float(np.exp(random.normal(0, 0.5))) for name, cost in costs.items()})
    assert found.excess <= 1
    assert found.share * sum(macs.values()) >= 0.95 * best_of_all(costs, macs, 1.0)


def test_search_leaves_some_node_in_int8_and_returns_the_nearest_plan_when_none_reaches_the_aim():
    network = Network(COSTS, MACS, 1e4)
    found = network.search()
    assert found.floats == set(COSTS) - {"e"}
    assert found.excess > 1
    assert all(len(floats) < len(COSTS) for floats in network.asked)


def test_a_node_that_breaks_the_picture_is_float():
    costs = COSTS | {"a": float("inf")}
    network = Network(costs, MACS)
    found = network.search()
    assert "a" in found.floats
    assert found.excess <= 1


def test_the_model_believes_what_it_saw():
    model = CostModel({"a": 1.0, "b": 1.0, "c": 0.01})
    model.learn(frozenset({"c"}), 1.0)
    assert model.costs["a"] + model.costs["b"] == pytest.approx(1.0, rel=0.02)
    assert model.costs["c"] == pytest.approx(0.01)
    model.learn(frozenset({"b", "c"}), 0.2)
    assert model.costs["a"] == pytest.approx(0.2, abs=0.05)
    assert model.costs["b"] == pytest.approx(0.8, abs=0.1)


def test_cost_in_decibels():
    row = PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", 1e-4, "")
    assert row.psnr == pytest.approx(40.0)
    assert PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", None, "").psnr is None


def test_the_aim_is_reached_by_both_measures():
    aim = Aim(0.97, 36.0)
    assert aim.excess(Score(0.97, 40.0, 0, 0, 1)) == pytest.approx(1.0)
    assert aim.excess(Score(0.94, 40.0, 0, 0, 1)) == pytest.approx(2.0)
    assert aim.excess(Score(0.99, 33.0, 0, 0, 1)) == pytest.approx(10**0.3)
    assert Aim(0.97).excess(Score(0.99, 33.0, 0, 0, 1)) < 1 < Aim(0.97).excess(Score(0.99, 31.0, 0, 0, 1))
    assert aim.excess(Score(float("nan"), float("nan"), 0, 0, 1)) == float("inf")
    assert Aim(1.0).excess(Score(1.0, float("inf"), 0, 0, 1)) == 0.0
