import numpy as np
import pytest

from quantize.ports import ports_of, range_of
from tests.quantize.graphs import Builder, style_net


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.0, 1.0, (0.0, 1.0)),
        (0.1, 0.4, (0.0, 1.0)),
        (-0.9, 0.9, (-1.0, 1.0)),
        (0.0, 254.0, (0.0, 255.0)),
        (-2.0, 2.5, (-2.0, 2.5)),
    ],
)
def test_range_of_photos(low, high, expected):
    picture = np.linspace(low, high, 3 * 4 * 4, dtype=np.float32).reshape(1, 3, 4, 4)
    assert range_of([{"image": picture, "style": np.full((1, 2), 300.0)}]) == pytest.approx(expected)


def test_a_constant_picture_has_a_range_of_some_width():
    low, high = range_of([{"image": np.full((1, 3, 4, 4), 300.0, np.float32)}])
    assert low < high


def test_pictures_are_known_by_shape():
    b = Builder([1, 3, 8, 8])
    planes, numbers = b.conv("image", 3, 5), b.op("GlobalAveragePool", "image")
    gray = b.conv("image", 3, 1)
    inputs, outputs = ports_of(b.build(planes, numbers, gray), (0.0, 255.0))
    assert [port.is_image for port in inputs] == [True]
    assert [port.is_image for port in outputs] == [False, False, True]
    assert inputs[0].value_range == (0.0, 255.0)


def test_the_output_may_have_another_range():
    model = style_net()
    inputs, outputs = ports_of(model, (0.0, 255.0), (0.0, 1.0))
    assert (inputs[0].value_range, outputs[0].value_range) == ((0.0, 255.0), (0.0, 1.0))
    assert ports_of(model, (0.0, 255.0))[1][0].value_range == (0.0, 255.0)
