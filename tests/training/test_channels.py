import numpy as np
import pytest
import torch

from quantize import count_macs
from tests.training.hubs import in_onnxruntime, painter
from training.channels import Work, dependency_graph, families
from training.hub_network import HubNetwork


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx")


@pytest.fixture
def network(hub):
    return HubNetwork(hub.model)


INPUTS = (torch.rand(1, 3, 32, 32), torch.tensor([[0.3, 0.7]]))


def found(network):
    return {family.name: family for family in families(network, dependency_graph(network, INPUTS))}


def named(network, node_name):
    (module,) = (module for node, module in network.graph_nodes() if node.name == node_name)
    return getattr(module, "conv", None) or getattr(module, "linear", None) or module.norm


def test_what_goes_together_is_found_across_norms_styles_skips_and_sums(network):
    sizes = {name: len(family.uses) for name, family in found(network).items()}
    assert sizes == {"node_first": 16, "node_second": 24, "node_inner": 20, "node_narrow": 8, "node_join": 16}
    uses = {(layer, side) for layer, side, _ in found(network)["node_first"].uses[5]}
    out = ("node_first", "node_norm1_n", "node_depthwise", "node_over", "node_norm1_scale_r", "node_norm1_shift_r")
    assert uses == {(named(network, name), "out") for name in out} | {
        (named(network, "node_second"), "in"),
        (named(network, "node_join"), "in"),
    }


def test_an_index_follows_a_concatenation(network):
    places = {layer: index for layer, _, index in found(network)["node_first"].uses[5]}
    assert places[named(network, "node_first")] == 5
    assert places[named(network, "node_over")] == 8 + 5  # the skip comes after 8 channels from below


def test_channels_of_the_picture_stay(network):
    assert "node_paint" not in found(network)


@pytest.fixture
def shuffled(tmp_path):
    return HubNetwork(painter(tmp_path / "shuffled.onnx", shuffled=True).model)


def test_channels_in_front_of_an_operator_that_orders_them_anew_stay(shuffled):
    names = set(found(shuffled))
    assert "node_narrow" not in names
    assert {"node_second", "node_inner", "node_join"} <= names


def test_work_is_what_the_quantizer_counts(hub, network):
    work = Work(network)
    assert work.total() == sum(count_macs(hub.model).values())


@pytest.mark.parametrize("name", ["node_first", "node_second", "node_inner", "node_narrow", "node_join"])
def test_work_saved_is_what_pruning_saves(network, name):
    graph = dependency_graph(network, INPUTS)
    family = next(f for f in families(network, graph) if f.name == name)
    work, channels = Work(network), [1, 3, 6]
    gone = {}
    for channel in channels:
        expected = work.total(gone) - work.saved(family.uses[channel], gone)
        for layer, side, _ in family.uses[channel]:
            gone[layer, side] = gone.get((layer, side), 0) + 1
        assert work.total(gone) == expected
    pruner = graph.get_pruner_of_module(family.root)
    graph.get_pruning_group(family.root, pruner.prune_out_channels, channels).prune()
    model = network.to_model()
    assert sum(count_macs(model).values()) == Work(network).total() == work.total(gone)


@pytest.mark.parametrize("which", ["network", "shuffled"])
def test_a_pruned_network_is_a_whole_graph(which, request):
    network = request.getfixturevalue(which)
    graph = dependency_graph(network, INPUTS)
    for family in families(network, graph):
        pruner = graph.get_pruner_of_module(family.root)
        graph.get_pruning_group(family.root, pruner.prune_out_channels, [0, 2]).prune()
    with torch.no_grad():
        expected = network(*INPUTS)
    (got,) = in_onnxruntime(network.to_model(), [x.numpy() for x in INPUTS])
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-5)
    assert named(network, "node_norm2_n").num_features == 22
