"""Structured pruning: whole channels go, those whose loss costs the picture least for the work they cause.

The channels that go together are found by Torch-Pruning (:mod:`training.channels`), what each costs is measured
(:mod:`training.importance`), and the layers that read what stays are fitted anew to give what they gave
(:mod:`training.refit`). Distillation (:mod:`training.distill`) does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    multiple: int = MULTIPLE,
) -> Pruned:
    """A copy of ``network`` with channels removed until at most ``share`` of its multiply-accumulates are left.

    ``batches`` are inputs of the network; all are in memory, with what the network makes of them. ``network`` is
    left as it is. Raises :class:`UnsupportedError` when so many channels cannot be removed.
    """
    batches = list(batches)
    graph = dependency_graph(network, _example(batches))
    found, work = families(network, graph), Work(network)
    costs = measure(network, batches, likeness)
    chosen = choose(found, {id(f): of_family(f, costs) for f in found}, work, share, multiple)
    pruned = network.copy()
    places = {module: place for place, module in network.named_modules()}
    twins = dict(pruned.named_modules())
    graph = dependency_graph(pruned, _example(batches))
    removed: dict[nn.Module, set[int]] = {}  # output channels, by the dense layer
    for family in found:
        channels = chosen[id(family)]
        if not channels:
            continue
        layer = twins[places[family.root]]
        graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, channels).prune()
        for channel in channels:
            for target, side, index in family.uses[channel]:
                if side == "out":
                    removed.setdefault(target, set()).add(index)
    pruned.requires_grad_(True)
    for module, twin in ((module, twins[place]) for module, place in places.items()):
        for (_, parameter), other in zip(
            module.named_parameters(recurse=False), twin.parameters(recurse=False), strict=True
        ):
            other.requires_grad_(parameter.requires_grad)
    kept = {
        twins[places[layer]]: [index for index in range(layer.out_channels) if index not in gone]
        for layer, gone in removed.items()
        if isinstance(layer, nn.Conv2d)
    }
    refit(network, pruned, kept, batches)
    thinned = tuple(Thinned(f.name, len(f.uses), len(f.uses) - len(chosen[id(f)])) for f in found)
    return Pruned(pruned, work.total(), Work(pruned).total(), thinned)


def choose(
    found: list[Family], costs: dict[int, torch.Tensor], work: Work, share: float, multiple: int = MULTIPLE
) -> dict[int, list[int]]:
    """The channels to remove of each family (by ``id``): the block of least cost for the work it saves, again and
    again, until the work is at most ``share`` of what it was.

    ``costs`` gives the squared error of each channel of a family. Raises :class:`UnsupportedError` when every
    family is down to its least and the work is still more.
    """
    orders = {id(f): torch.argsort(costs[id(f)]).tolist() for f in found}
    chosen: dict[int, list[int]] = {id(f): [] for f in found}
    gone: dict[tuple[nn.Module, str], int] = {}
    goal, total = share * work.total(), work.total()
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
            if saved * len(found) * 1000 > total and (best is None or price < best[0]):
                best = price, family, block
        if best is None:
            raise UnsupportedError(
                f"At most {1 - work.total(gone) / total:.0%} of this network's multiply-accumulates can be removed "
                f"with its channels, not {1 - share:.0%}: give --prune a larger share."
            )
        _, family, block = best
        chosen[id(family)] += block
        for channel in block:
            for layer, side, _ in family.uses[channel]:
                gone[layer, side] = gone.get((layer, side), 0) + 1
    return chosen


def _example(batches: list[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """One row to trace with, its pictures small."""
    return tuple(x[:1, :, :TRACED_SIDE, :TRACED_SIDE] if x.ndim == 4 else x[:1] for x in batches[0])
