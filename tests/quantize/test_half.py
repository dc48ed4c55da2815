"""Norms that fit into fp16: exact, and no sum of squares beyond its range."""

import numpy as np
import pytest

from quantize.equalize import equalize_norms
from quantize.graph import values_by_name
from quantize.half import LEAST_WEIGHT, SUM, fit_norms_to_half
from tests.quantize.graphs import Builder, decibels, run, samples, style_net


def norm_inputs(model, sample):
    """The input of every instance norm on ``sample``, in the graph's order."""
    names = [node.inputs[0].name for node in model.graph if node.op_type == "InstanceNormalization"]
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs[:] = [values[name] for name in names]
    return run(model, sample)


def picture_of_bytes(gain: float):
    """One 9x9 convolution over a picture of 0..255 times ``gain``, an instance norm, a convolution."""
    b = Builder([1, 3, 96, 96])
    x = b.op("Mul", "image", b.constant(np.float32(255 * gain)))
    weight = b.random.normal(0, 1, (8, 3, 9, 9)).astype(np.float32)
    x = b.op("Conv", x, b.constant(weight), pads=[4, 4, 4, 4])
    x = b.norm(x, 8, epsilon=1e-5)
    return b.build(b.op("Conv", x, b.constant(b.random.normal(0, 0.3, (3, 8, 1, 1)).astype(np.float32))))


@pytest.mark.parametrize("gain", [1.0, 30.0])
def test_sums_of_squares_fit_and_the_picture_stays(gain):
    model = picture_of_bytes(gain)
    feeds = samples(model)
    fitted, names = fit_norms_to_half(model, feeds)
    assert len(names) == 1
    for feed in feeds:
        (before,), (after,) = norm_inputs(model, feed), norm_inputs(fitted, feed)
        assert np.square(before).sum(axis=(2, 3)).max() > 65504
        assert np.square(after).sum(axis=(2, 3)).max() < 1.01 * SUM
    for feed in samples(model, 3, "verification"):
        assert np.square(norm_inputs(fitted, feed)[0]).sum(axis=(2, 3)).max() < 65504
        assert decibels(run(model, feed)[0], run(fitted, feed)[0]) > 90


def test_weights_keep_the_digits_that_fp16_has():
    model = picture_of_bytes(30.0)
    fitted, _ = fit_norms_to_half(model, samples(model))
    conv = next(node for node in fitted.graph if node.op_type == "Conv")
    weight = np.abs(conv.inputs[1].const_value.numpy())
    assert weight.reshape(len(weight), -1).max(axis=1).min() >= LEAST_WEIGHT * 0.999
    factor = conv.inputs[0].producer().inputs[1].const_value.numpy()
    assert conv.inputs[0].producer().op_type == "Mul"
    assert np.log2(factor) == np.round(np.log2(factor)) < 0  # a power of two, so fp16 multiplies exactly


def test_what_fits_already_stays_as_it_is():
    model = style_net(spread=0.0, epsilon=1e-5)
    small = list(samples(model))
    limit = max(np.square(x).sum(axis=(2, 3)).max() for sample in small for x in norm_inputs(model, sample))
    fitted, names = fit_norms_to_half(model, small)
    assert bool(names) == (limit > SUM)
    assert fit_norms_to_half(fitted, small)[1] == []  # and again nothing: it fits now


@pytest.mark.parametrize("fit", [lambda *given: fit_norms_to_half(*given)[0], lambda *given: equalize_norms(*given)[0]])
def test_a_norm_without_epsilon_is_exact_at_any_scale(fit):
    """As a spelled-out (x - mean) / sqrt(variance) is fused to."""
    b = Builder([1, 3, 96, 96])
    x = b.norm(b.conv(b.op("Mul", "image", b.constant(np.float32(255))), 3, 4, spread=1.0), 4, epsilon=0.0)
    model = b.build(b.conv(x, 4, 3))
    feeds = list(samples(model))
    fitted = fit(model, feeds)
    assert decibels(run(model, feeds[0])[0], run(fitted, feeds[0])[0]) > 90
    assert np.ptp(norm_inputs(fitted, feeds[0])[0]) < 0.5 * np.ptp(norm_inputs(model, feeds[0])[0])


def test_convolutions_over_lines_stay_as_they_are():
    b = Builder([1, 3, 32, 32])
    x = b.op("Reshape", b.op("Mul", "image", b.constant(np.float32(255))), b.constant(np.array([1, 3, 1024])))
    x = b.op("Conv", x, b.constant(b.random.normal(0, 1, (3, 3, 3)).astype(np.float32)), pads=[1, 1])
    model = b.build(b.op("Reshape", b.norm(x, 3), b.constant(np.array([1, 3, 32, 32]))))
    for fit in (fit_norms_to_half, equalize_norms):
        assert fit(model, list(samples(model)))[1] == []


def test_channels_are_brought_to_a_variance_up_or_down_and_the_picture_stays():
    for gain in (1e-3, 1.0):
        model = picture_of_bytes(gain)
        feeds = list(samples(model))
        fitted, names = fit_norms_to_half(model, feeds, variance=0.25)
        assert len(names) == 1
        greatest = np.max([norm_inputs(fitted, feed)[0].var(axis=(2, 3)) for feed in feeds], axis=0)
        assert 0.02 < greatest.min() < greatest.max() < 2.5  # as near as the norm's epsilon allows
        for feed in samples(model, 3, "verification"):
            assert decibels(run(model, feed)[0], run(fitted, feed)[0]) > 80
