"""Rounded weights keep what their node gives, lie on their own steps, and reach every form of int8."""

from __future__ import annotations

import numpy as np
import pytest

from quantize import rounding
from quantize.closest import closest_weights
from quantize.dynamic import make_dynamic
from quantize.graph import name_nodes
from quantize.qdq import calibrated_values, insert_qdq
from quantize.quantizer import quantize_hub
from quantize.ranges import calibrate
from quantize.weights import output_axis, replace_weight
from quantize.weights_only import closest_int8, least_squares_scales, quantize_weights
from tests.quantize.graphs import Builder, ports, run, samples, style_net
from tests.quantize.test_compensate import model_of

NODES = [
    ("Conv", {}),
    ("Conv", {"group": 2}),
    ("Conv", {"group": 6}),
    ("ConvTranspose", {"strides": [2, 2]}),
    ("ConvTranspose", {"group": 2, "strides": [2, 2]}),
    ("Gemm", {"transB": 1}),
    ("Gemm", {}),
    ("MatMul", {}),
]


def correlated():
    """A 1x1 convolution over channels that mostly say the same, which is where roundings can make up for each other."""
    b = Builder([1, 3, 24, 24], seed=3)
    x = b.conv("image", 3, 24, spread=0.5)
    model = b.build(b.conv(x, 24, 8, kernel=1))
    name_nodes(model.graph)
    return model


def error(model, made) -> float:
    """Mean squared difference of what two models give."""
    pairs = [(run(model, sample), run(made, sample)) for sample in samples(model)]
    return float(np.mean([np.mean((a - b) ** 2) for (a,), (b,) in pairs]))


def steps_of(model) -> dict[str, np.ndarray]:
    """The int8 weights by node."""
    held = {n.name: n.inputs[1].producer() for n in model.graph if len(n.inputs) > 1 and n.inputs[1] is not None}
    return {
        name: source.inputs[0].const_value.numpy()
        for name, source in held.items()
        if source is not None and source.op_type == "DequantizeLinear" and source.inputs[0].const_value is not None
    }


def spans(model, names):
    nodes = [node for node in model.graph if node.name in names]
    found, _ = calibrate(model, calibrated_values(nodes), samples(model))
    return {name: histogram.span("minmax") for name, histogram in found.items()}


@pytest.mark.parametrize("scales", [rounding.weight_scales, least_squares_scales])
@pytest.mark.parametrize(("op_type", "attributes"), NODES)
def test_outputs_change_less_and_every_weight_is_near(op_type, attributes, scales):
    model, weight_name = model_of(op_type, attributes)
    name_nodes(model.graph)
    node = next(n for n in model.graph if len(n.inputs) > 1 and n.inputs[1].name == weight_name)
    weight, axis = node.inputs[1].const_value.numpy(), output_axis(node)
    found = closest_weights(model, [node.name], samples(model), scales)
    step = scales(weight, axis)
    nearest = rounding.round_weight(weight, step, axis)
    if node.name not in found:  # the nearest were no worse, which a row of few weights can be
        assert weight[0].size <= 12
        return
    rounded = found[node.name]
    shape = [1] * weight.ndim
    if axis is not None:
        shape[axis] = -1
    assert rounded.steps.dtype == np.int8
    assert np.abs(rounded.steps).max() <= rounding.WEIGHT_HIGH
    np.testing.assert_array_equal(rounded.scales, step)
    assert np.abs(rounded.steps.astype(int) - nearest).max() <= 8
    assert (rounded.steps != nearest).any()

    def with_weight(array):
        made = model.clone()
        replace_weight(next(n for n in made.graph if n.name == node.name).inputs[1], array.astype(np.float32))
        return made

    size = step.astype(np.float64).reshape(shape)
    assert error(model, with_weight(rounded.steps * size)) < error(model, with_weight(nearest * size))


def test_int8_dynamic_and_weights_only_all_take_them():
    model = correlated()
    name = [node.name for node in model.graph][-1]
    found = closest_weights(model, [name], samples(model))
    ranges = spans(model, {name})
    static = insert_qdq(model, [name], ranges, closest=found)
    np.testing.assert_array_equal(steps_of(static)[name], found[name].steps)
    assert error(model, static) < error(model, insert_qdq(model, [name], ranges))
    dynamic = make_dynamic(model, [name], found)
    np.testing.assert_array_equal(steps_of(dynamic)[name], found[name].steps)
    small = quantize_weights(model, [name], closest_int8(model, samples(model)))
    assert error(model, small) < 0.5 * error(model, quantize_weights(model, [name]))


def test_a_channel_whose_steps_its_bias_changes_is_rounded_to_the_nearest():
    model = correlated()
    node = list(model.graph)[-1]
    weight = node.inputs[1].const_value.numpy()
    rounded = closest_weights(model, [node.name], samples(model))[node.name]
    scales = rounded.scales.copy()
    scales[3] *= 2
    steps = rounded.for_scales(weight, scales, 0)
    np.testing.assert_array_equal(steps[3], rounding.round_weight(weight, scales, 0)[3])
    np.testing.assert_array_equal(np.delete(steps, 3, 0), np.delete(rounded.steps, 3, 0))


def test_photos_that_plans_are_tried_on_do_not_round_weights(monkeypatch):
    seen = []

    def spy(model, names, photos, *rest):
        seen.extend(photos)
        return closest_weights(model, names, photos, *rest)

    monkeypatch.setattr("quantize.quantizer.closest_weights", spy)
    model = style_net()
    given = samples(model, 12)
    quantize_hub(model, given, **ports(model))
    assert seen
    assert not {id(sample) for sample in seen} & {id(sample) for sample in given[:8]}
