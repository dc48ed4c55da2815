"""Norms and gates spelled out for tiles: on the hub itself, before anything is compiled."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml.statistics import LEAST_HALF, with_statistics
from export.hub import load_hub
from validate.errors import UnsupportedError

SIDE, C = 64, 4


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """An instance norm, a gate over its planes, and a second norm: levels 1, 2 and 3."""
    random = np.random.default_rng(0)
    numbers = {
        "k": random.normal(0, 1, (C, 3, 3, 3)), "s": random.uniform(0.5, 2, C), "b": random.normal(0, 1, C),
        "k2": random.normal(0, 1, (3, C, 3, 3)), "s2": np.full(3, 0.2), "b2": np.full(3, 0.5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["image", "k"], ["x"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("InstanceNormalization", ["x", "s", "b"], ["n"], "norm", epsilon=1e-3),
        helper.make_node("GlobalAveragePool", ["n"], ["g"], "gate"),
        helper.make_node("Sigmoid", ["g"], ["w"]),
        helper.make_node("Mul", ["n", "w"], ["m"]),
        helper.make_node("Conv", ["m", "k2"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("InstanceNormalization", ["y", "s2", "b2"], ["painting"], "last", epsilon=1e-3),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    painting = helper.make_tensor_value_info("painting", TensorProto.FLOAT, [1, 3, SIDE // 2, SIDE // 2])
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in numbers.items()]
    graph = helper.make_graph(nodes, "norms", [image], [painting], constants)
    path = tmp_path_factory.mktemp("norms") / "norms.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())
    return load_hub(path)


def run(hub, **feed):
    return ort.InferenceSession(ir.to_proto(hub.model).SerializeToString()).run(None, feed)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(1).uniform(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)


def test_layers_are_listed_in_order_with_their_levels(hub):
    spelled, layers = with_statistics(hub, half=False)
    assert layers == [
        {"channels": C, "moments": 2, "level": 1},
        {"channels": C, "moments": 1, "level": 2},
        {"channels": 3, "moments": 2, "level": 3},
    ]
    assert [port.shape for port in spelled.inputs][1:] == [(1, 18, 1, 1)] * 2
    assert spelled.outputs[-1].shape == (1, 18, 2, 2)
    assert hub.model.graph.inputs[-1].name == "image"  # the hub itself stays as it is


def test_nothing_given_is_the_hub_and_its_own_statistics_change_nothing(hub, photo):
    spelled, _ = with_statistics(hub, half=False)
    none = np.zeros((1, 18, 1, 1), np.float32)
    (expected,) = run(hub, image=photo)
    painting, measured = run(spelled, image=photo, statistics=none, given=none)
    assert np.abs(painting - expected).max() < 1e-5
    own = measured.mean(axis=(2, 3), keepdims=True)
    again, _ = run(spelled, image=photo, statistics=own, given=none + 1)
    assert np.abs(again - expected).max() < 1e-5


def test_given_statistics_are_used_number_by_number_and_deviations_are_from_what_is_used(hub, photo):
    spelled, _ = with_statistics(hub, half=False)
    none = np.zeros((1, 18, 1, 1), np.float32)
    first, given = none.copy(), none.copy()
    _, measured = run(spelled, image=photo, statistics=none, given=none)
    first[0, 1] = 0.3  # the mean of the second channel of the first norm
    given[0, 1] = 1
    _, moved = run(spelled, image=photo, statistics=first, given=given)
    means, own = measured[0, 1], measured[0, 1].mean()
    assert np.allclose(moved[0, 1], means, atol=1e-6)
    # E (x - m)^2 = E (x - o)^2 + 2 (o - m) E x - o^2 + m^2
    assert np.allclose(moved[0, C + 1], measured[0, C + 1] + 2 * (own - 0.3) * means - own**2 + 0.09, atol=1e-5)
    untouched = [0, 2, 3, C, C + 2, C + 3]
    assert np.allclose(moved[0, untouched], measured[0, untouched], atol=1e-6)
    assert not np.allclose(moved[0, 2 * C : 3 * C], measured[0, 2 * C : 3 * C], atol=1e-3)  # behind it


@pytest.mark.parametrize("half", [True, False])
def test_a_flat_photo_is_no_division_by_zero_in_half(hub, half):
    """There the epsilon of a norm may round to nothing, so it is none at all here."""
    model = hub.model.clone()
    for node in model.graph:
        if node.op_type == "InstanceNormalization":
            node.attributes["epsilon"] = ir.AttrFloat32("epsilon", 0.0)
    spelled, _ = with_statistics(hub.with_model(model), half=half)
    none = np.zeros((1, 18, 1, 1), np.float32)
    black = np.zeros((1, 3, SIDE, SIDE), np.float32)
    painting, _ = run(spelled, image=black, statistics=none, given=none + 1)
    assert np.isfinite(painting).all() == half
    assert np.float16(LEAST_HALF) >= np.finfo(np.float16).smallest_normal


def test_norms_over_groups_are_refused_by_name(hub):
    model = hub.model.clone()
    norm = next(node for node in model.graph if node.op_type == "InstanceNormalization")
    norm.op_type = "GroupNormalization"
    with pytest.raises(UnsupportedError, match=r"GroupNormalization.*without --tiles"):
        with_statistics(hub.with_model(model), half=False)
