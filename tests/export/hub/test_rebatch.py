"""A batch that is fixed at more than one becomes one, or the file is refused."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from export.hub import load_hub
from tests.export.hub.graphs import normal
from tests.export.hub.test_load import save
from validate.errors import BrushportError

BATCH = 4
SIGNATURE = "g (float[4,3,32,48] image) => (float[4,C,H,W] painting)"
WEIGHTS = {
    "w": normal(4, 3, 3, 3),
    "one": np.ones(4),
    "zero": np.zeros(4),
    "apart": np.array([4, 1, 4, 32, 48]),
    "together": np.array([4, 4, 32, 48]),
    "twice": np.array([4, 4, 64, 96]),
    "mixed": np.array([1, 16, 32, 48]),
    "first": np.array([0]),
    "rows": np.array([3, 2, 1, 0]),
}
CONV = "c = Conv<pads=[1,1,1,1]>(image, w)"
ALONE = {
    "convolution": f"{CONV} painting = Sigmoid(c)",
    "instance norm": f"{CONV} painting = InstanceNormalization(c, one, zero)",
    "reshapes": f"{CONV} r = Reshape(c, apart) t = Tanh(r) painting = Reshape(t, together)",
    "resize to a size": f'{CONV} painting = Resize<mode="nearest">(c, , , twice)',
    "shape computed": f"{CONV} s = Shape(c) r = Reshape(c, apart) t = Tanh(r) painting = Reshape(t, s)",
}
MIXED = {
    "mean over the batch": f"{CONV} m = ReduceMean(c, first) painting = Sub(c, m)",
    "pictures in another order": f"{CONV} painting = Gather(c, rows)",
    "written into a reshape": f"{CONV} r = Reshape(c, mixed) t = Tanh(r) painting = Reshape(t, together)",
    "one picture comes out": f"{CONV} painting = ReduceMean(c, first)",
}


@pytest.mark.parametrize("body", ALONE.values(), ids=ALONE)
def test_one_picture_is_painted_as_among_others(tmp_path, body):
    path = save(tmp_path / "m.onnx", SIGNATURE, body, WEIGHTS)
    hub = load_hub(path, value_range=(0, 1))
    assert hub.inputs[0].shape == (1, 3, 32, 48)
    images = np.random.default_rng(1).random((BATCH, 3, 32, 48), np.float32)
    expected = onnxruntime.InferenceSession(path).run(None, {"image": images})[0]
    session = onnxruntime.InferenceSession(ir.to_proto(hub.model).SerializeToString())
    for image, painting in zip(images, expected, strict=True):
        np.testing.assert_allclose(session.run(None, {"image": image[None]})[0][0], painting, atol=2e-5)


@pytest.mark.parametrize("kind", ["convolution", "instance norm", "resize to a size"])
def test_batch_and_size_change_together(tmp_path, kind):
    hub = load_hub(save(tmp_path / "m.onnx", SIGNATURE, ALONE[kind], WEIGHTS), size=(16, 24), value_range=(0, 1))
    scale = 2 if "resize" in kind else 1
    assert (hub.inputs[0].shape, hub.outputs[0].shape) == ((1, 3, 16, 24), (1, 4, 16 * scale, 24 * scale))


@pytest.mark.parametrize("body", MIXED.values(), ids=MIXED)
def test_pictures_that_are_mixed_are_refused(tmp_path, body):
    with pytest.raises(BrushportError, match=r"takes 4 at a time.*batch size 1\.$"):
        load_hub(save(tmp_path / "m.onnx", SIGNATURE, body, WEIGHTS), value_range=(0, 1))


def test_batch_of_an_open_size(tmp_path):
    signature = "g (float[4,3,H,W] image) => (float[4,C,A,B] painting)"
    path = save(tmp_path / "m.onnx", signature, ALONE["convolution"], WEIGHTS)
    assert load_hub(path, size=(16, 24), value_range=(0, 1)).outputs[0].shape == (1, 4, 16, 24)
    with pytest.raises(BrushportError, match="--size"):
        load_hub(path)


def test_several_pictures_out_of_one_are_no_picture(tmp_path):
    signature = "g (float[1,3,8,8] image) => (float[2,3,8,8] both, float[1,3,8,8] painting)"
    hub = load_hub(
        save(tmp_path / "m.onnx", signature, "painting = Relu(image) both = Concat<axis=0>(image, painting)", {})
    )
    assert [port.is_image for port in hub.outputs] == [False, True]


def test_whole_numbers_beside_a_batch(tmp_path):
    signature = "g (float[4,3,8,8] image, int64[4] which) => (float[4,3,8,8] painting)"
    body = "shift = Gather(shifts, which) painting = Add(image, shift)"
    path = save(tmp_path / "m.onnx", signature, body, {"shifts": np.arange(9.0).reshape(3, 3, 1, 1)})
    assert [port.shape for port in load_hub(path, value_range=(0, 1)).inputs] == [(1, 3, 8, 8), (1,)]
