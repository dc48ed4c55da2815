"""Weights in int8 behind a DequantizeLinear: their numbers, and which nodes keep float ones."""

import numpy as np
import onnx_ir as ir
import pytest

from quantize.weights import output_axis
from quantize.weights_only import (
    choose_weights,
    keep_costly,
    least_squares_scales,
    quantize_weights,
    weight_nodes,
)
from tests.quantize.graphs import Builder, decibels, ports, run, samples, style_net
from validate.errors import UnsupportedError


def stored(model):
    """Steps, scales and float weights by the name of the node that reads them."""
    found = {}
    for node in model.graph:
        source = node.inputs[1].producer() if len(node.inputs) > 1 and node.inputs[1] is not None else None
        if source is not None and source.op_type == "DequantizeLinear":
            found[node.name] = [value.const_value.numpy() for value in source.inputs]
    return found


def test_every_weight_is_int8_and_the_picture_stays():
    model = style_net()
    made = quantize_weights(model)
    weights = {node.name: node.inputs[1].const_value.numpy() for node in weight_nodes(model)}
    found = stored(made)
    assert found.keys() == weights.keys()
    for name, (steps, scale, zero) in found.items():
        assert steps.dtype == np.int8
        assert np.abs(steps.astype(int)).max() <= 127
        assert not zero.any()
        error = np.abs(steps * scale[:, None, None, None] - weights[name])
        inside = np.abs(steps.astype(int)) < 127
        assert np.all(error[inside] <= 0.5001 * np.broadcast_to(scale[:, None, None, None], error.shape)[inside])
    assert not any(node.op_type == "QuantizeLinear" for node in made.graph)
    for sample in samples(model, 2):
        assert 45 < decibels(run(model, sample)[0], run(made, sample)[0]) < 80
    assert not stored(model)  # the model itself is as it was


def test_only_the_named_nodes():
    model = style_net()
    names = [node.name for node in weight_nodes(model)]
    assert stored(quantize_weights(model, names[1:3])).keys() == set(names[1:3])


def test_scales_run_along_the_output_channels():
    b = Builder([1, 16, 8, 8])
    x = b.conv_transpose("image", 16, 12)
    x = b.conv_transpose(x, 12, 12, group=3)
    x = b.op("GlobalAveragePool", x)
    x = b.op("Reshape", x, b.constant(np.array([1, 12])))
    x = b.op("MatMul", x, b.constant(b.random.normal(size=(12, 10)).astype(np.float32)))
    x = b.op("Gemm", x, b.constant(b.random.normal(size=(9, 10)).astype(np.float32)), transB=1)
    model = b.build(b.op("Gemm", x, b.constant(b.random.normal(size=(9, 8)).astype(np.float32))))
    axes = {node.name: output_axis(node) for node in weight_nodes(model)}
    assert list(axes.values()) == [1, None, 1, 0, 1]
    found = [scale.shape for _, scale, _ in stored(quantize_weights(model)).values()]
    assert found == [(12,), (), (10,), (9,), (8,)]
    sample = {"image": np.random.default_rng(0).normal(size=(1, 16, 8, 8)).astype(np.float32)}
    assert decibels(run(model, sample)[0], run(quantize_weights(model), sample)[0]) > 25


def test_least_squares_clips_an_outlier_and_nothing_else():
    random = np.random.default_rng(0)
    weight = random.normal(size=(2, 100_000)).astype(np.float32)
    weight[1, 0] = 1.1 * np.abs(weight[1]).max()
    weight[0] = np.clip(weight[0], -1, 1)
    scales = least_squares_scales(weight, 0)
    largest = np.abs(weight).max(axis=1) / 127
    assert scales[0] == pytest.approx(largest[0])
    assert scales[1] < 0.95 * largest[1]

    def error(scale):
        return np.square(np.clip(np.rint(weight[1] / scale), -127, 127) * scale - weight[1]).sum()

    assert error(scales[1]) < error(largest[1])


def test_weights_that_cancel_stay_float():
    b = Builder([1, 3, 32, 32])
    x = b.op("Relu", b.conv("image", 3, 8))
    weight = np.concatenate([400 * np.eye(8), -399 * np.eye(8)], axis=1)  # 127 steps of 3.15 each: 0 instead of 1
    weight = b.constant(weight[:, :, None, None].astype(np.float32))
    x = b.op("Conv", b.op("Concat", x, x, axis=1), weight, name="cancelling")
    model = b.build(b.op("Sigmoid", b.conv(x, 8, 3)))
    result = choose_weights(model, samples(model, 2), ports(model)["outputs"], target=0.99)
    assert result.kept == ("cancelling",)
    assert result.score.ssim >= 0.99
    assert "cancelling" not in stored(result.model)
    assert result.facts()["float_weights"] == ["cancelling"]


def test_as_few_as_it_takes_are_kept():
    class Quality:
        def __init__(self, quality):
            self.quality = quality

    costs = {"a": 1.0, "b": 5.0, "c": 3.0, "d": 0.1}

    def attempt(kept):
        return None, Quality(1.0 - sum(cost for name, cost in costs.items() if name not in kept) / 10)

    for target, expected in ((0.0, ""), (0.59, "b"), (0.88, "bc"), (0.98, "abc"), (1.0, "abcd")):
        _, score, kept = keep_costly(dict.fromkeys(costs, 1), attempt, costs.get, target, lambda step: None)
        assert kept == frozenset(expected)
        assert score.quality >= target


def test_what_cannot_be_done_is_said():
    b = Builder([1, 3, 16, 16])
    model = b.build(b.op("Relu", "image"))
    with pytest.raises(UnsupportedError, match="no convolution"):
        choose_weights(model, samples(model, 1), ports(model)["outputs"])
    old = style_net()
    old.graph.opset_imports[""] = 12
    with pytest.raises(UnsupportedError, match="opset 12"):
        quantize_weights(old)


def test_values_are_described():
    for node in quantize_weights(style_net()).graph:
        if node.op_type == "DequantizeLinear":
            assert node.outputs[0].dtype == ir.DataType.FLOAT
            assert node.outputs[0].shape.is_static()
