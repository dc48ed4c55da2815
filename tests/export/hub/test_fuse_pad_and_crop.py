import numpy as np
import pytest

from export.hub.passes.explicit_pads import explicit_pads
from export.hub.passes.fuse_crop import fuse_crop
from export.hub.passes.fuse_pad import fuse_pad
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,4,9,8] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "w": normal(6, 4, 3, 3),
    "one_by_one": normal(6, 4, 1, 1),
    "u": normal(4, 6, 3, 3),
    "p": np.array([0, 0, 1, 0, 0, 0, 2, 1]),
    "spatial": np.array([1, 0, 1, 1]),
    "axes": np.array([2, 3]),
    "from_end": np.array([-2, -1]),
    "channels": np.array([0, 0, 1, 1, 0, 1, 1, 1]),
    "negative": np.array([0, 0, -1, 1, 0, 0, 1, 1]),
    "wide": np.array([0, 0, 0, 0, 0, 0, 4, 0]),
    "around": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "zeros": np.array([0]),
    "ones": np.array([1]),
    "rows": np.array([2]),
    "zero": np.float32(0),
    "one": np.float32(1),
    "lowest": np.float32(-np.inf),
    "smallest": np.finfo(np.float32).min,
    "minus": np.float32(-1),
}
FUSED_PADS = [
    "q = Pad(x, p) y = Conv(q, w)",
    "q = Pad(x, p, zero) y = Conv<pads=[1,1,1,1], strides=[2,2]>(q, w)",
    "q = Pad(x, spatial, zero, axes) y = Conv<dilations=[2,2]>(q, w)",
    'q = Pad(x, spatial, , from_end) y = Conv<auto_pad="VALID">(q, w)',
    "q = Pad(x, p) y = AveragePool<kernel_shape=[3,3]>(q)",
    "q = Pad(x, spatial, , axes) y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(q)",
    "q = Pad(x, p, lowest) y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(q)",
    "q = Pad(x, p, smallest) y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(q)",
    "r = Relu(x) q = Pad(r, p) y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(q)",
    "r = Tanh(x) q = Pad(r, p, minus) y = MaxPool<kernel_shape=[3,3]>(q)",
]
KEPT_PADS = [
    'q = Pad<mode="reflect">(x, p) y = Conv(q, w)',
    "q = Pad(x, p, one) y = Conv(q, w)",
    "q = Pad(x, channels) y = Conv(q, v)",
    "q = Pad(x, negative) y = Conv(q, w)",
    "q = Pad(x, p) c = Conv(q, w) r = ReduceMax(q) y = Mul(c, r)",
    "q = Pad(x, p) y = MaxPool<kernel_shape=[3,3]>(q)",
    "r = Tanh(x) q = Pad(r, p) y = MaxPool<kernel_shape=[3,3]>(q)",
    "r = Relu(x) q = Pad(r, p, one) y = MaxPool<kernel_shape=[3,3]>(q)",
    "r = Relu(x) q = Pad(r, wide) y = MaxPool<kernel_shape=[3,3]>(q)",
    "r = Relu(x) q = Pad(r, wide) y = MaxPool<kernel_shape=[3,3], dilations=[2,2]>(q)",  # ONNX Runtime takes 2 at most
    "r = Exp(x) s = Slice(r, zeros, ones, rows) q = Pad(s, around) y = MaxPool<kernel_shape=[2,2], dilations=[2,1]>(q)",
    "q = Pad(x, spatial, , axes) y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(q)",
    "q = Pad(x, wide) y = AveragePool<kernel_shape=[3,3]>(q)",
    "q = Pad(x, p) y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(q)",
    "q = Pad(x, p) y = ConvTranspose(q, u)",
]


@pytest.mark.parametrize("body", FUSED_PADS)
def test_pad_is_fused(body):
    model = prepared(IMAGE, body, WEIGHTS)
    assert apply(fuse_pad, model) == 1
    assert ops(model)["Pad"] == 0


