import numpy as np
import pytest

from tests.export.hub.decompose.support import check, unfolded
from validate.errors import UnsupportedError


@pytest.mark.parametrize("attributes", ["", "lambd=0.8", "bias=0.3", "lambd=0.2, bias=-0.7"])
def test_shrink(attributes):
    check("g (float[2,3,4] x) => (float[2,3,4] y)", f"y = Shrink<{attributes}>(x)", ["Shrink"])


def test_shrink_of_whole_numbers():
    check("g (int32[20] x) => (int32[20] y)", "y = Shrink<lambd=2.0, bias=1.0>(x)", ["Shrink"])
    with pytest.raises(UnsupportedError, match=r"Shrink.*fraction"):
        check("g (int32[20] x) => (int32[20] y)", "y = Shrink<lambd=1.5>(x)", ["Shrink"])


@pytest.mark.parametrize("to", ["int32", "int64", "bool"])
def test_cast_like(to):
    unfolded(f"g (float[6] x, {to}[2] k) => ({to}[6] y)", "y = CastLike(x, k)")


def test_dropout_and_its_mask():
    unfolded("g (float[2,3] x) => (float[2,3] y, bool[2,3] m)", "y, m = Dropout(x)")
    unfolded("g (float[2,3] x) => (float[2,3] y)", "y = Dropout(x, r)", {"r": np.float32(0.3)})


def test_dropout_while_training_is_refused():
    with pytest.raises(UnsupportedError, match="training"):
        check(
            "g (float[2,3] x) => (float[2,3] y)",
            "y = Dropout(x, r, t)",
            [],
            {"r": np.float32(0.3), "t": np.bool_(True)},
        )


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -3, -1, 0, 2, 9])
@pytest.mark.parametrize("dtype", ["float", "int64", "bool"])
def test_trilu(upper, k, dtype):
    signature = f"g ({dtype}[2,4,5] x) => ({dtype}[2,4,5] y)"
    if k is None:
        check(signature, f"y = Trilu<upper={upper}>(x)", ["Trilu"])
    else:
        check(signature, f"y = Trilu<upper={upper}>(x, k)", ["Trilu"], {"k": np.int64(k)})


def test_trilu_hides_infinities():
    x = np.full((3, 3), np.inf, np.float32)
    check("g (float[3,3] x) => (float[3,3] y)", "y = Trilu(x)", ["Trilu"], feeds={"x": x})


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("size", [[2, 3, 4, 5], [2, 1, 2, 6], [2, 1, 3, 4, 5]])
def test_affine_grid(aligned, size):
    n = len(size) - 2
    check(
        f"g (float[2,{n},{n + 1}] x) => (float[{','.join(map(str, [2, *size[2:], n]))}] y)",
        f"y = AffineGrid<align_corners={aligned}>(x, size)",
        ["AffineGrid"],
        {"size": np.array(size)},
    )
