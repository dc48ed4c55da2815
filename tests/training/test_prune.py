import numpy as np
import pytest
import torch
from torch import nn

from quantize import count_macs
from tests.training.hubs import in_onnxruntime, painter
from training.channels import Family
from training.hub_network import HubNetwork
from training.likeness import Likeness
from training.prune import choose, prune_network
from validate.errors import UnsupportedError


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx")


def batches(count=4, seed=0):
    torch.manual_seed(seed)
    return [(torch.rand(1, 3, 32, 32), torch.softmax(torch.randn(1, 2), 1)) for _ in range(count)]


@torch.no_grad()
def error(one, other, samples):
    return float(np.mean([(one(*inputs) - other(*inputs)).square().mean().item() for inputs in samples]))


@pytest.fixture(scope="module")
def halved(hub):
    network, told = HubNetwork(hub.model), []
    return network, prune_network(network, 0.5, batches(), Likeness(hub.outputs), report=told.append), told


def test_the_work_asked_for_is_left(hub, halved):
    _, pruned, told = halved
    before, after = sum(count_macs(hub.model).values()), sum(count_macs(pruned.network.to_model()).values())
    assert (pruned.macs_before, pruned.macs_after) == (before, after)
    assert 0.4 * before < after <= 0.5 * before
    assert told == [f"measuring and removing channels, round {turn} of 4" for turn in (1, 2, 3, 4)]


def test_every_family_is_told_with_its_channels_and_keeps_whole_blocks(hub, halved):
    _, pruned, _ = halved
    convolutions = {node.name: module for node, module in pruned.network.graph_nodes() if node.op_type == "Conv"}
    assert {row.name: row.before for row in pruned.thinned} == {
        "node_first": 16, "node_second": 24, "node_inner": 20, "node_narrow": 8, "node_join": 16
    }  # fmt: skip
    for row in pruned.thinned:
        assert row.after == convolutions[row.name].conv.out_channels
        assert row.after % 4 == 0
        assert 4 <= row.after <= row.before


def test_what_is_left_is_written_as_a_whole_graph(hub, halved):
    _, pruned, _ = halved
    inputs = batches(1, seed=5)[0]
    model = pruned.network.to_model()
    (got,) = in_onnxruntime(model, [x.numpy() for x in inputs])
    with torch.no_grad():
        np.testing.assert_allclose(got, pruned.network(*inputs).numpy(), atol=1e-5)
    assert got.shape == (1, 3, 32, 32)
    assert [node.op_type for node in model.graph] == [node.op_type for node in hub.model.graph]


def test_the_network_itself_stays_and_so_does_what_is_trained(hub, halved):
    network, pruned, _ = halved
    for (name, one), other in zip(HubNetwork(hub.model).named_parameters(), network.parameters(), strict=True):
        assert torch.equal(one, other), name
    frozen = [name for name, p in pruned.network.named_parameters() if not p.requires_grad]
    assert frozen == [name for name, p in network.named_parameters() if not p.requires_grad]


def test_measuring_and_fitting_keep_more_of_the_picture(hub, halved, monkeypatch):
    network, pruned, _ = halved
    kept = error(network, pruned.network, batches(4, seed=9))
    monkeypatch.setattr("training.prune.refit", lambda *_: None)
    unfitted = prune_network(network, 0.5, batches(), Likeness(hub.outputs)).network
    assert kept < 0.6 * error(network, unfitted, batches(4, seed=9))
    monkeypatch.setattr("training.prune.of_family", lambda family, costs: -torch.arange(len(family.uses)).float())
    blind = prune_network(network, 0.5, batches(), Likeness(hub.outputs)).network
    assert kept < 0.6 * error(network, blind, batches(4, seed=9))


def test_too_small_a_share_is_refused(hub):
    with pytest.raises(
        UnsupportedError, match=r"leaves 0\.\d+ million of this network's multiply-accumulates at least"
    ):
        prune_network(HubNetwork(hub.model), 0.001, batches(1), Likeness(hub.outputs))


class Fixed:
    """Work of a network in which each channel of a layer saves what ``each`` says."""

    def __init__(self, each, counts):
        self.each, self.counts = each, counts

    def total(self, gone=None):
        gone = gone or {}
        return sum(e * (self.counts[layer] - gone.get((layer, "out"), 0)) for layer, e in self.each.items())

    def saved(self, uses, gone):
        return sum(self.each[layer] for layer, _, _ in uses)


def families_of(*counts):
    layers = [nn.Identity() for _ in counts]
    return [
        Family(layer, str(i), [[(layer, "out", c)] for c in range(n)])
        for i, (layer, n) in enumerate(zip(layers, counts, strict=True))
    ]


def test_the_cheapest_block_for_the_work_it_saves_goes_first():
    first, second = families_of(12, 12)
    work = Fixed({first.root: 100, second.root: 10}, {first.root: 12, second.root: 12})
    costs = {id(first): torch.arange(12.0) + 5, id(second): torch.arange(12.0).flip(0)}
    assert choose([first, second], costs, work, 1320 - 400, 4) == {id(first): [0, 1, 2, 3], id(second): []}
    costs[id(first)] *= 100
    assert choose([first, second], costs, work, 1320 - 40, 4) == {id(first): [], id(second): [11, 10, 9, 8]}


def test_what_the_last_block_saved_too_much_brings_others_back():
    """Three cheap blocks go before a large one that alone would do; they cost the most of what fits, and return."""
    small, large = families_of(16, 8)
    work = Fixed({small.root: 10, large.root: 100}, {small.root: 16, large.root: 8})
    costs = {id(small): torch.tensor([0.1] * 4 + [0.2] * 4 + [0.3] * 4 + [9.0] * 4), id(large): torch.full((8,), 50.0)}
    assert choose([small, large], costs, work, 960 - 130, 4) == {id(small): [], id(large): [0, 1, 2, 3]}
    assert choose([small, large], costs, work, 960 - 430, 4) == {id(small): [0, 1, 2, 3], id(large): [0, 1, 2, 3]}


def test_blocks_end_at_whole_multiples_and_at_the_least():
    (family,) = families_of(14)
    work = Fixed({family.root: 10}, {family.root: 14})
    costs = {id(family): torch.arange(14.0)}
    assert len(choose([family], costs, work, 139, 4)[id(family)]) == 2
    assert len(choose([family], costs, work, 119, 4)[id(family)]) == 6
    assert len(choose([family], costs, work, 40, 4)[id(family)]) == 10
    with pytest.raises(UnsupportedError):
        choose([family], costs, work, 39, 4)
