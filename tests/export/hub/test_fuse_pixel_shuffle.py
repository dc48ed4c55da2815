import numpy as np
import pytest

from export.hub.passes.fuse_pixel_shuffle import fuse_pixel_shuffle
from tests.export.hub.graphs import apply, ops, prepared


def model_of(six, perm, result, shape="1,8,3,5"):
    body = f"a = Reshape(x, six) t = Transpose<perm={list(perm)}>(a) y = Reshape(t, result)"
    weights = {"six": np.array(six), "result": np.array(result)}
    return prepared(f"g (float[{shape}] x) => (float[N,C,H,W] y)", body, weights)


@pytest.mark.parametrize(
    ("six", "perm", "mode"),
    [((-1, 2, 2, 2, 3, 5), (0, 1, 4, 2, 5, 3), "CRD"), ((1, 2, 2, 2, 3, 5), (0, 3, 4, 1, 5, 2), "DCR")],
)
def test_depth_to_space(six, perm, mode):
    model = model_of(six, perm, (-1, 2, 6, 10))
    assert apply(fuse_pixel_shuffle, model, tolerance=0) == 1
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


@pytest.mark.parametrize(
    ("six", "perm", "result", "shape"),
    [
        ((1, 2, 2, 2, 3, 5), (0, 1, 4, 3, 5, 2), (1, 2, 6, 10), "1,8,3,5"),  # rows and columns swapped
        ((1, 2, 2, 3, 3, 3), (0, 3, 1, 5, 2, 4), (1, 18, 2, 3), "1,2,6,9"),  # channels between rows and columns
        ((1, 1, 2, 4, 3, 5), (0, 1, 4, 2, 5, 3), (1, 1, 6, 20), "1,8,3,5"),  # a block that is no square
        ((1, 2, 2, 2, 3, 5), (0, 1, 4, 2, 5, 3), (1, 2, 12, 5), "1,8,3,5"),  # another shape at the end
        ((1, 2, 2, 2, 5, 3), (0, 1, 4, 2, 5, 3), (1, 2, 10, 6), "1,8,3,5"),  # height and width swapped
    ],
)
def test_stays(six, perm, result, shape):
    assert apply(fuse_pixel_shuffle, model_of(six, perm, result, shape), tolerance=0) == 0
