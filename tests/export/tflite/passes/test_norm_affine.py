"""Scales and offsets behind instance norms: the same numbers with fewer operators over the plane."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from export.tflite.passes.norm_affine import fold_affine_into_norms
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import both, model_of

node = onnx.helper.make_node
CHANNELS = 6


def folded(nodes, batch=1, outputs=("y",)) -> int:
    """How many nodes the pass takes away behind the norm ``n``; ``S`` and ``T`` are [1, C, 1, 1]."""
    feeds = {"x": normal(batch, CHANNELS, 12, 16), "style": normal(CHANNELS, seed=3), "one": normal(1, 1, 1, 1)}
    constants = {"s": 1 + normal(CHANNELS) / 4, "b": normal(CHANNELS, seed=1), "axes": ints(0, 2, 3)}
    head = [
        node("InstanceNormalization", ["x", "s", "b"], ["n"], epsilon=1e-5),
        node("Unsqueeze", ["style", "axes"], ["S"]),
        node("Sin", ["S"], ["T"]),
    ]
    model = model_of([*head, *nodes], feeds, list(outputs), constants)
    for got, want in both(model, feeds):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    return fold_affine_into_norms(ir.from_proto(onnx.shape_inference.infer_shapes(model)))


@pytest.mark.parametrize("swapped", [False, True])
def test_scale_and_offset(swapped):
    first, second = (["S", "n"], ["T", "m"]) if swapped else (["n", "S"], ["m", "T"])
    nodes = [node("Mul", first, ["m"]), node("Add", second, ["a"]), node("Relu", ["a"], ["y"])]
    assert folded(nodes) == 2


def test_scale_alone():
    assert folded([node("Mul", ["n", "S"], ["y"])]) == 1


def test_offset_alone():
    assert folded([node("Add", ["n", "T"], ["m"]), node("Mul", ["m", "S"], ["y"])]) == 1


@pytest.mark.parametrize(
    ("nodes", "outputs", "batch"),
    [
        ([node("Mul", ["n", "S"], ["m"]), node("Add", ["m", "n"], ["y"])], ["y"], 1),  # the norm is read twice
        ([node("Mul", ["n", "S"], ["y"])], ["y", "n"], 1),
        ([node("Mul", ["n", "n"], ["y"])], ["y"], 1),
        ([node("Mul", ["n", "x"], ["y"])], ["y"], 1),
        ([node("Mul", ["n", "one"], ["y"])], ["y"], 1),  # one number for all channels
        ([node("Sub", ["n", "S"], ["y"])], ["y"], 1),
        ([node("Mul", ["n", "S"], ["y"])], ["y"], 2),
    ],
)
def test_others_stay(nodes, outputs, batch):
    assert folded(nodes, batch, outputs) == 0
