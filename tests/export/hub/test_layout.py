"""Models whose pictures are NHWC, as TensorFlow's exporters leave them: no Transpose is left, on TFLite neither."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from export.hub import load_hub
from export.tflite.compiler import compile_tflite, lower
from tests.export.hub.graphs import build, normal, ops

TO_NCHW, TO_NHWC = "Transpose<perm=[0,3,1,2]>", "Transpose<perm=[0,2,3,1]>"
WEIGHTS = {
    "w": normal(8, 3, 3, 3) * 0.2,
    "bias": normal(8) * 0.1,
    "v": normal(8, 8, 3, 3) * 0.1,
    "o": normal(3, 8, 3, 3) * 0.1,
    "up": normal(8, 8, 2, 2) * 0.2,
    "hw": np.array([1, 2]),
    "ghw": np.array([1, 2, 4]),
    "last": np.array([-1]),
    "eps": np.float32(1e-3),
    "half": np.float32(0.5),
    "minus_half": np.float32(-0.5),
    "gamma": normal(8),
    "beta": normal(8, seed=1),
    "same": np.array([0, 1, 1, 0, 0, 1, 1, 0]),
    "mean": np.array([0.485, 0.456, 0.406]),
    "deviation": np.array([0.229, 0.224, 0.225]),
    "dense": normal(8, 8) * 0.3,
    "squeezed": np.array([1, 1, 1, 8]),
    "groups": np.array([1, 14, 18, 2, 4]),
    "joined": np.array([1, 14, 18, 8]),
    "two": np.array([1, 2, 2, 1], np.float32),
    "blocks": np.array([1, 14, 18, 2, 2, 2]),
    "shuffled": np.array([1, 28, 36, 2]),
    "two_to_three": normal(3, 2, 1, 1),
    "eight_to_three": normal(3, 8, 1, 1) * 0.3,
    "one": np.float32(1),
}
MOMENTS = (
    "m = ReduceMean(n, hw) d = Sub(n, m) q = Mul(d, d) s = ReduceMean(q, hw) e = Add(s, eps) r = Sqrt(e) "
    "i = Reciprocal(r) "
)
GROUPS = (
    "g = Reshape(n, groups) m = ReduceMean(g, ghw) d = Sub(g, m) q = Mul(d, d) s = ReduceMean(q, ghw) e = Add(s, eps) "
    "r = Sqrt(e) f = Div(d, r) j = Reshape(f, joined) k = Mul(j, gamma) "
)
MIDDLES = {  # from n to y, both (1, 14, 18, 8) NHWC
    "elements": "c = Add(n, beta) y = Sigmoid(c)",
    "instance norm": MOMENTS + "k = Mul(d, i) l = Mul(k, gamma) y = Add(l, beta)",
    "instance norm by Keras": MOMENTS + "f = Mul(i, gamma) p = Mul(n, f) t = Mul(m, f) u = Sub(beta, t) y = Add(p, u)",
    "group norm": GROUPS + "y = Add(k, beta)",
    "layer norm": MOMENTS.replace("hw", "last") + "k = Mul(d, i) l = Mul(k, gamma) y = Add(l, beta)",
    "dense": "c = MatMul(n, dense) d = Add(c, beta) y = Relu(d)",
    "mirrored borders": f'p = Pad<mode="reflect">(n, same) t = {TO_NCHW}(p) c = Conv(t, v) y = {TO_NHWC}(c)',
    "padding and pooling": f"p = Pad(n, same) t = {TO_NCHW}(p) c = MaxPool<kernel_shape=[3,3]>(t) y = {TO_NHWC}(c)",
    "squeeze and excite": "m = ReduceMean<keepdims=0>(n, hw) c = MatMul(m, dense) s = Sigmoid(c) "
    "u = Reshape(s, squeezed) y = Mul(n, u)",
    "concat": "a = Relu(n) b = Neg(n) k = Concat<axis=3>(a, b) s, t = Split<axis=3, num_outputs=2>(k) y = Sub(s, t)",
    "attention over channels": "s = Softmax<axis=-1>(n) y = Mul(n, s)",
    "prelu": "r = Relu(n) m = Neg(n) p = Relu(m) k = Mul(p, gamma) y = Sub(r, k)",
    "resize and pool": f"c = Resize(n, , two) t = {TO_NCHW}(c) p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(t) "
    f"y = {TO_NHWC}(p)",
}
ENDS = {  # from y to the painting
    "convolution": f"e1 = {TO_NCHW}(y) e2 = Conv(e1, eight_to_three) e3 = Sigmoid(e2) painting = {TO_NHWC}(e3)",
    "behind the convolution": f"e1 = {TO_NCHW}(y) e2 = Conv(e1, eight_to_three) e3 = {TO_NHWC}(e2) e4 = Tanh(e3) "
    "e5 = Add(e4, one) painting = Mul(e5, half)",
    "depth to space": "e1 = Reshape(y, blocks) e2 = Transpose<perm=[0,1,3,2,4,5]>(e1) e3 = Reshape(e2, shuffled) "
    f"e4 = {TO_NCHW}(e3) e5 = Conv(e4, two_to_three) painting = {TO_NHWC}(e5)",
}
START = f"z0 = Sub(image, mean) z1 = Div(z0, deviation) z2 = {TO_NCHW}(z1) z3 = Conv(z2, w, bias) n = {TO_NHWC}(z3) "


def check(
    tmp_path, body, weights=None, size=(16, 20), signature="g (float[1,16,20,3] image) => (float[N,A,B,C] painting)"
):
    """Compile an NHWC file for TFLite; compare with ONNX Runtime on the file. Returns the hub."""
    model = build(signature, body, weights or WEIGHTS)
    path = tmp_path / "m.onnx"
    ir.save(model, path)
    x = np.random.default_rng(0).random((1, 16, 20, 3), dtype=np.float32)
    options = onnxruntime.SessionOptions()  # its PadFusion merges zeros into a MaxPool, which is wrong
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    expected = onnxruntime.InferenceSession(path, options).run(None, {"image": x})[0]
    hub = load_hub(path, value_range=(0, 1))
    codes = [operator.code for operator in lower(hub, "tensor").operations]
    assert "TRANSPOSE" not in codes, codes
    compile_tflite(hub, tmp_path / "m.tflite", io="tensor")
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(tmp_path / "m.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found.shape == expected.shape
    error = np.sqrt(np.mean((found - expected) ** 2)) / np.abs(expected).max()
    assert -20 * np.log10(max(error, 1e-9)) > 100
    return hub


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("middle", MIDDLES.values(), ids=MIDDLES)
def test_channels_last_model(tmp_path, middle, end):
    hub = check(tmp_path, START + middle + " " + end)
    assert hub.inputs[0].shape == (1, 3, 16, 20)
    assert hub.outputs[0].shape[1] == 3
    assert [note.split()[0] for note in hub.notes[:2]] == ["Input", "Output"]


@pytest.mark.parametrize("body", ["painting = Relu(image)", "c = Mul(image, image) painting = Clip(c)"])
def test_elements_only(tmp_path, body):
    hub = check(tmp_path, body)
    assert hub.inputs[0].shape == hub.outputs[0].shape == (1, 3, 16, 20)


def test_picture_and_mask(tmp_path):
    """Every NHWC output is turned, of any number of channels; a vector is not."""
    model = build(
        "g (float[1,16,20,3] image) => (float[N,A,B,C] painting, float[N,A,B,C] classes, float[N,C] scores)",
        f"{START} classes = Softmax(n) k = {TO_NCHW}(n) c = Conv(k, eight_to_three) painting = {TO_NHWC}(c) "
        "scores = ReduceMean<keepdims=0>(classes, hw)",
        WEIGHTS,
    )
    ir.save(model, tmp_path / "m.onnx")
    hub = load_hub(tmp_path / "m.onnx", value_range=(0, 1))
    assert [port.shape for port in hub.outputs] == [(1, 3, 14, 18), (1, 8, 14, 18), (1, 8)]
    assert ops(hub.model)["Transpose"] == 0


def test_channels_first_that_looks_like_channels_last(tmp_path):
    """1×16×20×3 that goes into a convolution of 16 channels is NCHW."""
    weights = {"w": normal(3, 16, 3, 3)}
    ir.save(
        build("g (float[1,16,20,3] x) => (float[N,C,H,W] y)", "r = Relu(x) y = Conv<pads=[1,1,1,1]>(r, w)", weights),
        tmp_path / "m.onnx",
    )
    hub = load_hub(tmp_path / "m.onnx", value_range=(0, 1))
    assert (hub.inputs[0].shape, hub.outputs[0].shape) == ((1, 16, 20, 3), (1, 3, 20, 3))


def test_picture_with_alpha(tmp_path):
    """Four channels at the end are channels if the file transposes them to where channels are."""
    weights = {"w": normal(3, 4, 3, 3)}
    body = f"t = {TO_NCHW}(x) c = Conv(t, w) y = {TO_NHWC}(c)"
    ir.save(build("g (float[1,16,20,4] x) => (float[N,C,H,W] y)", body, weights), tmp_path / "m.onnx")
    hub = load_hub(tmp_path / "m.onnx", value_range=(0, 1))
    assert (hub.inputs[0].shape, hub.outputs[0].shape) == ((1, 4, 16, 20), (1, 3, 14, 18))
    assert ops(hub.model) == {"Conv": 1}


@pytest.mark.parametrize(("last", "shape"), [(TO_NHWC, (1, 3, 14, 18)), ("Transpose<perm=[0,2,1,3]>", (1, 14, 3, 18))])
def test_only_the_output_is_channels_last(tmp_path, last, shape):
    """A network from PyTorch that ends in permute(0, 2, 3, 1)."""
    body = f"c = Conv(x, w) y = {last}(c)"
    model = build("g (float[1,3,16,20] x) => (float[N,C,H,W] y)", body, {"w": normal(3, 3, 3, 3)})
    ir.save(model, tmp_path / "m.onnx")
    hub = load_hub(tmp_path / "m.onnx", value_range=(0, 1))
    assert hub.outputs[0].shape == shape


def test_plain_tensors_keep_their_layout(tmp_path):
    ir.save(build("g (float[1,16,20,3] x) => (float[N,C,H,W] y)", "y = Relu(x)"), tmp_path / "m.onnx")
    hub = load_hub(tmp_path / "m.onnx", tensors=True)
    assert hub.inputs[0].shape == hub.outputs[0].shape == (1, 16, 20, 3)
