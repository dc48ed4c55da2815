"""Pictures in and out: color order, gray, scaling, rounding and clamping to 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.validate.coreml.programs import builder
from validate.coreml import CoreMLModel
from validate.coreml.tools import load_coremltools
from validate.errors import BrushportError

SIZE = (48, 64)


def _photo(mode="RGB"):
    return Image.fromarray(data.astronaut()[100 : 100 + SIZE[0], 150 : 150 + SIZE[1]]).convert(mode)


def _model(path, body, layout_in="RGB", layout_out="RGB", scale=1 / 255, bias=(0.0, 0.0, 0.0), size=SIZE):
    ct = load_coremltools()
    mb = builder()

    channels = 1 if "GRAY" in layout_in else 3

    @mb.program(input_specs=[mb.TensorSpec((1, channels, *SIZE))], opset_version=ct.target.iOS16)
    def program(picture):
        return body(mb, picture)

    order_in, order_out = (getattr(ct.colorlayout, name) for name in (layout_in, layout_out))
    program.functions["main"].set_output_types([ct.ImageType("painting", color_layout=order_out)])
    shape = (1, channels, *size)
    picture = ct.ImageType(
        "picture", shape, scale=scale, bias=bias[0] if channels == 1 else list(bias), color_layout=order_in
    )
    model = ct.convert(
        program,
        inputs=[picture],
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    model.save(str(path))
    return CoreMLModel(path, engine="onnxruntime")


def _times(factor, offset=0.0):
    def body(mb, x):
        return mb.add(x=mb.mul(x=x, y=np.float32(factor)), y=np.float32(offset), name="painting")

    return body


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_identity_gives_the_same_picture(tmp_path, layout):
    model = _model(tmp_path / "m.mlpackage", _times(255.0), layout, layout)
    painting = model.predict({"picture": _photo()})["painting"]
    assert painting.mode == "RGB" and painting.size == (SIZE[1], SIZE[0])
    assert np.abs(np.asarray(painting, int) - np.asarray(_photo(), int)).max() <= 1  # 1/255 in fp16


def test_channels_come_in_the_order_of_the_layout(tmp_path):
    """RGB in and BGR out with nothing between swaps red and blue."""
    model = _model(tmp_path / "m.mlpackage", _times(255.0), "RGB", "BGR")
    painting = np.asarray(model.predict({"picture": _photo()})["painting"], int)
    assert np.abs(painting[..., ::-1] - np.asarray(_photo(), int)).max() <= 1


def test_gray(tmp_path):
    model = _model(tmp_path / "m.mlpackage", _times(255.0), "GRAYSCALE", "GRAYSCALE")
    painting = model.predict({"picture": _photo("L")})["painting"]
    assert painting.mode == "L"
    assert np.abs(np.asarray(painting, int) - np.asarray(_photo("L"), int)).max() <= 1


def test_scale_and_bias_are_applied(tmp_path):
    bias = (-0.5, 0.25, 0.0)
    model = _model(tmp_path / "m.mlpackage", _times(1.0), scale=1 / 64, bias=bias)
    raw = model.predict_raw({"picture": _photo()})["painting"]
    pixels = np.asarray(_photo(), np.float32).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(raw, pixels / 64 + np.reshape(bias, (1, 3, 1, 1)), atol=4e-3)


def test_output_is_rounded_and_clamped(tmp_path):
    model = _model(tmp_path / "m.mlpackage", _times(510.0, -128.4))
    raw = model.predict_raw({"picture": _photo()})["painting"]
    painting = np.asarray(model.predict({"picture": _photo()})["painting"])
    assert raw.min() < 0 and raw.max() > 255
    np.testing.assert_array_equal(painting, np.clip(np.rint(raw[0].transpose(1, 2, 0)), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 3, *SIZE), np.float32), "give a PIL image"),
        (_photo("L"), "mode RGB"),
        (_photo().resize((32, 32)), "64x48"),
    ],
)
def test_what_is_no_such_picture_is_refused(tmp_path, value, message):
    model = _model(tmp_path / "m.mlpackage", _times(255.0))
    with pytest.raises(BrushportError, match=message):
        model.predict({"picture": value})