@pytest.mark.parametrize("body", KEPT_PADS)
def test_pad_stays(body):
    model = prepared(IMAGE, body, {**WEIGHTS, "v": normal(6, 5, 3, 3)})
    assert apply(fuse_pad, model) == 0
    assert ops(model)["Pad"] == 1


def crop(attributes, **slice_inputs):
    weights = {"u": normal(4, 6, 3, 3), "b": normal(6), **{k: np.array(v) for k, v in slice_inputs.items()}}
    return prepared(IMAGE, f"c = ConvTranspose<{attributes}>(x, u, b) y = Slice(c, {', '.join(slice_inputs)})", weights)


@pytest.mark.parametrize(
    ("attributes", "starts", "ends"),
    [
        ("strides=[2,2]", [0, 0], [18, 16]),  # TensorFlow's SAME: one row and one column of 19×17 go
        ("strides=[2,2]", [1, 2], [-1, 1000]),
        ("strides=[2,2], pads=[1,0,0,1]", [0, 1], [-2, -1]),
        ("strides=[2,2], output_padding=[1,1]", [0, 0], [-1, -1]),  # the crop eats the output padding
        ("strides=[2,2], output_padding=[1,0]", [2, 0], [-3, -1]),
    ],
)
def test_crop_is_fused(attributes, starts, ends):
    model = crop(attributes, starts=starts, ends=ends, axes=[2, 3])
    assert apply(fuse_crop, model) == 1
    (node,) = model.graph
    assert node.op_type == "ConvTranspose"
    assert not any(node.attributes["output_padding"].value)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [([0], [3], [1], [1]), ([0], [10], [2], [2]), ([-1], [-5], [2], [-1])],
)
def test_slice_stays(starts, ends, axes, steps):
    model = crop("strides=[2,2]", starts=starts, ends=ends, axes=axes, steps=steps)
    assert apply(fuse_crop, model) == 0


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(
    "expression",
    [
        "Conv<auto_pad={mode}, strides=[2,2]>(x, w)",
        "Conv<auto_pad={mode}, strides=[1,3]>(x, w)",
        "ConvTranspose<auto_pad={mode}, strides=[2,2]>(x, u)",
        "ConvTranspose<auto_pad={mode}, strides=[3,4]>(x, u)",
        "ConvTranspose<auto_pad={mode}, strides=[2,2], output_shape=[17,16]>(x, u)",
        "ConvTranspose<auto_pad={mode}, strides=[2,2], output_shape=[17,16], output_padding=[1,0]>(x, u)",
        "MaxPool<auto_pad={mode}, kernel_shape=[2,3], strides=[2,2]>(x)",
        "AveragePool<auto_pad={mode}, kernel_shape=[3,2], strides=[2,1]>(x)",
    ],
)
def test_auto_pad_becomes_explicit(expression, mode):
    model = prepared(IMAGE, "y = " + expression.replace("{mode}", f'"{mode}"'), WEIGHTS)
    assert apply(explicit_pads, model) == 1
    (node,) = model.graph
    assert "auto_pad" not in node.attributes


@pytest.mark.parametrize(
    "expression",
    [
        'ConvTranspose<auto_pad="SAME_UPPER", strides=[2,2], output_padding=[1,1]>(x, u)',
        'MaxPool<auto_pad="SAME_UPPER", kernel_shape=[2,2], dilations=[2,2]>(x)',
        'AveragePool<auto_pad="SAME_UPPER", kernel_shape=[2,1], strides=[2,3]>(x)',
        'AveragePool<auto_pad="SAME_UPPER", kernel_shape=[1,1], strides=[2,2], ceil_mode=1>(x)',
        'Conv<auto_pad="SAME_UPPER", strides=[1,4]>(x, one_by_one)',
    ],
)
def test_auto_pad_that_onnx_runtime_reads_differently_stays(expression):
    model = prepared(IMAGE, f"y = {expression}", WEIGHTS)
    assert explicit_pads(model) == 0
    assert model.graph[0].attributes["auto_pad"].as_string() == "SAME_UPPER"
