import numpy as np
import pytest
import torch

from tests.training.hubs import one_node, painter
from training.channels import dependency_graph, families
from training.hub_network import HubNetwork
from training.importance import input_axis, measure, of_family
from training.likeness import Likeness
from validate.ports import Port

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("op_type", "shape", "axis"), [("Conv", (5, 4, 3, 3), 1), ("ConvTranspose", (4, 5, 3, 3), 0), ("MatMul", (4, 5), 1)]
)
def test_of_a_linear_network_it_is_the_squared_error_itself(op_type, shape, axis):
    weight = RANDOM.normal(size=shape).astype(np.float32)
    given = (1, 4) if op_type == "MatMul" else (1, 4, 8, 8)
    network = HubNetwork(one_node(op_type, [given, weight]))
    (layer,) = (m for m in network.modules() if getattr(m, "weight", None) is not None)
    assert input_axis(layer) == axis
    likeness = Likeness([Port("y0", tuple(network(torch.zeros(given)).shape), None)])
    torch.manual_seed(0)
    batches = [(torch.randn(2, *given[1:]) * torch.tensor([1.0, 2, 3, 0]).view(-1, *[1] * (len(given) - 2)),)] * 400
    cost = measure(network, batches, likeness)[layer]
    with torch.no_grad():
        whole, expected = network(*batches[0]), []
        for channel in range(4):
            kept = layer.weight.clone()
            layer.weight.select(axis, channel).zero_()
            expected.append((network(*batches[0]) - whole).square().mean().item())
            layer.weight.copy_(kept)
    np.testing.assert_allclose(cost.numpy(), expected, rtol=0.3)
    assert cost[3] == 0


def test_a_family_costs_what_all_its_readers_do(tmp_path):
    hub = painter(tmp_path / "painter.onnx")
    network = HubNetwork(hub.model)
    inputs = (torch.rand(1, 3, 32, 32), torch.tensor([[0.3, 0.7]]))
    costs = measure(network, [inputs], Likeness(hub.outputs))
    family = next(f for f in families(network, dependency_graph(network, inputs)) if f.name == "node_first")
    convolutions = {node.name: module.conv for node, module in network.graph_nodes() if node.op_type == "Conv"}
    below, skip = costs[convolutions["node_second"]], costs[convolutions["node_join"]][8:]
    assert below.shape == skip.shape == (16,)
    torch.testing.assert_close(of_family(family, costs), below + skip)


def test_gradients_and_weights_are_left_as_they_are(tmp_path):
    hub = painter(tmp_path / "painter.onnx")
    network = HubNetwork(hub.model)
    before = [p.clone() for p in network.parameters()]
    measure(network, [(torch.rand(1, 3, 32, 32), torch.tensor([[0.3, 0.7]]))], Likeness(hub.outputs))
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, network.parameters(), strict=True))
