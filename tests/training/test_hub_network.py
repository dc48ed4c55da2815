import numpy as np
import pytest
import torch

from tests.training.hubs import in_onnxruntime, in_torch, one_node, painter
from training.hub_network import HubNetwork
from validate.errors import UnsupportedError


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx")


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return [random.random((1, 3, 32, 32), np.float32), np.array([[0.3, 0.7]], np.float32)]


def test_computes_what_onnxruntime_computes(hub, inputs):
    (expected,), (got,) = in_onnxruntime(hub.model, inputs), in_torch(HubNetwork(hub.model), inputs)
    assert np.abs(got - expected).max() < 1e-5


def test_is_written_back_as_the_same_graph_with_its_new_weights(hub, inputs):
    network = HubNetwork(hub.model)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.1)
    model = network.to_model()
    assert [node.op_type for node in model.graph] == [node.op_type for node in hub.model.graph]
    assert model.metadata_props == hub.model.metadata_props
    (expected,), (got,) = in_onnxruntime(model, inputs), in_torch(network, inputs)
    assert np.abs(got - expected).max() < 1e-5
    assert np.abs(got - in_onnxruntime(hub.model, inputs)[0]).max() > 1e-3


def test_what_was_written_can_be_read_and_written_again(hub, inputs):
    model = HubNetwork(HubNetwork(hub.model).to_model()).to_model()
    np.testing.assert_allclose(in_onnxruntime(model, inputs)[0], in_onnxruntime(hub.model, inputs)[0], atol=1e-6)


def test_batches_and_other_sizes_are_those_of_the_same_function(hub, tmp_path):
    network = HubNetwork(hub.model)
    larger = HubNetwork(painter(tmp_path / "painter.onnx", side=48).model)
    random = np.random.default_rng(1)
    pictures = torch.from_numpy(random.random((2, 3, 48, 48), np.float32))
    styles = torch.tensor([[1.0, 0.0], [0.2, 0.8]])
    with torch.no_grad():
        together = network(pictures, styles)
        apart = torch.cat([larger(pictures[i : i + 1], styles[i : i + 1]) for i in (0, 1)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)


def test_a_copy_shares_nothing(hub, inputs):
    network = HubNetwork(hub.model)
    before = in_torch(network, inputs)[0]
    twin = network.copy()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    np.testing.assert_array_equal(in_torch(network, inputs)[0], before)
    assert [node.op_type for node, _ in network.graph_nodes()] == [node.op_type for node, _ in twin.graph_nodes()]


def test_a_conditional_norm_keeps_its_ones_and_zeros(hub):
    network = HubNetwork(hub.model)
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert len(frozen) == 4
    assert all("norm" in name for name in frozen)


def test_a_node_that_is_made_for_one_size_says_so():
    network = HubNetwork(one_node("Slice", [(1, 2, 8, 8), *(np.array([v], np.int64) for v in (1, 7, 2))]))
    with pytest.raises(UnsupportedError, match=r"Slice node 'node' is made for \(1, 2, 8, 8\)"):
        network(torch.zeros(1, 2, 6, 6))
