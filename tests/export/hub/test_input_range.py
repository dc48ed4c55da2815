"""How a model normalizes its input tells which pixels it takes, apart from what it gives."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from export.hub import load_hub
from tests.export.hub.graphs import normal, ops
from tests.export.hub.test_load import FIXED, compute, save
from validate.errors import BrushportError

UNIT, BYTES, SIGNED = (0, 1), (0, 255), (-1, 1)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CHANNELS = (3, 1, 1)
W = {"w": normal(3, 3, 3, 3) / 9, "k255": np.float32(255)}
PAINT = "c = Conv(n, w) painting = Sigmoid(c)"
NORMALIZATIONS = {
    "divided by 255": ("n = Div(image, k255)", {}, BYTES),
    "times 1/255": ("n = Mul(image, a)", {"a": np.float32(1 / 255)}, BYTES),
    "to -1..1 from bytes": ("d = Sub(image, a) n = Div(d, a)", {"a": np.float32(127.5)}, BYTES),
    "divided by 127.5, less 1": (
        "d = Div(image, a) n = Sub(d, b)",
        {"a": np.float32(127.5), "b": np.float32(1)},
        BYTES,
    ),
    "mean and deviation of bytes": (
        "p = Pad(image, pads) d = Sub(p, a) n = Div(d, b)",
        {"a": 255 * MEAN.reshape(CHANNELS), "b": 255 * STD.reshape(CHANNELS), "pads": [0, 0, 1, 1, 0, 0, 1, 1]},
        BYTES,
    ),
    "mean of bytes alone": ("n = Sub(image, a)", {"a": 255 * MEAN.reshape(CHANNELS)}, BYTES),
    "batch norm of bytes": (
        "n = BatchNormalization(image, one, zero, a, b)",
        {"one": np.ones(3), "zero": np.zeros(3), "a": 255 * MEAN, "b": (255 * STD) ** 2},
        BYTES,
    ),
    "clipped bytes": ("n = Clip(image, zero, k255)", {"zero": np.float32(0)}, BYTES),
    "2x - 1": ("d = Mul(image, a) n = Sub(d, b)", {"a": np.float32(2), "b": np.float32(1)}, UNIT),
    "to -1..1 from 0..1": ("d = Sub(image, a) n = Div(d, a)", {"a": np.float32(0.5)}, UNIT),
    "mean and deviation": (
        "d = Sub(image, a) n = Div(d, b)",
        {"a": MEAN.reshape(CHANNELS), "b": STD.reshape(CHANNELS)},
        UNIT,
    ),
    "times 255": ("n = Mul(k255, image)", {}, UNIT),
    "from -1..1": ("d = Add(image, a) n = Mul(d, b)", {"a": np.float32(1), "b": np.float32(0.5)}, SIGNED),
}


@pytest.mark.parametrize("scale", [None, 255], ids=["gives 0..1", "gives 0..255"])
@pytest.mark.parametrize(("body", "weights", "expected"), NORMALIZATIONS.values(), ids=NORMALIZATIONS)
def test_normalization_tells_the_input_range(tmp_path, body, weights, expected, scale):
    paint = PAINT if scale is None else "c = Conv(n, w) s = Sigmoid(c) painting = Mul(s, k255)"
    weights = {name: np.asarray(array) for name, array in weights.items()}
    hub = load_hub(save(tmp_path / "m.onnx", FIXED, f"{body} {paint}", {**W, **weights}))
    assert hub.inputs[0].value_range == expected
    assert hub.outputs[0].value_range == (UNIT if scale is None else BYTES)
    (note,) = hub.notes
    assert f"Input range taken as {expected[0]}..{expected[1]} because" in note
    assert "output range taken as" in note
    assert "--range" in note
    assert "--output-range" in note


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        (f"n = Identity(image) {PAINT}", {}),
        (f"n = Add(image, a) {PAINT}", {"a": 1}),  # as in a logarithm of x + 1
        (f"n = Mul(image, a) {PAINT}", {"a": 7}),
        (f"n = Sub(a, image) {PAINT}", {"a": 0.5}),  # a negative
        ("d = Div(image, k255) n = Mul(image, k255) s = Add(d, n) painting = Sigmoid(s)", {}),  # both
    ],
    ids=["nothing", "plus one", "times seven", "negative", "contradiction"],
)
def test_without_a_sign_the_input_is_as_the_output(tmp_path, body, weights):
    weights = {name: np.float32(number) for name, number in weights.items()}
    hub = load_hub(save(tmp_path / "m.onnx", FIXED, body, {**W, **weights}))
    assert hub.inputs[0].value_range == hub.outputs[0].value_range == UNIT


def test_the_photo_is_in_the_range_of_the_input(tmp_path):
    body = "n = Div(image, k255) c = Conv(n, w) painting = Relu(c)"  # nothing bounds it
    identity = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    hub = load_hub(save(tmp_path / "m.onnx", FIXED, body, {**W, "w": identity}))
    assert (hub.inputs[0].value_range, hub.outputs[0].value_range) == (BYTES, UNIT)
    assert "a photo in 0..255 comes out as 0.00..0." in hub.notes[0]
    back = "n = Div(image, k255) c = Conv(n, w) r = Relu(c) painting = Mul(r, k255)"
    hub = load_hub(save(tmp_path / "m.onnx", FIXED, back, {**W, "w": identity}))
    assert (hub.inputs[0].value_range, hub.outputs[0].value_range) == (BYTES, BYTES)


@pytest.mark.parametrize(
    ("metadata", "options", "expected"),
    [
        (None, {}, (BYTES, UNIT)),
        (None, {"value_range": UNIT}, (UNIT, UNIT)),
        (None, {"value_range": BYTES}, (BYTES, BYTES)),
        (None, {"output_range": SIGNED}, (BYTES, SIGNED)),
        (None, {"value_range": UNIT, "output_range": BYTES}, (UNIT, BYTES)),
        ({"value_range": UNIT}, {}, (UNIT, UNIT)),
        ({"value_range": UNIT, "output_range": SIGNED}, {}, (UNIT, SIGNED)),
        ({"value_range": UNIT, "output_range": SIGNED}, {"value_range": BYTES}, (BYTES, BYTES)),
        ({"value_range": UNIT, "output_range": SIGNED}, {"output_range": BYTES}, (UNIT, BYTES)),
        ({"output_range": SIGNED}, {}, (BYTES, SIGNED)),
    ],
)
def test_what_is_stated_goes_before_what_is_seen(tmp_path, metadata, options, expected):
    path = save(tmp_path / "m.onnx", FIXED, f"n = Div(image, k255) {PAINT}", W, metadata)
    hub = load_hub(path, **options)
    assert (hub.inputs[0].value_range, hub.outputs[0].value_range) == expected
    assert hub.notes == () or "range" in hub.notes[0]


@pytest.mark.parametrize("output_range", [(1, 0), (0,), "01x"])
def test_wrong_output_range(tmp_path, output_range):
    with pytest.raises(BrushportError, match="range"):
        load_hub(save(tmp_path / "m.onnx", FIXED, f"n = Div(image, k255) {PAINT}", W), output_range=output_range)


def test_a_saved_hub_still_knows_what_was_folded(tmp_path):
    path = save(tmp_path / "m.onnx", FIXED, f"n = Div(image, k255) {PAINT}", W)
    hub = load_hub(path)
    assert ops(hub.model) == {"Conv": 1, "Sigmoid": 1}
    onnx.save(ir.to_proto(hub.model), tmp_path / "again.onnx")
    again = load_hub(tmp_path / "again.onnx")
    assert (again.inputs, again.outputs) == (hub.inputs, hub.outputs)
    image = 255 * np.random.default_rng(0).random((1, 3, 32, 48), np.float32)
    np.testing.assert_allclose(compute(again.model, image=image), compute(hub.model, image=image), atol=1e-6)
