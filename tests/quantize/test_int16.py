"""Every float tensor gets 16 bits: scales of what photos show, what kernels keep, and what int8 stays int8."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from quantize import quantize_hub
from quantize.int16 import (
    HEADROOM,
    INT16_HIGH,
    LEAST_HEADROOM,
    MOST_HEADROOM,
    SPREADS,
    largest_magnitudes,
    parameters_of,
    round_ports,
    scale_of,
    to_int16,
)
from quantize.integer import in_elementary_steps
from tests.quantize.graphs import Builder, decibels, ports, run, samples, style_net
from validate.errors import BrushportError, UnsupportedError


def pairs(model: ir.Model) -> dict[str, float]:
    """The scale of each QuantizeLinear to int16, by what it rounds."""
    found = {}
    for node in model.graph:
        if node.op_type == "QuantizeLinear" and node.outputs[0].dtype is ir.DataType.INT16:
            assert not node.inputs[2].const_value.numpy().any()
            found[node.inputs[0].name] = node.inputs[1].const_value.numpy().item()
    return found


def test_a_style_network_keeps_its_picture():
    model = style_net()
    given = samples(model, 4)
    made = to_int16(model, iter(given))
    assert not any(node.op_type == "QuantizeLinear" for node in model.graph)
    for sample in samples(model, 3, use="verification"):
        assert decibels(run(model, sample)[0], run(made, sample)[0]) > 45
    onnx.checker.check_model(ir.to_proto(made), full_check=True)


def origin(value: ir.Value) -> ir.Node:
    """What made ``value``, perhaps moved since."""
    while value.producer().op_type in ("Pad", "Resize", "Flatten"):
        value = value.producer().inputs[0]
    return value.producer()


def test_every_node_reads_what_16_bits_hold():
    given = samples(style_net(), 2)
    made = to_int16(in_elementary_steps(style_net(), given), given)
    for node in made.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        for value in node.inputs:
            if value is not None and value.dtype is ir.DataType.FLOAT and value.name not in made.graph.initializers:
                along = {"Relu": ("Conv", "Add"), "Reciprocal": ("Sqrt",)}.get(node.op_type, ())
                assert origin(value).op_type in ("DequantizeLinear", *along), (node.op_type, value.name)


def test_scales_are_of_the_largest_magnitude_with_headroom():
    b = Builder([1, 3, 16, 16])
    model = b.build(b.op("Mul", "image", b.constant(np.float32(-40))))
    given = samples(model, 3)
    found = pairs(to_int16(model, given))
    largest = max(np.abs(sample["image"]).max() for sample in given)
    assert found["image"] == pytest.approx(HEADROOM * largest / INT16_HIGH, rel=0.02)
    assert found["Mul_0_out_before"] == pytest.approx(40 * HEADROOM * largest / INT16_HIGH, rel=0.02)
    fixed = pairs(to_int16(model, given, {"image": 1.0}))
    assert fixed["image"] == pytest.approx(1 / INT16_HIGH, rel=0.02)


@pytest.mark.parametrize(
    ("largest", "headroom"),
    [
        ([1.0] * 8, LEAST_HEADROOM),
        ([0.9, 1.0, 1.1, 1.05, 0.95, 1.1], LEAST_HEADROOM),
        ([0.8, 1.0, 1.0, 1.0, 1.4], np.exp(SPREADS * np.log(1.4) / 2) / 1.4),
        ([0.01, 0.1, 1.0, 10.0], MOST_HEADROOM),
        ([1.0] * 9 + [0.0], LEAST_HEADROOM),
        ([0.0] * 9 + [1.0], LEAST_HEADROOM),
        ([1.0, 5.0], HEADROOM),
    ],
)
def test_headroom_is_for_what_photos_differ_by(largest, headroom):
    b = Builder([1, 3, 4, 4])
    model = b.build(b.op("Relu", "image"))
    given = [{"image": np.full((1, 3, 4, 4), number, np.float32)} for number in largest]
    step = pairs(to_int16(model, given))["image"]
    assert step * INT16_HIGH / max(largest) == pytest.approx(headroom, rel=0.02)


def test_scales_stay_away_from_powers_of_two():
    for exponent in range(-20, 10):
        for nearby in (1 - 1e-4, 1.0, 1 + 1e-4):
            scale = scale_of(INT16_HIGH * 2.0**exponent * nearby)
            assert abs(np.log2(scale) - np.rint(np.log2(scale))) > 1e-3
            assert scale == pytest.approx(2.0**exponent, rel=0.02)
    assert scale_of(0.0) == pytest.approx(1 / INT16_HIGH, rel=0.02)


def test_parameters_of_ports():
    scale, zero = parameters_of(0.0, 1.0, np.int8)
    assert (scale, zero) == (pytest.approx(1 / 255), -128)
    scale, zero = parameters_of(-2.0, 1.0, np.int16)
    assert (scale, zero, zero.dtype) == (pytest.approx(2 / INT16_HIGH, rel=0.02), 0, np.int16)


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", {"perm": [0, 1, 3, 2]}),
        ("Abs", {}),
        ("Neg", {}),
    ],
)
def test_operators_that_keep_their_scale(op_type, attributes):
    b = Builder([1, 3, 16, 16])
    x = b.op("Mul", "image", b.constant(np.float32(3)))
    model = b.build(b.op("Add", b.op(op_type, x, **attributes), b.constant(np.float32(1))))
    given = samples(model, 2)
    made = to_int16(model, given)
    found = pairs(made)
    moved = op_type in ("MaxPool", "Transpose")
    assert (f"{op_type}_1_out" in found) != moved
    if not moved:
        assert found[f"{op_type}_1_out"] == found["Mul_0_out"]
    assert decibels(run(model, given[0])[0], run(made, given[0])[0]) > 70


@pytest.mark.parametrize("op_type", ["Sigmoid", "Tanh", "HardSigmoid", "Softmax"])
def test_what_lies_within_one_has_the_scale_of_its_kernel(op_type):
    b = Builder([1, 3, 16, 16])
    model = b.build(b.op("Mul", b.op(op_type, "image"), b.constant(np.float32(2))))
    assert pairs(to_int16(model, samples(model, 2)))[f"{op_type}_0_out"] == 2.0**-15


@pytest.mark.parametrize("op_type", ["Conv", "Add", "Mul", "Sub"])
def test_a_relu_is_computed_along(op_type):
    b = Builder([1, 3, 16, 16])
    x = b.conv("image", 3, 3) if op_type == "Conv" else b.op(op_type, "image", b.constant(np.float32([[[[0.5]]]])))
    model = b.build(b.op("Relu", x))
    assert x not in pairs(to_int16(model, samples(model, 2)))
    both = Builder([1, 3, 16, 16])
    x = both.conv("image", 3, 3)
    model = both.build(both.op("Relu", x), both.op("Abs", x))
    assert x in pairs(to_int16(model, samples(model, 2)))


def test_a_square_root_whose_inverse_is_asked_for_is_not_rounded():
    b = Builder([1, 3, 16, 16])
    x = b.op("Sqrt", b.op("Add", b.op("Abs", "image"), b.constant(np.float32(1))))
    model = b.build(b.op("Reciprocal", x))
    assert x not in pairs(to_int16(model, samples(model, 2)))


@pytest.mark.parametrize("kind", ["conv", "depthwise", "transposed", "grouped", "gemm", "turned", "matmul"])
def test_weights_are_int8_for_each_channel_and_biases_int32(kind):
    b = Builder([1, 3, 16, 16])
    x = b.conv("image", 3, 8)
    channels = 8
    if kind in ("conv", "depthwise"):
        y = b.conv(x, 8, 8, spread=1.0, group=8 if kind == "depthwise" else 1)
    elif kind in ("transposed", "grouped"):
        y = b.conv_transpose(x, 8, 8, group=2 if kind == "grouped" else 1)
        channels = 1 if kind == "grouped" else 8
    else:
        x = b.op("Flatten", b.op("GlobalAveragePool", x))
        weight = b.constant(b.random.normal(0, 0.3, (8, 8)).astype(np.float32))
        bias = [] if kind == "matmul" else [b.constant(b.random.normal(0, 0.3, 8).astype(np.float32))]
        y = b.op(
            "MatMul" if kind == "matmul" else "Gemm", x, weight, *bias, **({"transB": 1} if kind == "turned" else {})
        )
    model = b.build(b.op("Abs", y))
    given = samples(model, 3)
    made = to_int16(model, given)
    node = next(node for node in made.graph if node.outputs[0].name == y)
    weight = node.inputs[1].producer()
    assert weight.inputs[0].dtype is ir.DataType.INT8
    assert weight.inputs[1].const_value.size == channels
    if len(node.inputs) > 2 and kind != "grouped":
        bias = node.inputs[2].producer()
        assert bias.inputs[0].dtype is ir.DataType.INT32
        steps = weight.inputs[1].const_value.numpy() * origin(node.inputs[0]).inputs[1].const_value.numpy()
        np.testing.assert_allclose(bias.inputs[1].const_value.numpy(), steps, rtol=1e-6)
    for sample in given:
        assert decibels(run(model, sample)[0], run(made, sample)[0]) > 35


def test_what_is_int8_stays_int8():
    model = style_net()
    given = samples(model, 4)
    quantized = quantize_hub(model, given, **ports(model)).model
    made = to_int16(quantized, given)

    def eight_bit(model: ir.Model) -> list[str]:
        return [node.outputs[0].name for node in model.graph if node.outputs[0].dtype is ir.DataType.INT8]

    assert eight_bit(quantized)
    assert set(eight_bit(quantized)) <= set(eight_bit(made))
    norms = [node for node in made.graph if node.op_type == "InstanceNormalization"]
    assert norms
    assert all(node.inputs[0].producer().inputs[0].dtype is ir.DataType.INT16 for node in norms)
    for sample in given:
        assert decibels(run(quantized, sample)[0], run(made, sample)[0]) > 35


@pytest.mark.parametrize(("dtype", "kind"), [(np.int8, ir.DataType.INT8), (np.int16, ir.DataType.INT16)])
def test_ports_pass_through_a_pair(dtype, kind):
    b = Builder([1, 3, 16, 16])
    model = b.build(b.op("Relu", "image"), b.op("Abs", "image"))
    made = round_ports(model, {"image": (0.0, 1.0), "Relu_0_out": (0.0, 2.0), "Abs_1_out": (-1.0, 1.0)}, dtype)
    (reader,) = (use.node for use in made.graph.inputs[0].uses())
    assert (reader.op_type, reader.outputs[0].dtype) == ("QuantizeLinear", kind)
    assert [value.name for value in made.graph.outputs] == ["Relu_0_out", "Abs_1_out"]
    for value in made.graph.outputs:
        assert value.producer().inputs[0].dtype is kind
    for sample in samples(model, 1):
        for expected, got in zip(run(model, sample), run(made, sample), strict=True):
            assert np.abs(expected - got).max() < (1e-4 if dtype is np.int16 else 0.01)
    assert len(model.graph) == 2


def test_largest_magnitudes_are_over_all_photos():
    b = Builder([1, 3, 16, 16])
    x = b.op("Neg", "image")
    model = b.build(b.op("Abs", x))
    given = [{"image": np.full((1, 3, 16, 16), number, np.float32)} for number in (0.5, -4.0, 1.0)]
    assert largest_magnitudes(model, ["image", x], given) == {"image": 4.0, x: 4.0}


def test_what_cannot_be_calibrated():
    b = Builder([1, 3, 16, 16])
    x = b.op("Log", b.op("Sub", "image", "image"))
    model = b.build(x)
    with pytest.raises(BrushportError, match="Log_1_out is not finite for calibration photo 1"):
        to_int16(model, samples(model, 1))
    with pytest.raises(BrushportError, match="no calibration photos"):
        to_int16(model, [])
    old = Builder([1, 3, 16, 16])
    with pytest.raises(UnsupportedError, match="opset 21"):
        to_int16(old.build(old.op("Relu", "image"), opset=18), [])


def test_fixed_tensors_are_not_measured():
    """Where all are known, no photos are needed."""
    b = Builder([1, 3, 16, 16])
    model = b.build(b.op("Relu", "image"))
    found = pairs(to_int16(model, [], {"image": 1.0, "Relu_0_out": 1.0}))
    assert set(found) == {"image", "Relu_0_out_before"}
