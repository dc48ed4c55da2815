import numpy as np
import pytest
import torch

from tests.training.hubs import painter
from training.channels import dependency_graph, families
from training.hub_network import HubNetwork
from training.refit import refit

RANDOM = np.random.default_rng(0)


def batches(count=4):
    torch.manual_seed(0)
    return [(torch.rand(1, 3, 32, 32), torch.softmax(torch.randn(1, 2), 1)) for _ in range(count)]


@torch.no_grad()
def error(one, other, samples):
    return float(np.mean([(one(*inputs) - other(*inputs)).square().mean().item() for inputs in samples]))


def without(network, name, channels):
    """A copy of ``network`` without some channels, and what refit is told about it."""
    pruned = network.copy()
    graph = dependency_graph(pruned, batches(1)[0])
    family = next(f for f in families(pruned, graph) if f.name == name)
    sizes = {
        layer: layer.out_channels for layer, side, _ in family.uses[0] if side == "out" and hasattr(layer, "groups")
    }
    gone = {
        layer: {index for c in channels for target, side, index in family.uses[c] if (target, side) == (layer, "out")}
        for layer in sizes
    }
    kept = {layer: [i for i in range(count) if i not in gone[layer]] for layer, count in sizes.items()}
    graph.get_pruning_group(family.root, graph.get_pruner_of_module(family.root).prune_out_channels, channels).prune()
    return pruned, kept


def test_channels_that_double_others_are_made_up_for(tmp_path):
    network = HubNetwork(painter(tmp_path / "twins.onnx", twins=True).model)
    pruned, kept = without(network, "node_first", list(range(8, 16)))
    before = error(network, pruned, batches())
    refit(network, pruned, kept, batches())
    assert before > 1e-3
    assert error(network, pruned, batches(6)[4:]) < before / 1000


def test_other_channels_are_made_up_for_in_part(tmp_path):
    network = HubNetwork(painter(tmp_path / "painter.onnx").model)
    pruned, kept = without(network, "node_second", [0, 5, 9, 11])
    before = error(network, pruned, batches())
    refit(network, pruned, kept, batches())
    assert error(network, pruned, batches(6)[4:]) < before / 2


def test_where_nothing_went_nothing_changes(tmp_path):
    network = HubNetwork(painter(tmp_path / "painter.onnx").model)
    twin = network.copy()
    refit(network, twin, {}, batches(2))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ((6, 4, 3, 3), {"pads": [0, 1, 2, 1], "strides": [2, 2]}),
        ((4, 1, 3, 3), {"group": 4, "pads": [2, 2, 2, 2], "dilations": [2, 2]}),
        ((6, 2, 3, 2), {"group": 2, "pads": [1, 1, 1, 0]}),
    ],
)
def test_the_weights_of_any_geometry_are_found_again(shape, attributes):
    """What a layer reads is scaled channel by channel: weights that undo that give what the dense layer gives."""
    scales = (RANDOM.random((4, 1, 1)) + 0.5).astype(np.float32)
    weight, bias = RANDOM.normal(size=shape).astype(np.float32), RANDOM.normal(size=shape[0]).astype(np.float32)
    dense, scaled = (HubNetwork(_scaled(array, weight, bias, attributes)) for array in (np.ones_like(scales), scales))
    torch.manual_seed(0)
    samples = [(torch.randn(1, 4, 9, 8),) for _ in range(8)]
    before = error(dense, scaled, samples)
    refit(dense, scaled, {}, samples)
    assert before > 0.01
    assert error(dense, scaled, samples) < before / 1e4


def _scaled(scales, weight, bias, attributes):
    import onnx
    import onnx_ir as ir
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "s"], ["m"], "scale"),
            helper.make_node("Conv", ["m", "w", "b"], ["y"], "conv", **attributes),
        ],
        "scaled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 9, 8))],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(array, name) for name, array in (("s", scales), ("w", weight), ("b", bias))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))
