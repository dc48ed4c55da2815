import numpy as np
import pytest

from quantize.judge import Aim, Score
from quantize.knapsack import cost_of
from quantize.plan import ENOUGH, OVERLAP, PAIRS, TRIALS, CostModel, PlanRow, Trial, overlaps, search
from tests.quantize.test_knapsack import best_of_all

COSTS = {"a": 0.02, "b": 8.0, "c": 0.04, "d": 1.6, "e": 0.002}
MACS = {"a": 100, "b": 100, "c": 10, "d": 1000, "e": 1}


class Network:
    """Loses ``factor`` times the summed costs of what is int8, less what pairs share."""

    def __init__(self, costs, macs, factor=1.0, shared=None):
        self.costs, self.macs, self.factor, self.shared = costs, macs, factor, shared or {}
        self.asked = []

    def lost(self, floats):
        return self.factor * cost_of(set(self.costs) - floats, self.costs, self.shared)

    def __call__(self, floats):
        self.asked.append(floats)
        share = 1 - sum(self.macs[name] for name in floats) / sum(self.macs.values())
        return Trial(floats, share, 0, Score(1 - 0.03 * self.lost(floats), 40.0, 0, 0, 1), self.lost(floats))

    def search(self, measured=None, shared=None):
        return search(self(frozenset()), measured or self.costs, self.macs, self, shared)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7, 10.0])
def test_search_finds_the_best_plan_although_costs_were_off_by_a_factor(factor, monkeypatch):
    monkeypatch.setattr("quantize.plan.KNEE", 0.0)
    network = Network(COSTS, MACS, factor)
    found = network.search()
    assert found.excess <= 1
    assert round(found.share * sum(MACS.values())) == best_of_all(COSTS, MACS, 1 / factor)
    assert len(network.asked) <= TRIALS + 1


def test_a_plan_that_paints_far_closer_is_worth_a_little_work():
    """Of a work of 1000, node d has 10 and costs 0.7 of the aim: less than KNEE for the one halving it takes."""
    costs, macs = {"a": 0.1, "b": 0.1, "d": 0.7}, {"a": 500, "b": 490, "d": 10}
    assert Network(costs, macs).search().floats == {"d"}
    assert Network(costs, macs | {"d": 200}).search().floats == frozenset()
    assert Network(costs, macs, ENOUGH).search().floats == frozenset()  # close enough as it is


def test_work_that_was_asked_for_is_given_up_for_nothing():
    costs, macs = {"a": 0.1, "b": 0.1, "d": 0.7}, {"a": 500, "b": 490, "d": 10}
    network = Network(costs, macs)
    assert search(network(frozenset()), costs, macs, network, least=0.995).floats == frozenset()
    assert search(network(frozenset()), costs, macs, network, least=0.99).floats == {"d"}


@pytest.mark.parametrize(("least", "steps"), [(0.0, [0.348, 0.512, 0.577]), (0.6, [0.348, 0.607])])
def test_search_goes_straight_for_the_share_that_was_asked_for(least, steps):
    """Costs are half of what is believed, so that plans grow from trial to trial."""
    costs = {str(i): 0.1 * (1 + i / 20) for i in range(20)}
    network = Network(costs, {str(i): 25 + i for i in range(20)}, 0.5)
    start = Trial(frozenset(), 1.0, 0, Score(0.8, 30.0, 0, 0, 1), float("inf"))
    found = search(start, costs, network.macs, network, least=least)
    assert found.share > 0.6
    tried = [round(network(floats).share, 3) for floats in list(network.asked)]
    assert tried[: len(steps)] == pytest.approx(steps, abs=0.01)


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
    model = CostModel({"a": 1.0, "b": 1.0, "c": 0.01}, {})
    model.learn(frozenset({"c"}), 1.0)
    assert model.costs["a"] + model.costs["b"] == pytest.approx(1.0, rel=0.02)
    assert model.costs["c"] == pytest.approx(0.01)
    model.learn(frozenset({"b", "c"}), 0.2)
    assert model.costs["a"] == pytest.approx(0.2, abs=0.05)
    assert model.costs["b"] == pytest.approx(0.8, abs=0.1)


CHAIN = {"a": 0.9, "b": 0.95, "c": 0.3, "d": 0.1}
WORK = {"a": 40, "b": 50, "c": 70, "d": 100}
BOTH = {("a", "b"): 0.9}


def test_search_keeps_both_in_float_where_a_tensor_between_two_costs():
    """Each of a and b alone is dear; together they cost no more, so one in float would be in vain."""
    network = Network(CHAIN, WORK, shared=BOTH)
    assert network.search(shared=BOTH).floats == {"a", "b"}
    assert network.asked[1] == {"a", "b"}
    assert Network(CHAIN, WORK, 0.8, BOTH).search(shared=BOTH).floats == {"c"}  # a and b for the price of one


def test_overlaps_are_measured_where_they_can_matter():
    asked = []

    def together(pair):
        asked.append(pair)
        return cost_of(pair, costs, BOTH)

    costs = CHAIN | {"e": OVERLAP / 2, "f": float("inf")}
    found = overlaps([("a", "b"), ("b", "c"), ("c", "e"), ("d", "f")], costs, together)
    assert found == {("a", "b"): pytest.approx(0.9)}
    assert asked == [("a", "b"), ("b", "c"), ("d", "f")]
    many = {str(i): 1.0 for i in range(PAIRS + 5)}
    assert len(overlaps([(a, b) for a, b in zip(many, list(many)[1:], strict=False)], many, lambda pair: 1.0)) == PAIRS


def test_what_pairs_share_is_learned_too():
    model = CostModel(CHAIN, {("a", "b"): 0.5})
    model.learn(frozenset({"c", "d"}), 0.95)
    both = cost_of({"a", "b"}, model.costs, model.shared)
    assert both == pytest.approx(0.95, rel=0.05)
    assert model.shared["a", "b"] > 0.5


def test_cost_in_decibels():
    row = PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", 1e-4, "")
    assert row.psnr == pytest.approx(40.0)
    assert PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", None, "").psnr is None


def test_the_aim_is_reached_by_both_measures():
    aim = Aim(0.97, 36.0)
    assert aim.excess(Score(0.97, 40.0, 0, 0, 1)) == pytest.approx(1.0)
    assert aim.excess(Score(0.94, 40.0, 0, 0, 1)) == pytest.approx(2.0)
    assert aim.excess(Score(0.99, 33.0, 0, 0, 1)) == pytest.approx(10**0.3)
    assert Aim(0.97).excess(Score(0.99, 35.0, 0, 0, 1)) < 1 < Aim(0.97).excess(Score(0.99, 33.0, 0, 0, 1))
    assert aim.excess(Score(float("nan"), float("nan"), 0, 0, 1)) == float("inf")
    assert Aim(1.0).excess(Score(1.0, float("inf"), 0, 0, 1)) == 0.0
