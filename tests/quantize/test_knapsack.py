from itertools import combinations, pairwise

import numpy as np
import pytest

from quantize.knapsack import LARGEST_GROUP, cost_of, most_int8


def best_of_all(costs, macs, budget, shared=None):
    """The most work in int8 within the budget, by trying every set."""
    sets = (kept for size in range(len(costs) + 1) for kept in combinations(costs, size))
    return max(sum(macs[n] for n in kept) for kept in sets if cost_of(kept, costs, shared or {}) <= budget + 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_knapsack_is_exact(seed):
    random = np.random.default_rng(seed)
    costs = {str(i): float(cost) for i, cost in enumerate(random.integers(0, 40, 9) / 100)}
    macs = {name: int(work) for name, work in zip(costs, random.integers(1, 100, 9), strict=True)}
    floats = most_int8(costs, macs, 1.0)
    kept = set(costs) - floats
    assert sum(costs[name] for name in kept) <= 1.0 + 1e-12
    assert sum(macs[name] for name in kept) == best_of_all(costs, macs, 1.0)


def test_nodes_that_cost_nothing_are_int8_even_without_work():
    assert most_int8({"a": 0.0, "b": 2.0}, {"a": 0, "b": 5}, 1.0) == {"b"}


@pytest.mark.parametrize("seed", range(5))
def test_what_pairs_share_counts_once(seed):
    random = np.random.default_rng(seed)
    costs = {str(i): float(cost) for i, cost in enumerate(random.integers(1, 40, 8) / 100)}
    macs = {name: int(work) for name, work in zip(costs, random.integers(1, 100, 8), strict=True)}
    pairs = [("0", "1"), ("1", "2"), ("4", "5")]
    shared = {pair: round(random.uniform(0.3, 1) * min(costs[name] for name in pair), 2) for pair in pairs}
    kept = set(costs) - most_int8(costs, macs, 0.5, shared)
    assert cost_of(kept, costs, shared) <= 0.5 + 1e-12
    assert sum(macs[name] for name in kept) == best_of_all(costs, macs, 0.5, shared)


def test_a_long_chain_is_cut_where_it_is_weakest():
    names = [f"{i:02}" for i in range(3 * LARGEST_GROUP)]
    costs, macs = dict.fromkeys(names, 0.1), dict.fromkeys(names, 10)
    shared = {pair: 0.05 + 0.001 * i for i, pair in enumerate(pairwise(names))}
    kept = set(names) - most_int8(costs, macs, 1.0, shared)
    assert cost_of(kept, costs, shared) <= 1.0
    assert len(kept) > 12  # ten, were nothing shared
