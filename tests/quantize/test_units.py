"""Every rule: with random units the output stays, and the tensors in between really have them."""

import numpy as np
import onnx_ir as ir
import pytest

from quantize.graph import values_by_name
from quantize.rescale import rescale_units
from quantize.units import ONE, Units
from tests.quantize.graphs import Builder, decibels, run

SAMPLE = {"image": np.random.default_rng(0).normal(size=(1, 4, 12, 12)).astype(np.float32)}


def builder():
    return Builder([1, 4, 12, 12])


def numbers(b, *values):
    return b.constant(np.array(values, np.int64))


def rescaled(model, seed=1):
    """With a random factor for every class that may have one, and the factor of each tensor's channels."""
    model = model.clone()
    units = Units(model.graph)
    random, factors = np.random.default_rng(seed), {ONE: 1.0}

    def of(value):
        if value.is_initializer():
            return np.ones(value.shape[1] if len(value.shape) > 1 else 1)
        return np.array([factors.setdefault(n, np.exp(random.normal(0, 2))) for n in units.classes(value).tolist()])

    scales = {name: of(value) for name, value in values_by_name(model.graph).items()}
    rescale_units(model.graph, of)
    return model, scales


def with_all_outputs(model):
    model = model.clone()
    model.graph.outputs[:] = [value for node in model.graph for value in node.outputs]
    return model


def check(model, free):
    """``free`` tensors have units of their own in every channel; each tensor is what its unit says."""
    changed, scales = rescaled(model)
    assert decibels(run(model, SAMPLE)[0], run(changed, SAMPLE)[0]) > 90
    names = [value.name for node in model.graph for value in node.outputs]
    before, after = run(with_all_outputs(model), SAMPLE), run(with_all_outputs(changed), SAMPLE)
    for name, a, b in zip(names, before, after, strict=True):
        factor = scales[name].reshape(1, -1, *(1,) * (a.ndim - 2)) if a.ndim > 1 else 1
        assert decibels(a * factor, b) > 90, name
    for name in free:
        assert np.all(scales[name] != 1), name
    assert ir.to_proto(changed) != ir.to_proto(model) or not free


def relu(b, x):
    return b.op("Relu", x)


def prelu(b, x):
    return b.op("PRelu", x, b.constant(np.float32([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).reshape(6, 1, 1)))


def clip_at_zero(b, x):
    return b.op("Clip", x, b.constant(np.float32(0)))


def pad(mode):
    return lambda b, x: b.op("Pad", x, numbers(b, 0, 0, 1, 2, 0, 0, 2, 1), mode=mode)


def resize(mode):
    return lambda b, x: b.op("Resize", x, "", b.constant(np.float32([1, 1, 2, 2])), mode=mode)


def max_pool(b, x):
    return b.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])


def average_pool(b, x):
    return b.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4)


def mean(b, x):
    return b.op("ReduceMean", x, numbers(b, 2, 3), keepdims=1)


def crop(b, x):
    return b.op("Slice", x, numbers(b, 1, 2), numbers(b, 9, 8), numbers(b, 2, 3))


def add_constant(b, x):
    return b.op("Add", x, b.constant(b.random.normal(size=(6, 1, 1)).astype(np.float32)))


def add_number(b, x):
    return b.op("Add", b.constant(np.float32(0.7)), x)


def multiply_channels(b, x):
    return b.op("Mul", b.constant(b.random.normal(size=(1, 6, 1, 1)).astype(np.float32)), x)


def divide_channels(b, x):
    return b.op("Div", x, b.constant(b.random.uniform(1, 2, size=(6, 1, 1)).astype(np.float32)))


def multiply_number(b, x):
    return b.op("Mul", x, b.constant(np.float32(3)))


def norm(b, x):
    return b.norm(b.op("Sigmoid", x), 6)


def depthwise(b, x):
    return b.conv(x, 6, 6, group=6)


def grouped(b, x):
    return b.conv(x, 6, 6, group=2, bias=False)


def transposed(b, x):
    return b.conv_transpose(x, 6, 6)


def transposed_groups(b, x):
    return b.conv_transpose(x, 6, 6, group=3)


def residual(b, x):
    return b.op("Add", b.op("Relu", b.conv(x, 6, 6)), x)


def squeeze_and_excite(b, x):
    y = b.op("Relu", b.conv(mean(b, x), 6, 3, kernel=1))
    return b.op("Mul", b.op("HardSigmoid", b.conv(y, 3, 6, kernel=1)), x)


def gated(b, x):
    """The gate is as large as what it gates, and comes second."""
    return b.op("Mul", x, b.op("Sigmoid", b.conv(x, 6, 6, kernel=1)))


