"""Names of inputs and outputs in the file: all there, all distinct, the ones that ``port_names`` tells."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.hub import load_hub
from export.tflite import compile_tflite, port_names
from tests.export.hub.test_load import save
from tests.export.tflite.support import to_nchw, to_nhwc
from validate.errors import UnsupportedError

SIGNATURE = "g (float[1,3,8,8] image) => (float[1,3,8,8] reshape_1, float[1,3,8,8] logistic_0)"
EQUAL = {  # how often each output is squashed
    "s = Sigmoid(image) reshape_1 = Identity(s) logistic_0 = Identity(s)": (1, 1),
    "reshape_1 = Identity(image) logistic_0 = Identity(image)": (0, 0),
    "s = Sigmoid(image) logistic_0 = Sigmoid(s) reshape_1 = Identity(image)": (0, 2),
}


@pytest.mark.parametrize("io", ["tensor", "image"])
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("body", "squashed"), EQUAL.items())
def test_every_output_has_its_name_and_value(tmp_path, body, squashed, merged, io):
    hub = load_hub(save(tmp_path / "m.onnx", SIGNATURE, body, {}), value_range=(0, 1))
    if merged and squashed[0] == squashed[1]:  # a hub from elsewhere may hold one value twice
        outputs = hub.model.graph.outputs
        outputs[0] = outputs[1]
    compile_tflite(hub, tmp_path / "m.tflite", io=io)
    interpreter = Interpreter(str(tmp_path / "m.tflite"))
    names = port_names(hub)
    assert [d["name"] for d in interpreter.get_input_details()] == [names["image"]]
    assert [d["name"] for d in interpreter.get_output_details()] == [names["reshape_1"], names["logistic_0"]]
    stored = [d["name"] for d in interpreter.get_tensor_details() if d["name"]]
    assert len(set(stored)) == len(stored)
    signature = interpreter.get_signature_runner()
    assert set(signature.get_output_details()) == {"reshape_1", "logistic_0"}
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
    image = pixels.astype(np.float32) / 255
    got = signature(image=to_nhwc(image if io == "tensor" else pixels))
    for name, times in zip(("reshape_1", "logistic_0"), squashed, strict=True):
        expected = image
        for _ in range(times):
            expected = 1 / (1 + np.exp(-expected))
        if io == "image":
            assert np.abs(to_nchw(got[name]) - 255 * expected).max() < 0.51
        else:
            np.testing.assert_allclose(to_nchw(got[name]), expected, atol=1e-5)


def test_names_that_clash_are_refused(tmp_path):
    hub = load_hub(save(tmp_path / "m.onnx", SIGNATURE, next(iter(EQUAL)), {}), value_range=(0, 1))
    twice = type(hub)(hub.model, hub.name, hub.inputs, (hub.outputs[0], hub.outputs[0]))
    with pytest.raises(UnsupportedError, match="both named 'reshape_1'"):
        compile_tflite(twice, tmp_path / "m.tflite")
