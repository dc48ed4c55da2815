"""Structured pruning: whole channels go, those whose loss costs the picture least for the work they cause.

The channels that go together are found by Torch-Pruning (:mod:`training.channels`), what each costs is measured
(:mod:`training.importance`), and the layers that read what stays are fitted anew to give what they gave
(:mod:`training.refit`). Distillation (:mod:`training.distill`) does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from training.channels import TRACED_SIDE, Family, Work, dependency_graph, families
from training.hub_network import HubNetwork
from training.importance import measure, of_family
from training.likeness import Likeness
from training.refit import refit
from validate.errors import UnsupportedError

MULTIPLE = 4  # channels are removed in so many at a time: what the phones' kernels take at once
LEAST = 4  # channels that a layer keeps
WORTH = 1e-5  # of the work, that a block of channels has to save to go
ROUNDS = 4


@dataclass(frozen=True)
class Thinned:
    """One family of channels: how many it had and has, named after the convolution that makes them."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Pruned:
    """A network of fewer channels, with the multiply-accumulates of one picture before and after."""

    network: HubNetwork
    macs_before: int
    macs_after: int
    thinned: tuple[Thinned, ...]


def prune_network(
    network: HubNetwork,
    share: float,
    batches: Iterable[tuple[torch.Tensor, ...]],
    likeness: Likeness,
    *,
    rounds: int = ROUNDS,
    multiple: int = MULTIPLE,
    report: Callable[[str], None] = lambda step: None,
) -> Pruned:
    """A copy of ``network`` with channels removed until at most ``share`` of its multiply-accumulates are left.

    In each of the ``rounds`` a part of them goes, and what is left is fitted before it is measured again. ``batches``
    are inputs of the network; all are in memory, with what the network makes of them. ``network`` is left as it is.
    Raises :class:`UnsupportedError` when so many channels cannot be removed.
    """
    batches = list(batches)
    total = Work(network).total()
    pruned = network.copy()
    kept: dict[str, list[int]] = {}  # output channels of the dense layers that are left, by place in the network
    names: dict[str, tuple[str, int]] = {}
    for turn in range(1, rounds + 1):
        report(f"measuring and removing channels, round {turn} of {rounds}")
        work = Work(pruned)
        goal = total * share ** (turn / rounds)
        if work.total() <= goal:
            continue
        graph = dependency_graph(pruned, _example(batches))
        found = families(pruned, graph)
        costs = measure(pruned, batches, likeness)
        chosen = choose(found, {id(f): of_family(f, costs) for f in found}, work, goal, multiple)
        places = {module: place for place, module in pruned.named_modules()}
        for family in found:
            names.setdefault(places[family.root], (family.name, len(family.uses)))
        _remove(graph, [(family, chosen[id(family)]) for family in found if chosen[id(family)]], places, kept)
        pruned = _trainable_as(network, pruned)
        modules = dict(pruned.named_modules())
        refit(network, pruned, {modules[place]: channels for place, channels in kept.items()}, batches)
    modules = dict(pruned.named_modules())
    thinned = tuple(Thinned(name, before, modules[place].out_channels) for place, (name, before) in names.items())
    return Pruned(pruned, total, Work(pruned).total(), thinned)


def _remove(graph, families_and_channels, places: dict[nn.Module, str], kept: dict[str, list[int]]) -> None:
    """Remove channels through Torch-Pruning's ``graph``, and note in ``kept`` what is left."""
    gone: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for family, channels in families_and_channels:
        for channel in channels:
            for target, side, index in family.uses[channel]:
                if side == "out" and isinstance(target, (nn.Conv2d, nn.ConvTranspose2d)):
                    gone.setdefault(places[target], set()).add(index)
                    counts[places[target]] = target.out_channels
    for family, channels in families_and_channels:
        pruner = graph.get_pruner_of_module(family.root)
        graph.get_pruning_group(family.root, pruner.prune_out_channels, channels).prune()
    for place, indices in gone.items():
        before = kept.get(place, list(range(counts[place])))
        kept[place] = [origin for index, origin in enumerate(before) if index not in indices]


def _trainable_as(network: HubNetwork, pruned: HubNetwork) -> HubNetwork:
    """``pruned``, its parameters trained where those of ``network`` are: pruning makes new ones."""
    for (name, parameter), (other, twin) in zip(network.named_parameters(), pruned.named_parameters(), strict=True):
        if name != other:
            raise ValueError(f"{other} stands where {name} should.")
        twin.requires_grad_(parameter.requires_grad)
    return pruned


def choose(
    found: list[Family], costs: dict[int, torch.Tensor], work: Work, goal: float, multiple: int = MULTIPLE
) -> dict[int, list[int]]:
    """The channels to remove of each family (by ``id``): the block of least cost for the work it saves, again and
    again, until the work is at most ``goal``. What the last of them saved too much brings back blocks that cost most.

    ``costs`` gives the squared error of each channel of a family. Raises :class:`UnsupportedError` when every
    family is down to its least and the work is still more.
    """
    orders = {id(f): torch.argsort(costs[id(f)]).tolist() for f in found}
    chosen: dict[int, list[int]] = {id(f): [] for f in found}
    blocks: dict[int, list[list[int]]] = {id(f): [] for f in found}
    gone: dict[tuple[nn.Module, str], int] = {}
    total = work.total()
    while work.total(gone) > goal:
        best = None
        for family in found:
            key = id(family)
            taken, count = len(chosen[key]), len(family.uses)
            size = (count - taken) % multiple or multiple  # to a whole number of blocks
            if count - taken - size < min(LEAST, count):
                continue
            block = orders[key][taken : taken + size]
            saved = sum(work.saved(family.uses[channel], gone) for channel in block)
            price = float(costs[key][block].sum()) / max(saved, 1)
            if saved > total * WORTH and (best is None or price < best[0]):
                best = price, family, block
        if best is None:
            raise UnsupportedError(
                f"Removing channels leaves {millions(work.total(gone))} million of this network's multiply-accumulates "
                f"at least, and {millions(goal)} million are asked for: give --prune a larger share."
            )
        _, family, block = best
        chosen[id(family)] += block
        blocks[id(family)].append(block)
        gone = _counted(gone, family, block, 1)
    latest = [(family, blocks[id(family)]) for family in found]
    while True:
        fitting = [
            (float(costs[id(family)][taken[-1]].sum()), place)
            for place, (family, taken) in enumerate(latest)
            if taken and work.total(_counted(gone, family, taken[-1], -1)) <= goal
        ]
        if not fitting:
            return chosen
        family, taken = latest[max(fitting)[1]]
        block = taken.pop()
        del chosen[id(family)][-len(block) :]
        gone = _counted(gone, family, block, -1)


def _counted(
    gone: dict[tuple[nn.Module, str], int], family: Family, block: list[int], by: int
) -> dict[tuple[nn.Module, str], int]:
    """``gone`` with the uses of a block of channels counted ``by`` 1 or -1."""
    counted = dict(gone)
    for channel in block:
        for layer, side, _ in family.uses[channel]:
            counted[layer, side] = counted.get((layer, side), 0) + by
    return counted


def millions(count: float) -> str:
    """``count`` in millions, to be read: 1,549 or 2.91."""
    count /= 1e6
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def _example(batches: list[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """One row to trace with, its pictures small."""
    return tuple(x[:1, :, :TRACED_SIDE, :TRACED_SIDE] if x.ndim == 4 else x[:1] for x in batches[0])
