"""What the registry's cases cannot hold: numbers that end ONNX Runtime's own process, and constant outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.export.tflite.support import compile_bytes, model_of, run_tflite
from validate.errors import UnsupportedError


def run(op_type: str, feeds: dict[str, np.ndarray], **attributes) -> np.ndarray:
    """One node of the feeds in LiteRT."""
    node = onnx.helper.make_node(op_type, list(feeds), ["y"], **attributes)
    return run_tflite(compile_bytes(model_of([node], feeds, ["y"])), feeds, ["y"])[0]


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("fmod", [0, 1])
def test_remainder_of_the_smallest_number_by_minus_one(kind, fmod):
    """FLOOR_MOD alone divides these and dies of it."""
    a, b = np.asarray([np.iinfo(kind).min, 7, -7], kind), np.asarray([-1, -1, -2], kind)
    np.testing.assert_array_equal(run("Mod", {"a": a, "b": b}, fmod=fmod), [0, 0, -1])


def test_int64_division_leaves_nothing():
    random = np.random.default_rng(0)
    a = random.integers(-(2**63), 2**63, 2000)
    b = random.integers(-(2**63), 2**63, 2000) >> random.integers(0, 62, 2000)
    b = np.where(b == 0, 1, b)
    want = [abs(int(x)) // abs(int(y)) * (1 if (x < 0) == (y < 0) else -1) for x, y in zip(a, b, strict=True)]
    fits = np.array([-(2**63) <= q < 2**63 for q in want])
    got = run("Div", {"a": a, "b": b})
    np.testing.assert_array_equal(got[fits], np.array(want, dtype=object)[fits].astype(np.int64))


def test_a_constant_may_be_an_output():
    x, value = np.ones((1, 2, 3, 4), np.float32), np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    nodes = [
        onnx.helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(value)),
        onnx.helper.make_node("Constant", [], ["n"], value_ints=[3, 5]),
        onnx.helper.make_node("Dropout", ["x"], ["y", "mask"]),
    ]
    model = model_of(nodes, {"x": x}, ["c", "n", "y", "mask"])
    c, n, y, mask = run_tflite(compile_bytes(model), {"x": x}, ["c", "n", "y", "mask"])
    np.testing.assert_array_equal(c, value)
    np.testing.assert_array_equal(n, [3, 5])
    np.testing.assert_array_equal(y, x)
    assert mask.dtype == np.bool_
    assert mask.all()
    assert mask.shape == x.shape


@pytest.mark.parametrize("op_type", ["ScatterND", "GatherND"])
def test_an_index_outside_is_an_error_not_a_number(op_type):
    """LiteRT checks the places it is given at run time."""
    feeds = {"x": np.zeros((3, 4), np.float32), "i": np.int64([[7]])}
    if op_type == "ScatterND":
        feeds["u"] = np.ones((1, 4), np.float32)
    with pytest.raises(RuntimeError, match="out of bounds"):
        run(op_type, feeds)


def test_more_than_six_axes_can_only_be_moved():
    x = np.arange(2.0**8, dtype=np.float32).reshape((2,) * 8)
    order = [3, 0, 7, 5, 1, 2, 6, 4]
    np.testing.assert_array_equal(run("Transpose", {"x": x}, perm=order), x.transpose(order))
    for op_type, attributes in (("ReduceSum", {}), ("Softmax", {}), ("Concat", {"axis": 0}), ("Add", {})):
        feeds = {"x": x} if op_type in ("ReduceSum", "Softmax") else {"x": x, "z": x}
        with pytest.raises(UnsupportedError, match="8 axes"):
            run(op_type, feeds, **attributes)
