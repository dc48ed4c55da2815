"""Which constants are weights, how the smallest of them are pruned, and how the ladder is climbed."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantize.ladder import Rung, climb, squared_error
from quantize.palettes import palettize
from quantize.sparsity import prune_smallest
from quantize.weights import SMALL, float_weights
from validate.errors import UnsupportedError
from validate.ports import Port

SIZE = 24


def network() -> ir.Model:
    """Two convolutions and a transposed one; the second's weights matter a hundred times less to the picture."""
    rng = np.random.default_rng(0)
    arrays = {
        "first": rng.standard_normal((16, 3, 5, 5)) * 0.1,
        "faint": rng.standard_normal((16, 3, 5, 5)) * 0.001,
        "up": rng.standard_normal((16, 12, 3, 3)) * 0.1,
        "last": rng.standard_normal((3, 12, 1, 1)) * 0.1,  # too small to count
    }
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["a"], pads=[2] * 4, name="a"),
        helper.make_node("Conv", ["image", "faint"], ["b"], pads=[2] * 4, name="b"),
        helper.make_node("Add", ["a", "b"], ["c"], name="c"),
        helper.make_node("ConvTranspose", ["c", "up"], ["d"], pads=[1] * 4, name="d"),
        helper.make_node("Conv", ["d", "last"], ["picture"], name="e"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(made))


PORT = (Port("picture", (1, 3, SIZE, SIZE), (-1.0, 1.0)),)
SAMPLES = [{"image": np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)}]


def palette(bits: int) -> Rung:
    return Rung(f"{bits}", bits, lambda name, weight, axis: palettize(weight, bits, axis))


def distinct(model: ir.Model) -> dict[str, int]:
    return {value.name: len(np.unique(value.const_value.numpy())) for value, _ in float_weights(model)}


def test_weights_and_their_axes() -> None:
    assert [(value.name, axis) for value, axis in float_weights(network())] == [("first", 0), ("faint", 0), ("up", 1)]


def test_a_constant_with_another_reader_is_no_weight() -> None:
    model = network()
    graph = model.graph
    graph.append(ir.node("Identity", [graph.initializers["first"]], name="other"))
    assert "first" not in distinct(model)


def test_smallest_weights_are_zero_and_the_others_stay() -> None:
    weight = np.array([[3.0, -1.0, 0.5], [-2.0, 0.1, 4.0]], np.float32)
    assert prune_smallest(weight, 0.5).tolist() == [[3.0, 0.0, 0.0], [-2.0, 0.0, 4.0]]
    assert prune_smallest(weight, 0.0) is weight


def test_the_lowest_rung_is_enough_for_a_low_target() -> None:
    model = network()
    result = climb(model, SAMPLES, PORT, [palette(4), palette(8)], target=0.3)
    assert set(distinct(result.model).values()) == {16}
    assert distinct(model)["first"] > 256, "the model that was given has changed"
    assert SMALL in result.model.metadata_props and SMALL not in model.metadata_props


def test_only_weights_that_matter_climb() -> None:
    low = climb(network(), SAMPLES, PORT, [palette(2), palette(4), palette(6), palette(8)], target=0.0).score.quality
    target = 1 - (1 - low) / 20
    result = climb(network(), SAMPLES, PORT, [palette(2), palette(4), palette(6), palette(8)], target=target)
    assert result.score.quality >= target
    assert result.rungs["faint"].bits == 2
    assert min(result.rungs[name].bits for name in ("first", "up")) > 2
    assert sum(result.facts()["weights"].values()) == 3


def test_the_loss_that_is_told_says_which_rungs_pay() -> None:
    """A weight whose forms are all alike bad never climbs before those that get better."""
    seen = []

    def loss(name: str, weight: np.ndarray, made: np.ndarray) -> float:
        seen.append(name)
        return 1.0 if name == "first" else squared_error(weight, made)

    rungs = [palette(2), palette(4), palette(6)]
    low = climb(network(), SAMPLES, PORT, rungs, target=0.0).score.quality
    result = climb(network(), SAMPLES, PORT, rungs, target=1 - (1 - low) / 1.05, loss=loss)
    assert set(seen) == {"first", "faint", "up"}
    assert result.rungs["first"].bits == 2 or result.rungs["up"].bits > 6


def test_nothing_that_is_borne_is_an_error() -> None:
    with pytest.raises(UnsupportedError, match="none of its weights"):
        climb(network(), SAMPLES, PORT, [palette(1)], target=1.0)
