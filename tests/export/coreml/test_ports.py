"""Names of inputs and outputs in the package: all there, the ones that ``port_names`` tells."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from export.coreml import compile_coreml, port_names
from export.hub import load_hub
from tests.export.hub.test_load import save
from validate.coreml import CoreMLModel
from validate.errors import UnsupportedError

SIGNATURE = "g (float[1,3,8,8] image) => (float[1,3,8,8] first, float[1,3,8,8] second)"
EQUAL = {  # whether they are squashed
    "s = Sigmoid(image) first = Identity(s) second = Identity(s)": True,
    "first = Identity(image) second = Identity(image)": False,
}


def renamed(hub):
    """The hub with outputs of names that Core ML does not take."""
    outputs = tuple(replace(port, name=f"{port.name}/out.{i}") for i, port in enumerate(hub.outputs))
    return replace(hub, outputs=outputs)


@pytest.mark.parametrize("io", ["tensor", "image"])
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("body", "squashed"), EQUAL.items())
def test_every_output_has_its_name_and_value(tmp_path, body, squashed, merged, io):
    hub = renamed(load_hub(save(tmp_path / "m.onnx", SIGNATURE, body, {}), value_range=(0, 1)))
    if merged:  # a hub from elsewhere may hold one value twice
        hub.model.graph.outputs[0] = hub.model.graph.outputs[1]
    compile_coreml(hub, tmp_path / "m.mlpackage", precision="fp32", io=io)
    names = port_names(hub)
    assert names == {"image": "image", "first/out.0": "first_out_0", "second/out.1": "second_out_1"}
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    image = pixels.astype(np.float32) / 255
    fed = Image.fromarray(pixels) if io == "image" else image.transpose(2, 0, 1)[None]
    got = CoreMLModel(tmp_path / "m.mlpackage").predict({"image": fed})
    assert set(got) == {"first_out_0", "second_out_1"}
    expected = 1 / (1 + np.exp(-image)) if squashed else image
    for output in got.values():
        if io == "image":
            assert np.abs(np.asarray(output) - 255 * expected).max() < 0.51
        else:
            np.testing.assert_allclose(output[0].transpose(1, 2, 0), expected, atol=1e-5)


def test_names_that_become_equal_are_refused(tmp_path):
    hub = load_hub(save(tmp_path / "m.onnx", SIGNATURE, next(iter(EQUAL)), {}), value_range=(0, 1))
    outputs = (replace(hub.outputs[0], name="a/b"), replace(hub.outputs[1], name="a.b"))
    with pytest.raises(UnsupportedError, match="both be named 'a_b'"):
        port_names(replace(hub, outputs=outputs))
