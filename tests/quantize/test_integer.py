"""Norms, quotients and hard activations in elementary steps compute what they did."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from quantize.integer import in_elementary_steps
from tests.quantize.graphs import Builder, decibels, run, samples

ELEMENTARY = (
    "Add", "Sub", "Mul", "ReduceMean", "GlobalAveragePool", "Sqrt", "Reciprocal", "Reshape", "HardSigmoid", "Conv",
    "Relu",
)  # fmt: skip
CHANNELS = 8


def check(builder: Builder, *outputs: str) -> list[str]:
    """As :func:`check_model`, of what ``builder`` has collected."""
    return check_model(builder.build(*outputs))


def check_model(model: ir.Model) -> list[str]:
    """The operators of the graph in elementary steps, which must compute the same; the graph itself must not change."""
    before = [node.op_type for node in model.graph]
    given = samples(model, 3)
    made = in_elementary_steps(model, iter(given))
    for sample in given:
        for expected, got in zip(run(model, sample), run(made, sample), strict=True):
            assert decibels(expected, got) > 100
    assert [node.op_type for node in model.graph] == before
    assert [value.name for value in made.graph.outputs] == [value.name for value in model.graph.outputs]
    operators = [node.op_type for node in made.graph]
    assert set(operators) <= set(ELEMENTARY)
    return operators


def vector(b: Builder, low: float, high: float) -> str:
    return b.constant(b.random.uniform(low, high, CHANNELS).astype(np.float32))


@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_instance_norm(spread):
    """With channels that differ, one more product brings them all to one variance."""
    b = Builder([1, 3, 24, 20])
    operators = check(b, b.norm(b.conv("image", 3, CHANNELS, spread=spread), CHANNELS))
    assert operators.count("Mul") == (4 if spread else 3)
    assert operators.count("ReduceMean") == 2
    assert "Div" not in operators


def test_channels_of_any_size_have_the_variance_one():
    """What the squares of a channel come to decides what 16 bits keep of it."""
    b = Builder([1, 3, 32, 32])
    y = b.norm(b.conv("image", 3, 32, spread=3.0), 32)
    model = b.build(y)
    given = samples(model, 3)
    made = in_elementary_steps(model, given)
    squares = next(node for node in made.graph if node.op_type == "Mul" and node.inputs[0] is node.inputs[1])
    made.graph.outputs.append(squares.outputs[0])
    variances = np.mean([run(made, sample)[1].mean(axis=(2, 3)) for sample in given], axis=0)
    assert variances.max() < 16 * variances.min()
    assert 0.2 < np.median(variances) < 5


def test_a_channel_that_never_changes():
    b = Builder([1, 3, 16, 16])
    weight = b.random.normal(0, 1, (4, 3, 3, 3)).astype(np.float32) * np.float32([0, 1, 30, 0.01]).reshape(4, 1, 1, 1)
    bias = b.constant(np.float32([0.5, 0, 1, 0]))
    x = b.op("Conv", "image", b.constant(weight), bias, pads=[1] * 4)
    model = b.build(
        b.op("InstanceNormalization", x, b.constant(np.ones(4, np.float32)), b.constant(np.float32([1] * 4)))
    )
    for sample in samples(model, 2):
        got, expected = run(in_elementary_steps(model, [sample]), sample)[0], run(model, sample)[0]
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got[:, 1:], expected[:, 1:], atol=1e-3)
        np.testing.assert_allclose(got[:, 0], 1, atol=1e-2)


def test_a_scale_of_ones_and_a_bias_of_zeros_take_no_step():
    b = Builder([1, 3, 16, 16])
    ones, zeros = b.constant(np.ones(3, np.float32)), b.constant(np.zeros(3, np.float32))
    operators = check(b, b.op("InstanceNormalization", "image", ones, zeros))
    assert operators == ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Reciprocal", "Mul"]


def test_conditional_instance_norm():
    """Scale and bias that are computed at run time."""
    b = Builder([1, 3, 16, 16])
    mean = b.op("GlobalAveragePool", "image")
    x = b.op("Relu", b.op("Reshape", mean, b.constant(np.array([3]))))
    check(b, b.op("InstanceNormalization", "image", x, x))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm(groups):
    b = Builder([1, 3, 16, 20])
    x = b.conv("image", 3, CHANNELS, spread=1.0)
    y = b.op("InstanceNormalization", x, vector(b, 0.5, 1.5), vector(b, -1, 1), epsilon=1e-3)
    model = b.build(y)
    norm = model.graph[-1]  # onnx infers no shape of a GroupNormalization's output: it is that of the other norm
    norm.op_type, norm.attributes["num_groups"] = "GroupNormalization", ir.AttrInt64("num_groups", groups)
    assert check_model(model).count("Reshape") == 4


@pytest.mark.parametrize(("axis", "bias"), [(-1, True), (1, True), (2, False)])
def test_layer_norm(axis, bias):
    shape = [1, 3, 12, 16]
    b = Builder(shape)
    over = shape[axis % 4 :]
    inputs = [b.constant(b.random.uniform(0.5, 1.5, over).astype(np.float32))]
    inputs += [b.constant(b.random.normal(0, 1, over).astype(np.float32))] if bias else []
    assert check(b, b.op("LayerNormalization", "image", *inputs, axis=axis)).count("Add") == 1 + bias


def test_batch_norm():
    b = Builder([1, 3, 16, 16])
    x = b.conv("image", 3, CHANNELS)
    parts = [vector(b, *limits) for limits in ((0.5, 1.5), (-1, 1), (-0.5, 0.5), (0.1, 2))]
    assert check(b, b.op("BatchNormalization", x, *parts)) == ["Conv", "Mul", "Add"]


def test_hard_swish_quotients_and_squares():
    b = Builder([1, 3, 16, 16])
    x = b.op("HardSwish", b.conv("image", 3, CHANNELS))
    by_constant = b.op("Div", x, b.constant(np.float32(3)))
    by_value = b.op("Div", by_constant, b.op("Add", b.op("Relu", x), b.constant(np.float32(1))))
    y = b.op("Pow", by_value, b.constant(np.float32(2)))
    check(b, y)


def test_what_has_no_elementary_steps_stays():
    b = Builder([1, 3, 16, 16])
    cube = b.op("Pow", "image", b.constant(np.float32(3)))
    whole = b.op("Div", b.op("Cast", cube, to=7), b.constant(np.array(2)))
    y = b.op("Cast", whole, to=1)
    model = b.build(y)
    assert [node.op_type for node in in_elementary_steps(model, []).graph] == ["Pow", "Cast", "Div", "Cast"]
