"""Convolutions of concatenations: the same sums without the concatenation, where that moves fewer numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.export.tflite.cases.table import normal
from tests.export.tflite.support import both, compile_bytes, model_of
from tests.export.tflite.test_compiler import delegates
from tests.export.tflite.test_registry import operators

node = onnx.helper.make_node


def check(nodes, feeds, constants, outputs=("y",)) -> list[str]:
    model = model_of(nodes, feeds, list(outputs), constants)
    for got, want in both(model, feeds):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    content = compile_bytes(model)
    assert delegates(content) == 1
    return operators(content)


def separable(activation=None, parts=(5, 4), outputs=4, bias=True):
    """Concat, depthwise 3x3, perhaps an activation, pointwise, Relu."""
    total = sum(parts)
    feeds = {f"x{i}": normal(1, c, 8, 6, seed=i) for i, c in enumerate(parts)}
    constants = {
        "d": normal(total, 1, 3, 3),
        "p": normal(outputs, total, 1, 1),
        "f": normal(total),
        "b": normal(outputs),
    }
    nodes = [node("Concat", list(feeds), ["x"], axis=1)]
    nodes.append(node("Conv", ["x", "d", *(["f"] if bias else [])], ["m"], group=total, pads=[1, 1, 1, 1]))
    if activation:
        nodes.append(node(activation, ["m"], ["a"]))
    nodes.append(node("Conv", ["a" if activation else "m", "p", *(["b"] if bias else [])], ["c"]))
    return [*nodes, node("Relu", ["c"], ["y"])], feeds, constants


@pytest.mark.parametrize("activation", [None, "Relu", "HardSwish", "Sigmoid"])
@pytest.mark.parametrize("bias", [True, False])
def test_depthwise_and_pointwise(activation, bias):
    written = check(*separable(activation, bias=bias))
    assert "CONCATENATION" not in written
    assert written.count("DEPTHWISE_CONV_2D") == written.count("CONV_2D") == 2
    assert written[-1] == "ADD"  # with the Relu in it


def test_three_parts():
    assert check(*separable(parts=(6, 5, 7), outputs=4)).count("CONV_2D") == 3


def test_many_outputs_keep_the_concatenation():
    assert "CONCATENATION" in check(*separable(outputs=5))


def test_a_doubled_part_is_convolved_at_low_resolution():
    feeds = {"x": normal(1, 4, 5, 6), "skip": normal(1, 3, 10, 12)}
    constants = {"s": np.float32([1, 1, 2, 2]), "w": normal(8, 7, 3, 3), "b": normal(8)}
    nodes = [
        node("Resize", ["x", "", "s"], ["u"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Concat", ["u", "skip"], ["c"], axis=1),
        node("Conv", ["c", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
    ]
    written = check(nodes, feeds, constants)
    assert written.count("CONV_2D") == 5  # four phases, and the other part
    assert "DEPTH_TO_SPACE" in written


@pytest.mark.parametrize("axis", [1, -3])
def test_kept_where_others_read(axis):
    feeds = {"a": normal(1, 4, 6, 6), "b": normal(1, 4, 6, 6, seed=1)}
    constants = {"w": normal(2, 8, 1, 1)}
    conv = [node("Concat", ["a", "b"], ["x"], axis=axis), node("Conv", ["x", "w"], ["y"])]
    assert "CONCATENATION" not in check(conv, feeds, constants)
    assert "CONCATENATION" in check([*conv, node("Neg", ["x"], ["z"])], feeds, constants, ("y", "z"))
    assert "CONCATENATION" in check(conv, feeds, constants, ("y", "x"))


def test_rows_and_other_groups_are_left_alone():
    feeds = {"a": normal(1, 4, 3, 6), "b": normal(1, 4, 5, 6, seed=1)}
    rows = [node("Concat", ["a", "b"], ["x"], axis=2), node("Conv", ["x", "w"], ["y"])]
    assert "CONCATENATION" in check(rows, feeds, {"w": normal(1, 4, 1, 1)})
    feeds["b"] = normal(1, 4, 3, 6, seed=1)
    grouped = [node("Concat", ["a", "b"], ["x"], axis=1), node("Conv", ["x", "w"], ["y"], group=2)]
    assert "CONCATENATION" in check(grouped, feeds, {"w": normal(2, 4, 1, 1)})
