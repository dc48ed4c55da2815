import numpy as np
import pytest

from tests.export.hub.decompose.support import check, outputs


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float"])
def test_one_hot(axis, dtype):
    shape = [2, 3]
    shape.insert(axis % 3, 4)
    check(
        f"g ({dtype}[2,3] x) => (float[{','.join(map(str, shape))}] y)",
        f"y = OneHot<axis={axis}>(x, depth, values)",
        ["OneHot"],
        {"depth": np.array([4], {"float": np.float32}.get(dtype, dtype)), "values": np.array([-1.5, 2.0])},
    )


def test_one_hot_of_broken_and_negative_indices_and_of_some_that_are_no_place():
    """ONNX casts them to int64, which cuts towards zero; -1 is the last place, and beyond the ends there is none."""
    x = np.array([0.7, -0.4, 2.99, -1.5, 3, -3.9, -4, 1e4], np.float32)
    model = check(
        "g (float[8] x) => (float[8,3] y)",
        "y = OneHot(x, depth, values)",
        ["OneHot"],
        {"depth": np.float32(3), "values": np.array([0.0, 1.0])},
        feeds={"x": x},
    )
    rows = [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert outputs(model, {"x": x})[0].tolist() == rows


def test_one_hot_with_values_at_run_time():
    check(
        "g (int32[5] x, float[2] v) => (float[5,3] y)",
        "y = OneHot(x, depth, v)",
        ["OneHot"],
        {"depth": np.int32(3)},
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_hardmax(axis):
    x = np.array([[1, 3, 3, 0], [2, 3, -1, 0], [2, 1, 5, 5]], np.float32)
    check("g (float[3,4] x) => (float[3,4] y)", f"y = Hardmax<axis={axis}>(x)", ["Hardmax"], feeds={"x": x})
