import numpy as np
import pytest

from quantize.smaller import halved, halved_sample
from tests.quantize.graphs import Builder, run, samples, style_net


def test_half_the_size_is_what_the_graph_paints_there():
    model, small = style_net(size=96), style_net(size=48)
    sample = halved_sample(samples(model, 1)[0])
    assert sample["image"].shape == (1, 3, 48, 48)
    assert [tuple(value.shape) for value in halved(model).graph.outputs] == [(1, 3, 48, 48)]
    np.testing.assert_allclose(run(halved(model), sample)[0], run(small, sample)[0], atol=1e-6)
    assert tuple(model.graph.outputs[0].shape) == (1, 3, 96, 96)


def test_every_shape_is_known_again():
    for node in halved(style_net()).graph:
        assert all(value.shape.is_static() for value in node.outputs)


def test_pictures_are_shrunk_by_the_mean_and_the_rest_stays():
    sample = {"image": np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), "style": np.ones((1, 2), np.float32)}
    shrunk = halved_sample(sample)
    assert shrunk["image"].tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert shrunk["style"] is sample["style"]


def fixed(kind):
    b = Builder([1, 3, 48, 48])
    if kind == "reshape":
        x = b.op("Reshape", "image", b.constant(np.array([1, 3, 48, 48])))
    elif kind == "resize":
        x = b.op("Resize", b.op("MaxPool", "image", kernel_shape=[2, 2], strides=[2, 2]), "", "",
                 b.constant(np.array([1, 3, 48, 48])), mode="nearest")  # fmt: skip
    else:
        x = b.op("Add", "image", b.constant(np.ones((1, 1, 48, 48), np.float32)))
    return b.build(b.conv(x, 3, 3))


@pytest.mark.parametrize("kind", ["reshape", "resize", "constant"])
def test_a_graph_that_has_its_size_written_into_it_is_left_alone(kind):
    assert halved(fixed(kind)) is None


def test_odd_sides_are_left_alone():
    b = Builder([1, 3, 47, 48])
    assert halved(b.build(b.conv("image", 3, 3))) is None
    deep = Builder([1, 3, 36, 36])  # halved, 18 is no multiple of four
    x = deep.conv(deep.conv("image", 3, 4, strides=[2, 2]), 4, 4, strides=[2, 2])
    scales = deep.constant(np.array([1, 1, 4, 4], np.float32))
    assert halved(deep.build(deep.op("Resize", x, "", scales, mode="nearest"))) is None
