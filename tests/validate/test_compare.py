import numpy as np
import pytest

from validate.compare import Comparison, Likeness, compare, feeds_for
from validate.errors import BrushportError
from validate.photos import default_photos
from validate.ports import Port, ports_from_json, ports_to_json
from validate.runners import Runner, dequantize, quantize

IMAGE = Port("image", (1, 3, 32, 32), (0.0, 1.0))
STYLE = Port("style", (1, 3))
PAINTING = Port("painting", (1, 3, 32, 32), (0.0, 1.0))


class Painter(Runner):
    """Darkens the photo by the style's weights, plus an error."""

    def __init__(self, error=0.0):
        super().__init__((IMAGE, STYLE), (PAINTING,), 0)
        self.error, self.styles = error, []

    def _run(self, feed):
        self.styles.append(tuple(feed["style"][0]))
        dark = feed["style"] @ np.array([[1.0], [0.8], [0.6]], np.float32)
        return {"painting": self._timed(lambda: feed["image"] * dark[0, 0] + self.error)}


def test_every_style_is_tried_and_a_blend():
    painter = Painter()
    result = compare(painter, Painter(), feeds_for(painter.inputs, default_photos(2, 32)))
    assert painter.styles == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0, 0.5)]
    assert result.mean_ssim == pytest.approx(1)
    assert result.mean_psnr == float("inf")
    assert result.latency > 0


def test_a_wrong_picture_fails_its_floor():
    feeds = list(feeds_for((IMAGE, STYLE), default_photos(1, 32)))
    slight, wrong = (compare(Painter(), Painter(error), feeds) for error in (1e-4, 0.2))
    assert slight.passes("fp32")
    assert slight.mean_psnr == pytest.approx(80, abs=1.5)
    assert not wrong.passes("fp16")
    assert not slight.passes("fp32", floor=1.0)
    nothing = compare(Painter(), Painter(float("nan")), feeds)
    assert not nothing.passes("int8", floor=0.001)


def test_mean_psnr_is_that_of_the_mean_error():
    assert Likeness(psnr=[20.0, 20.0]).mean_psnr == pytest.approx(20)
    assert Likeness(psnr=[20.0, float("inf")]).mean_psnr == pytest.approx(23.01, abs=0.01)


def test_every_output_has_to_pass_not_their_mean():
    good, bad, number = Likeness([1.0], [90.0]), Likeness([0.2], [10.0]), Likeness([], [4.5])
    assert Comparison({"a": good}).passes("fp32")
    assert not Comparison({"a": good, "b": bad}).passes("int8")
    assert not Comparison({"a": good, "b": number}).passes("int8")
    both = Comparison({"a": good, "b": bad, "c": number})
    assert (both.mean_ssim, both.mean_psnr) == (0.2, pytest.approx(4.5))


def test_a_missing_input_is_named():
    with pytest.raises(BrushportError, match="'style'"):
        Painter().run({"image": np.zeros(IMAGE.shape, np.float32)})


def test_ports_survive_json():
    assert ports_from_json(ports_to_json((IMAGE, STYLE), (PAINTING,))) == ((IMAGE, STYLE), (PAINTING,))


def test_pixels_survive_quantization():
    detail = {"dtype": np.uint8, "quantization": (2 / 255, 128)}
    pixels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantize(dequantize(pixels, detail), detail), pixels)
    assert quantize(np.array([-9.0, 9.0]), detail).tolist() == [0, 255]
