import numpy as np
import pytest

from quantize.cross_layer import MOST, equalize_layers
from quantize.equalize import channel_statistics
from tests.quantize.graphs import Builder, decibels, run, samples

SPREAD = 3.0


def network(activation="Relu"):
    b = Builder([1, 3, 48, 48])
    x = b.op(activation, b.conv("image", 3, 8, spread=SPREAD))
    y = b.op(activation, b.conv(x, 8, 8, spread=SPREAD))
    x = b.op(activation, b.op("Add", x, y))
    return b.build(b.op("Sigmoid", b.conv(x, 8, 3))), [x]


def spans(model, names, feeds):
    seen = channel_statistics(model, names, feeds)
    return {name: np.maximum(s.inner_high, 0) - np.minimum(s.inner_low, 0) for name, s in seen.items()}


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_channels_get_equal_spans_and_the_picture_stays(share):
    model, names = network()
    feeds = samples(model)
    before = spans(model, names, feeds)[names[0]]
    changed, count = equalize_layers(model, names, channel_statistics(model, names, feeds), share)
    after = spans(changed, names, feeds)[names[0]]
    assert count > 0
    live = before > 0
    assert before[live].max() / before[live].min() > 5
    np.testing.assert_allclose(after[live], before.max() ** share * before[live] ** (1 - share), rtol=1e-4)
    for sample in samples(model, 3, "verification"):
        assert decibels(run(model, sample)[0], run(changed, sample)[0]) > 90


def test_channels_that_keep_their_unit_set_the_range_of_the_others():
    b = Builder([1, 3, 48, 48])
    wide = b.conv("image", 3, 4, spread=SPREAD)
    fixed = b.op("Sigmoid", b.conv("image", 3, 4))
    x = b.op("Concat", wide, fixed, axis=1)
    model = b.build(b.conv(x, 8, 3))
    feeds = samples(model)
    changed, _ = equalize_layers(model, [x], channel_statistics(model, [x], feeds))
    before, after = spans(model, [x], feeds)[x], spans(changed, [x], feeds)[x]
    np.testing.assert_allclose(after[4:], before[4:], rtol=1e-5)
    np.testing.assert_allclose(after[:4], before[4:].max(), rtol=1e-4)


def test_nothing_grows_beyond_the_range_of_a_tensor_of_its_unit():
    """The unit serves two tensors, which would like different ones."""
    b = Builder([1, 3, 48, 48])
    x = b.conv("image", 3, 8, spread=SPREAD)
    y = b.op("Add", x, b.conv("image", 3, 8, spread=SPREAD))
    model = b.build(b.op("Add", b.conv(x, 8, 3), b.conv(y, 8, 3)))
    feeds = samples(model)
    changed, count = equalize_layers(model, [x, y], channel_statistics(model, [x, y], feeds))
    before, after = spans(model, [x, y], feeds), spans(changed, [x, y], feeds)
    assert count > 0
    for name in (x, y):
        assert after[name].max() <= before[name].max() * 1.0001
        assert (after[name] >= before[name] * 0.9999).all()


def test_a_silent_channel_is_not_raised_without_end():
    b = Builder([1, 3, 48, 48])
    weight = b.random.normal(size=(3, 3, 1, 1)).astype(np.float32) * np.float32([1, 1e-9, 0]).reshape(3, 1, 1, 1)
    x = b.op("Conv", "image", b.constant(weight))
    model = b.build(b.conv(x, 3, 3))
    feeds = samples(model)
    changed, _ = equalize_layers(model, [x], channel_statistics(model, [x], feeds))
    before, after = spans(model, [x], feeds)[x], spans(changed, [x], feeds)[x]
    np.testing.assert_allclose(after[1], before[1] * MOST, rtol=1e-4)
    assert after[2] == 0


def test_where_no_channel_may_change_nothing_does():
    b = Builder([1, 3, 48, 48])
    x = b.conv("image", 3, 4, spread=SPREAD)
    model = b.build(b.op("Sigmoid", x))
    changed, count = equalize_layers(model, [x], channel_statistics(model, [x], samples(model)))
    assert count == 0
    assert changed is not model
