"""The most work in int8 that a budget of loss allows, where the losses of neighbors may overlap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np

UNITS = 5000  # of the budget: costs are rounded up to these, but those of less than one are nothing
LARGEST_GROUP = 8  # nodes whose subsets are all looked at

Pair = tuple[str, str]


def most_int8(
    costs: Mapping[str, float], macs: Mapping[str, int], budget: float, shared: Mapping[Pair, float] | None = None
) -> frozenset[str]:
    """The nodes to keep in float so that the others cost ``budget`` at most, with the most work in int8.

    What is int8 costs the sum of its ``costs``, less ``shared`` for each pair of which both are int8 (what both of them
    round is rounded once). A knapsack of one choice a group, by dynamic programming: a group is what pairs hold
    together, its choices are its subsets.
    """
    pairs = dict(shared or {})
    groups = [_choices(group, costs, macs, pairs, budget) for group in _groups(costs, pairs)]
    best = np.zeros(UNITS + 1)
    chosen = np.zeros((len(groups), UNITS + 1), np.int16)
    for index, choices in enumerate(groups):
        before, best = best, np.full(UNITS + 1, -np.inf)
        for number, (units, work, _) in enumerate(choices):
            with_it = before[: UNITS + 1 - units] + work
            better = with_it > best[units:]
            best[units:] = np.where(better, with_it, best[units:])
            chosen[index, units:][better] = number
    left, kept = UNITS, set()
    for index in reversed(range(len(groups))):
        units, _, nodes = groups[index][chosen[index, left]]
        kept.update(nodes)
        left -= units
    return frozenset(costs) - kept


def cost_of(nodes: Iterable[str], costs: Mapping[str, float], shared: Mapping[Pair, float]) -> float:
    """What ``nodes`` cost in int8."""
    inside = set(nodes)
    overlap = sum(saved for pair, saved in shared.items() if inside.issuperset(pair))
    return max(sum(costs[name] for name in inside) - overlap, 0.0)


def _groups(costs: Mapping[str, float], pairs: dict[Pair, float]) -> list[list[str]]:
    """The nodes, together where pairs hold them together; of a group that gets too large, weak pairs are dropped."""
    group = {name: [name] for name in sorted(costs)}
    for pair in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        one, other = (group.get(name) for name in pair)
        if one is None or other is None or (one is not other and len(one) + len(other) > LARGEST_GROUP):
            del pairs[pair]
        elif one is not other:
            one.extend(other)
            group.update(dict.fromkeys(other, one))
    return list({id(names): names for names in group.values()}.values())


def _choices(
    group: list[str], costs: Mapping[str, float], macs: Mapping[str, int], pairs: Mapping[Pair, float], budget: float
) -> list[tuple[int, int, tuple[str, ...]]]:
    """Cost in units, work and nodes of every subset that fits and that no cheaper one outdoes; first that of none."""
    inner = {pair: saved for pair, saved in pairs.items() if pair[0] in group}
    found = []
    for size in range(len(group) + 1):
        for nodes in combinations(group, size):
            cost = cost_of(nodes, costs, inner)
            if cost <= budget:
                units = int(np.ceil(cost / budget * UNITS - 1e-9)) if cost > budget / UNITS else 0
                found.append((units, sum(max(macs[name], 1) for name in nodes), nodes))
    found.sort(key=lambda choice: (choice[0], -choice[1]))
    kept = found[:1]
    for choice in found[1:]:
        if choice[1] > kept[-1][1]:
            kept.append(choice)
    return kept
