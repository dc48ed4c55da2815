"""Every output keeps its name and value, however many of them are equal."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from export.hub import load_hub
from tests.export.hub.test_load import save

SIGNATURE = "g (float[1,3,8,8] image) => (float[1,3,8,8] first, float[1,3,8,8] second)"
EQUAL = {  # how often each output is squashed
    "s = Sigmoid(image) first = Identity(s) second = Identity(s)": (1, 1),
    "first = Sigmoid(image) second = Identity(first)": (1, 1),
    "first = Sigmoid(image) second = Sigmoid(image)": (1, 1),
    "s = Sigmoid(image) first = Relu(s) second = Relu(s)": (1, 1),
    "first = Sigmoid(image) second = Identity(image)": (1, 0),
    "first = Identity(image) second = Identity(image)": (0, 0),
}


def outputs(model, image):
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return {value.name: session.run([value.name], {"image": image})[0] for value in session.get_outputs()}


@pytest.mark.parametrize(("body", "squashed"), EQUAL.items())
def test_equal_outputs_keep_their_names(tmp_path, body, squashed):
    hub = load_hub(save(tmp_path / "m.onnx", SIGNATURE, body, {}), value_range=(0, 1))
    assert [port.name for port in hub.outputs] == ["first", "second"]
    image = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    got = outputs(hub.model, image)
    assert list(got) == ["first", "second"]
    for output, times in zip(got.values(), squashed, strict=True):
        np.testing.assert_allclose(output, 1 / (1 + np.exp(-image)) if times else image, atol=1e-6)


def test_an_output_that_is_an_input_gets_a_name_of_its_own(tmp_path):
    signature = "g (float[1,3,8,8] image) => (float[1,3,8,8] image, float[1,3,8,8] image_2)"
    hub = load_hub(save(tmp_path / "m.onnx", signature, "image_2 = Relu(image)", {}), value_range=(0, 1))
    assert [port.name for port in hub.outputs] == ["image_3", "image_2"]
    assert "'image' is called 'image_3'" in hub.notes[0]
    image = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    got = outputs(hub.model, image)
    np.testing.assert_array_equal(got["image_3"], image)
    np.testing.assert_array_equal(got["image_2"], np.maximum(image, 0))
