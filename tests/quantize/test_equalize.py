import numpy as np
import onnx_ir as ir
import pytest

from quantize.equalize import HALF_SPAN, TAIL, _ends, _inner, equalize_norms
from quantize.graph import values_by_name
from tests.quantize.graphs import Builder, decibels, run, samples, style_net


def with_outputs(model, names):
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs[:] = [values[name] for name in names]
    return model


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 1e-9])
@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_the_picture_stays(spread, epsilon):
    model = style_net(spread=spread, epsilon=epsilon)
    equalized, names = equalize_norms(model, samples(model))
    assert len(names) == 5
    for sample in samples(model, 3, "verification"):
        assert decibels(run(model, sample)[0], run(equalized, sample)[0]) > 80


def test_channels_get_equal_spans():
    model = style_net(spread=3.0, epsilon=1e-9)  # too small to hold any channel back
    feeds = samples(model)
    equalized, names = equalize_norms(model, feeds)
    outputs = [node.outputs[0].name for node in equalized.graph if node.name in names]
    before = [run(with_outputs(model, outputs), feed) for feed in feeds]
    after = [run(with_outputs(equalized, outputs), feed) for feed in feeds]

    def spans(runs, index):
        stack = np.concatenate([values[index] for values in runs])
        low, high = np.quantile(stack, [TAIL, 1 - TAIL], axis=(0, 2, 3))
        return (high - low) / 2, (high + low) / 2

    for index in range(len(outputs)):
        half, _ = spans(before, index)
        assert half.max() / half.min() > 20
        half, middle = spans(after, index)
        np.testing.assert_allclose(half, HALF_SPAN, rtol=1e-3)
        np.testing.assert_allclose(middle, 0, atol=1e-3 * HALF_SPAN)


def test_a_channel_on_which_epsilon_tells_is_scaled_exactly():
    """One channel's variance is far under epsilon, so the norm does not cancel its scale."""
    b = Builder([1, 3, 48, 48])
    weight = b.random.normal(0, 1, (4, 3, 1, 1)).astype(np.float32) * np.float32([1, 1e-3, 30, 0]).reshape(4, 1, 1, 1)
    x = b.op("Conv", "image", b.constant(weight))
    model = b.build(b.norm(x, 4, epsilon=1e-3))
    equalized, _ = equalize_norms(model, samples(model))
    for sample in samples(model, 3, "verification"):
        expected, got = run(model, sample)[0], run(equalized, sample)[0]
        for channel in range(3):
            assert decibels(expected[:, channel], got[:, channel]) > 80
        np.testing.assert_allclose(got[:, 3], expected[:, 3], atol=1e-4)


@pytest.mark.parametrize("opset", [17, 18])
def test_conv_transpose_and_the_opset_before_axes_were_inputs(opset):
    b = Builder([1, 3, 48, 48])
    model = b.build(b.norm(b.conv_transpose("image", 3, 6), 6), opset=opset)
    equalized, names = equalize_norms(model, samples(model))
    assert len(names) == 1
    sample = samples(model, 1, "verification")[0]
    assert decibels(run(model, sample)[0], run(equalized, sample)[0]) > 80


def test_a_convolution_that_others_read_is_left_alone():
    b = Builder([1, 3, 48, 48])
    x = b.conv("image", 3, 6)
    read_twice = b.build(b.op("Add", b.norm(x, 6), x))
    b = Builder([1, 3, 48, 48])
    relu_between = b.build(b.norm(b.op("Relu", b.conv("image", 3, 6)), 6))
    for model in (read_twice, relu_between):
        equalized, names = equalize_norms(model, samples(model))
        assert names == []
        assert ir.to_proto(equalized) == ir.to_proto(model)


@pytest.mark.parametrize(("samples", "count"), [(4, 8192), (3, 9001), (1, 100), (3, 1)])
def test_quantiles_of_kept_ends_are_those_of_all_values(samples, count):
    values = np.random.default_rng(0).standard_normal((samples, 5, count)).astype(np.float32)
    found = _inner([_ends(one, samples) for one in values])
    together = np.concatenate(list(values), axis=1).astype(np.float64)
    np.testing.assert_allclose(found, np.quantile(together, [TAIL, 1 - TAIL], axis=1), rtol=1e-9)
