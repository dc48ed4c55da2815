"""Constants a channel over few channels: the same numbers in long lines, and left alone elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.export.tflite.cases.table import normal
from tests.export.tflite.support import both, compile_bytes, model_of
from tests.export.tflite.test_compiler import delegates
from tests.export.tflite.test_registry import operators

node = onnx.helper.make_node


def check(nodes, constants, shape=(1, 3, 64, 70)) -> list[str]:
    feeds = {"x": normal(*shape)}
    model = model_of(nodes, feeds, ["y"], constants)
    ((got, want),) = both(model, feeds)
    np.testing.assert_array_equal(got, want)
    content = compile_bytes(model)
    assert delegates(content) == 1
    return operators(content)


def per_channel(channels=3) -> np.ndarray:
    return normal(1, channels, 1, 1, seed=3) + 2


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("first", [True, False])
def test_same_numbers(op, first):
    nodes = [node(op, ["c", "x"] if first else ["x", "c"], ["y"])]
    assert check(nodes, {"c": per_channel()})[::2] == ["RESHAPE", "RESHAPE"]


def test_a_chain_is_reshaped_once():
    nodes = [node("Sub", ["x", "a"], ["s"]), node("Div", ["s", "b"], ["d"]), node("Relu", ["d"], ["y"])]
    written = check(nodes, {"a": per_channel(), "b": per_channel() + 1})
    assert written == ["RESHAPE", "SUB", "DIV", "RESHAPE"]


def test_equal_numbers_are_one():
    assert check([node("Mul", ["x", "c"], ["y"])], {"c": np.full((1, 3, 1, 1), 0.3, np.float32)}) == ["MUL"]


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 9, 64, 64), (1, 3, 64, 67)])
def test_small_planes_many_channels_and_prime_widths_stay(shape):
    assert check([node("Mul", ["x", "c"], ["y"])], {"c": per_channel(shape[1])}, shape) == ["MUL"]


def test_constants_of_other_shapes_stay():
    for shape in ((64, 70), (1, 3, 64, 70), (70,)):
        assert check([node("Mul", ["x", "c"], ["y"])], {"c": normal(*shape)}) == ["MUL"]


def test_a_constant_that_stretches_the_other_keeps_its_shape():
    assert check([node("Add", ["x", "c"], ["y"])], {"c": np.ones((1, 3, 64, 70), np.float32)}, (1, 3, 1, 1)) == ["ADD"]
