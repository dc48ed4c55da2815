import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.fuse_pixel_shuffle import fuse_pixel_shuffle
from tests.export.hub.graphs import apply, ops, prepared


def model_of(six, perm, result, shape="1,8,3,5"):
    body = f"a = Reshape(x, six) t = Transpose<perm={list(perm)}>(a) y = Reshape(t, result)"
    weights = {"six": np.array(six), "result": np.array(result)}
    return prepared(f"g (float[{shape}] x) => (float[N,C,H,W] y)", body, weights)


@pytest.mark.parametrize(
    ("six", "perm", "mode"),
    [
        ((-1, 2, 2, 2, 3, 5), (0, 1, 4, 2, 5, 3), "CRD"),
        ((1, 2, 2, 2, 3, 5), (0, 3, 4, 1, 5, 2), "DCR"),
        ((2, 2, 2, 3, 5), (0, 3, 1, 4, 2), "CRD"),  # without the batch
        ((1, 2, 2, 2, 15, 1), (0, 1, 5, 4, 2, 3), None),  # nearly: height and width are not cut apart
    ],
)
def test_depth_to_space(six, perm, mode):
    model = model_of(six, perm, (-1, 2, 6, 10))
    assert apply(fuse_pixel_shuffle, model, tolerance=0) == (mode is not None)
    if mode is not None:
        (node,) = model.graph
        assert (node.op_type, node.attributes["mode"].value, node.attributes["blocksize"].value) == (
            "DepthToSpace",
            mode,
            2,
        )


def test_space_to_depth():
    model = model_of((1, 2, 2, 3, 3, 3), (0, 3, 5, 1, 2, 4), (1, 18, 2, 3), "1,2,6,9")
    assert apply(fuse_pixel_shuffle, model, tolerance=0) == 1
    assert ops(model) == {"SpaceToDepth": 1}


@pytest.mark.parametrize(("channels", "op"), [(2, "Conv"), (1, "SpaceToDepth")])
def test_pixel_unshuffle(channels, op):
    six, result = (1, channels, 2, 3, 3, 3), (1, 9 * channels, 2, 3)
    model = model_of(six, (0, 1, 3, 5, 2, 4), result, f"1,{channels},6,9")
    assert apply(fuse_pixel_shuffle, model, tolerance=0) == 1
    assert ops(model) == {op: 1}


SPELLED_OUT = {
    # three channels a block of 2×2 in NHWC, as TensorFlow code writes depth_to_space and space_to_depth by hand
    "shuffle in NHWC": (
        "1,12,3,5",
        "n = Transpose<perm=[0,2,3,1]>(x) a = Reshape(n, s1) t = Transpose<perm=[0,1,3,2,4,5]>(a) b = Reshape(t, s2) "
        "y = Transpose<perm=[0,3,1,2]>(b)",
        {"s1": (1, 3, 5, 2, 2, 3), "s2": (1, 6, 10, 3)},
        "DepthToSpace",
    ),
    "unshuffle in NHWC": (
        "1,3,6,10",
        "n = Transpose<perm=[0,2,3,1]>(x) a = Reshape(n, s1) t = Transpose<perm=[0,1,3,2,4,5]>(a) b = Reshape(t, s2) "
        "y = Transpose<perm=[0,3,1,2]>(b)",
        {"s1": (1, 3, 2, 5, 2, 3), "s2": (1, 3, 5, 12)},
        "SpaceToDepth",
    ),
    "rows first, then columns": (
        "1,8,3,5",
        "a = Reshape(x, s1) t = Transpose<perm=[0,1,4,2,3,5]>(a) b = Reshape(t, s2) u = Transpose<perm=[0,1,2,4,3]>(b) "
        "y = Reshape(u, s3)",
        {"s1": (1, 2, 2, 2, 3, 5), "s2": (1, 2, 6, 2, 5), "s3": (1, 2, 6, 10)},
        "DepthToSpace",
    ),
    "squeezed": (
        "1,8,3,5",
        "q = Squeeze(x, zero) a = Reshape(q, s1) t = Transpose<perm=[0,3,1,4,2]>(a) b = Reshape(t, s2) "
        "y = Unsqueeze(b, zero)",
        {"s1": (2, 2, 2, 3, 5), "s2": (2, 6, 10), "zero": (0,)},
        "DepthToSpace",
    ),
}


@pytest.mark.parametrize(("shape", "body", "weights", "op"), SPELLED_OUT.values(), ids=SPELLED_OUT)
def test_other_spellings(shape, body, weights, op):
    weights = {name: np.array(value) for name, value in weights.items()}
    model = prepared(f"g (float[{shape}] x) => (float[N,C,H,W] y)", body, weights)
    apply(simplify, model, tolerance=0)
    assert ops(model) == {op: 1}


@pytest.mark.parametrize(
    ("six", "perm", "result", "shape"),
    [
        ((1, 2, 2, 2, 3, 5), (0, 1, 4, 3, 5, 2), (1, 2, 6, 10), "1,8,3,5"),  # rows and columns swapped
        ((1, 2, 2, 3, 3, 3), (0, 3, 1, 5, 2, 4), (1, 18, 2, 3), "1,2,6,9"),  # channels between rows and columns
        ((1, 1, 2, 4, 3, 5), (0, 1, 4, 2, 5, 3), (1, 1, 6, 20), "1,8,3,5"),  # a block that is no square
        ((1, 2, 2, 2, 3, 5), (0, 1, 4, 2, 5, 3), (1, 2, 12, 5), "1,8,3,5"),  # another shape at the end
        ((1, 2, 2, 2, 5, 3), (0, 1, 4, 2, 5, 3), (1, 2, 10, 6), "1,8,3,5"),  # height and width swapped
        ((1, 2, 4, 3, 5), (0, 2, 1, 3, 4), (1, 8, 3, 5), "1,8,3,5"),  # a channel shuffle
    ],
)
def test_stays(six, perm, result, shape):
    assert apply(fuse_pixel_shuffle, model_of(six, perm, result, shape), tolerance=0) == 0


def test_truth_values_are_not_unshuffled_by_a_convolution():
    body = "t = Greater(x, zero) a = Reshape(t, six) b = Transpose<perm=[0,1,3,5,2,4]>(a) y = Reshape(b, shape)"
    weights = {"zero": np.float32(0), "six": np.array([1, 2, 3, 2, 5, 2]), "shape": np.array([1, 8, 3, 5])}
    model = prepared("g (float[1,2,6,10] x) => (bool[N,C,H,W] y)", body, weights)
    apply(simplify, model, tolerance=0)
    assert ops(model)["Conv"] == 0