STEPS = [
    *(relu, prelu, clip_at_zero, max_pool, average_pool, mean, crop, add_constant, add_number, multiply_channels),
    *(divide_channels, multiply_number, norm, depthwise, grouped, transposed, transposed_groups, residual, gated),
    *(squeeze_and_excite, pad("reflect"), pad("edge"), pad("constant"), resize("nearest"), resize("linear")),
]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_between_two_convolutions_takes_any_unit(step):
    b = builder()
    x = step(b, b.conv("image", 4, 6))
    model = b.build(b.conv(x, 6, 3))
    check(model, [x])


def test_each_part_of_a_concatenation_has_its_own_unit():
    b = builder()
    parts = [b.conv("image", 4, 3), b.conv("image", 4, 2), "image"]
    x = b.op("Concat", *parts, axis=1)
    check(b.build(b.conv(x, 9, 3)), parts[:2])


def test_the_coefficients_of_a_conditional_norm_take_the_unit():
    b = builder()
    style = b.op("Flatten", b.op("ReduceMean", "image", numbers(b, 2, 3), keepdims=1))
    x = b.norm(b.op("Sigmoid", b.conv("image", 4, 6)), 6)
    columns = []
    for _ in range(2):
        row = b.op("MatMul", style, b.constant(b.random.normal(size=(4, 6)).astype(np.float32)))
        columns.append(b.op("Unsqueeze", row, numbers(b, 2, 3)))
    x = b.op("Relu", b.op("Add", b.op("Mul", x, columns[0]), columns[1]))
    check(b.build(b.conv(x, 6, 3)), [x, *columns])


def test_gemm_takes_units_on_both_sides():
    b = builder()
    x = b.op("Flatten", b.op("ReduceMean", b.conv("image", 4, 6), numbers(b, 2, 3), keepdims=1))
    y = b.op("Gemm", x, b.constant(b.random.normal(size=(5, 6)).astype(np.float32)), transB=1, alpha=0.5)
    bias = b.constant(b.random.normal(size=3).astype(np.float32))
    z = b.op("Gemm", y, b.constant(b.random.normal(size=(5, 3)).astype(np.float32)), bias, beta=2.0)
    check(b.build(z), [x, y])


NOT_EXACT = {
    "Sigmoid": lambda b, x: b.op("Sigmoid", x),
    "HardSwish": lambda b, x: b.op("HardSwish", x),
    "Clip at 6": lambda b, x: b.op("Clip", x, b.constant(np.float32(0)), b.constant(np.float32(6))),
    "Clip at -1": lambda b, x: b.op("Clip", x, b.constant(np.float32(-1))),
    "Pad with a number": lambda b, x: b.op("Pad", x, numbers(b, 0, 0, 1, 1, 0, 0, 1, 1), b.constant(np.float32(2))),
    "Pad of channels": lambda b, x: b.op("Pad", x, numbers(b, 0, 1, 0, 0, 0, -1, 0, 0)),
    "reversed channels": lambda b, x: b.op("Slice", x, *(numbers(b, n) for n in (-1, -99, 1, -1))),
    "mixed channels": lambda b, x: b.op("Reshape", x, numbers(b, 1, 12, 6, 12)),
    "mean over channels": lambda b, x: b.op("ReduceMean", x, numbers(b, 1, 2, 3)),
    "square": lambda b, x: b.op("Mul", x, x),
    "numerator": lambda b, x: b.op("Div", b.constant(np.float32(1)), b.op("Exp", x)),
    "Transpose": lambda b, x: b.op("Transpose", x, perm=[0, 2, 1, 3]),
}


CHANNELS_AFTER = {"mixed channels": 12, "mean over channels": 1, "Transpose": 12}


@pytest.mark.parametrize("name", NOT_EXACT)
def test_what_does_not_hand_a_unit_on_keeps_unit_one(name):
    b = builder()
    x = b.conv("image", 4, 6)
    y = NOT_EXACT[name](b, x)
    model = b.build(b.conv(y, CHANNELS_AFTER.get(name, 6), 3, kernel=1))
    assert (Units(model.graph).classes(values_by_name(model.graph)[x]) == ONE).all()
    check(model, [])


def test_inputs_and_outputs_keep_unit_one():
    b = builder()
    x = b.conv("image", 4, 6)
    model = b.build(x, b.op("Relu", x))
    values = values_by_name(model.graph)
    assert all((Units(model.graph).classes(values[name]) == ONE).all() for name in ("image", x))


def test_a_weight_that_two_convolutions_share_is_rescaled_for_each():
    b = builder()
    weight = b.constant(b.random.normal(size=(4, 4, 3, 3)).astype(np.float32))
    x = b.op("Conv", "image", weight, pads=[1] * 4)
    check(b.build(b.op("Conv", b.op("Relu", x), weight, pads=[1] * 4)), [x])
