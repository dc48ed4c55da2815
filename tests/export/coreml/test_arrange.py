"""Permutations of more dimensions than Core ML has, behind Reshape."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml import compile_coreml
from export.coreml.arrange import MAX_RANK, merge_axes
from tests.export.coreml.graphs import finish, hub_of, run
from validate.coreml import CoreMLModel
from validate.errors import UnsupportedError

PERMUTATIONS = {
    "pixel shuffle": ((2, 3, 2, 2, 4, 5), (0, 1, 4, 2, 5, 3)),
    "window partition": ((1, 2, 3, 4, 3, 5), (0, 1, 3, 2, 4, 5)),
    "six axes reversed": ((2, 3, 2, 4, 2, 3), (5, 4, 3, 2, 1, 0)),
    "eight axes, some idle": ((2, 1, 3, 2, 1, 2, 3, 2), (7, 3, 6, 1, 5, 4, 2, 0)),
    "nothing moves": ((2, 3, 1, 2, 4, 1), (0, 2, 1, 3, 5, 4)),
}


def model(nodes: list[onnx.NodeProto], shape: tuple[int, ...], **constants: object) -> onnx.ModelProto:
    stored = [numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    return finish(helper.make_graph(nodes, "arrange", inputs, outputs, stored))


def node(op: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=output, **attributes)


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_high_ranks_pass_through(name: str, tmp_path: Path) -> None:
    shape, perm = PERMUTATIONS[name]
    size = prod(shape)
    nodes = [
        node("Reshape", "x high", "t"),
        node("Transpose", "t", "u", perm=perm),
        node("Transpose", "u", "v", perm=np.roll(perm, 1).tolist()),
        node("Reshape", "v low", "y"),
    ]
    proto = model(nodes, (size // 12, 12), high=shape, low=(12, -1))
    x = np.arange(size, dtype=np.float32).reshape(-1, 12)
    compile_coreml(hub_of(proto), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"x": x})["y"]
    np.testing.assert_array_equal(result, run(proto, {"x": x})["y"])


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_merged_axes_permute_alike(name: str) -> None:
    shape, perm = PERMUTATIONS[name]
    sizes, order = merge_axes(shape, perm)
    x = np.arange(prod(shape))
    np.testing.assert_array_equal(
        x.reshape(sizes).transpose(order).reshape(-1), x.reshape(shape).transpose(perm).reshape(-1)
    )
    assert all(b != a + 1 for a, b in pairwise(order)), "neighbors are left apart"


def test_arithmetic_on_high_ranks_is_refused(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x high", "t"), node("Add", "t t", "u"), node("Reshape", "u low", "y")]
    proto = model(nodes, (64,), high=(2,) * (MAX_RANK + 1), low=(64,))
    with pytest.raises(UnsupportedError, match=r"'u' \(Add of .*at most 5 dimensions"):
        compile_coreml(hub_of(proto), tmp_path / "m.mlpackage")


def test_output_of_high_rank_is_refused(tmp_path: Path) -> None:
    proto = model([node("Reshape", "x high", "y")], (64,), high=(2,) * (MAX_RANK + 1))
    with pytest.raises(UnsupportedError, match=r"'y' \(Reshape\), 'y' has 6 dimensions"):
        compile_coreml(hub_of(proto), tmp_path / "m.mlpackage")
