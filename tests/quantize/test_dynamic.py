"""Activations rounded at run time: what ONNX Runtime computes of it, and where it is expected to pay."""

import numpy as np
import onnx_ir as ir
import pytest

from quantize.dynamic import choose_dynamic, estimate, gains, make_dynamic
from quantize.macs import count_macs
from quantize.qdq import calibrated_values, insert_qdq
from quantize.ranges import calibrate
from quantize.weights_only import quantize_weights, weight_nodes
from tests.quantize.graphs import Builder, decibels, ports, run, samples, style_net
from validate.errors import BrushportError

# Layers and the time of the dynamic one over the float one's, from the table in quantize.dynamic.
MEASURED = [
    ((16, 16, 1, 256), 6.0), ((32, 32, 1, 256), 1.9), ((64, 32, 1, 256), 1.4), ((64, 64, 1, 256), 0.62),
    ((16, 72, 1, 128), 1.6), ((32, 128, 1, 128), 0.80), ((96, 96, 1, 128), 0.46), ((128, 128, 1, 128), 0.44),
    ((3, 32, 3, 256), 1.24), ((16, 16, 3, 256), 0.46), ((32, 32, 3, 256), 0.33), ((64, 64, 3, 64), 0.25),
]  # fmt: skip


def single(inputs, outputs, kernel, side, **attributes):
    b = Builder([1, inputs, side, side])
    return b.build(b.conv("image", inputs, outputs, kernel, **attributes))


@pytest.mark.parametrize(("layer", "ratio"), MEASURED)
def test_the_estimate_agrees_with_what_was_measured(layer, ratio):
    model = single(*layer)
    node, macs = next((n, m) for name, m in count_macs(model).items() for n in model.graph if n.name == name)
    assert (estimate(node, macs) > 0) == (ratio < 1)
    assert bool(gains(model)) == (ratio < 1)


def test_no_gain_without_a_hybrid_kernel():
    assert not gains(single(256, 256, 3, 64, group=256))
    assert not gains(single(256, 256, 3, 64, group=2))
    b = Builder([1, 64, 128, 128])
    assert gains(b.build(b.conv_transpose("image", 64, 64)))
    b = Builder([1, 64, 128, 128])
    assert not gains(b.build(b.op("MatMul", "image", "image")))


def test_it_computes_what_it_says():
    model = single(4, 6, 3, 12)
    sample = {"image": np.random.default_rng(0).uniform(-0.4, 1.7, (1, 4, 12, 12)).astype(np.float32)}
    name = next(iter(count_macs(model)))
    made = make_dynamic(model, [name])
    x = sample["image"]
    scale = (max(x.max(), 0) - min(x.min(), 0)) / 255
    zero = np.clip(np.rint(-x.min() / scale), 0, 255)
    rounded = ((np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale).astype(np.float32)
    want = run(quantize_weights(model), {"image": rounded})[0]
    assert decibels(want, run(made, sample)[0]) > 90
    assert decibels(run(quantize_weights(model), sample)[0], run(made, sample)[0]) < 70  # and it does round


def test_readers_of_one_tensor_share_the_rounding():
    b = Builder([1, 8, 16, 16])
    x = b.op("Relu", "image")
    one, two = (b.conv(x, 8, 8) for _ in range(2))
    model = b.build(b.op("Add", one, two))
    made = make_dynamic(model, count_macs(model))
    kinds = [node.op_type for node in made.graph]
    assert kinds.count("DynamicQuantizeLinear") == 1
    assert kinds.count("DequantizeLinear") == 3
    assert all(v.shape is not None and v.dtype is not None for node in made.graph for v in node.outputs)


def test_float_nodes_of_a_quantized_hub():
    model = style_net()
    names = [node.name for node in weight_nodes(model)]
    nodes = [node for node in model.graph if node.name in names[2:]]
    histograms, _ = calibrate(model, calibrated_values(nodes), samples(model))
    spans = {name: histogram.span("minmax") for name, histogram in histograms.items()}
    made = make_dynamic(insert_qdq(model, names[2:], spans), names[:2])
    kinds = [node.op_type for node in made.graph]
    assert kinds.count("DynamicQuantizeLinear") == 2
    assert kinds.count("QuantizeLinear") > 2
    for sample in samples(model, 1):
        assert decibels(run(model, sample)[0], run(made, sample)[0]) > 25


@pytest.mark.parametrize("name", ["nobody", "Relu_3"])
def test_what_cannot_be_dynamic_is_named(name):
    with pytest.raises(BrushportError, match=name):
        make_dynamic(style_net(), [name])


def test_nodes_that_the_picture_does_not_bear_stay_float(monkeypatch):
    monkeypatch.setattr("quantize.dynamic.NODE_COST", -1e9)  # everything is worth it
    b = Builder([1, 3, 32, 32])
    x = b.op("Relu", b.conv("image", 3, 8))
    spiky = b.op("Concat", x, b.op("Mul", b.constant(np.float32(1e4)), b.op("Slice", x, *map(b.constant, (
        np.array([0]), np.array([1]), np.array([1]))))), axis=1)  # fmt: skip
    weight = np.random.default_rng(0).normal(0, 0.2, (8, 9, 3, 3)).astype(np.float32)
    weight[:, 8] /= 1e5
    y = b.op("Conv", spiky, b.constant(weight), name="spiky", pads=[1] * 4)
    model = b.build(b.op("Sigmoid", b.conv(y, 8, 3)))
    result = choose_dynamic(model, samples(model, 2), ports(model)["outputs"], target=0.98)
    assert result.kept == ("spiky",)
    assert len(result.names) == 2
    assert 0 < result.share < 1
    assert result.score.ssim >= 0.98
    facts = result.facts()
    assert facts["kept_for_the_picture"] == ["spiky"]
    rounding = [node for node in result.model.graph if node.op_type == "DynamicQuantizeLinear"]
    assert len(rounding) == 2
    assert isinstance(result.model, ir.Model)
