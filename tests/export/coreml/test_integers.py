"""Whole numbers and truth values, in and out of an fp16 program: every value exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml import compile_coreml
from export.hub import load_hub
from tests.export.coreml.graphs import finish, run
from validate.errors import UnsupportedError
from validate.runners import open_artifact

_random = np.random.default_rng(11)
I = np.array([-7, 7, 0, 123456789, -2000000000, 40000])  # noqa: E741
J = np.array([2, -2, 5, -10, 7, 3])
B = np.array([True, False, True, False, False, True])
Z = _random.integers(-(2**28), 2**28, (3, 4))
S = _random.integers(-9, 9, (3, 4))
AT = np.array([[-1, 2], [0, 1]])

NODES: list[tuple[str, str, dict[str, object]]] = [
    *((op, "i j", {}) for op in ("Add", "Sub", "Div", "Mod", "Min", "Max", "Less", "LessOrEqual", "Greater", "Equal")),
    *((op, "i c", {}) for op in ("Add", "Div", "Mod", "Max", "GreaterOrEqual")),
    ("Mul", "j j", {}),
    *((op, "i j", {}) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    ("BitwiseXor", "z z", {}),
    ("BitwiseAnd", "i c", {}),
    ("Mod", "i j", {"fmod": 1}),
    ("Pow", "s three", {}),
    ("Pow", "s nine", {}),
    ("Pow", "s fraction", {}),
    *((op, "i", {}) for op in ("Abs", "Neg", "Sign")),
    ("Clip", "i low high", {}),
    ("Clip", "i far farther", {}),
    ("Where", "b i j", {}),
    ("And", "b b", {}),
    *((op, "z one", {"keepdims": 0}) for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL1")),
    *((op, "s", {}) for op in ("ReduceSumSquare", "ReduceProd", "ReduceMean")),
    ("ArgMax", "z", {"axis": 1}),
    ("CumSum", "s scalar", {"reverse": 1}),
    ("MatMul", "s s4", {}),
    ("Gather", "z at", {"axis": 1}),
    ("GatherND", "z at", {}),
    ("GatherElements", "z at", {"axis": 1}),
    ("ScatterND", "z at update", {}),
    ("Concat", "z s", {"axis": 0}),
    ("Slice", "z last first one back", {}),
    ("Expand", "z shape", {}),
    ("Tile", "z back2", {}),
    ("Transpose", "z", {}),
    ("Cast", "i", {"to": TensorProto.BOOL}),
    ("Cast", "b", {"to": TensorProto.INT64}),
]
CONSTANTS = {
    "c": J[::-1].copy(),
    "three": np.array(3),
    "nine": np.array([1, 0, 2, 3]),
    "fraction": np.float32(2),
    "low": np.array(-70000000),
    "high": np.array(40001),
    "far": np.array(-(2**62)),
    "farther": np.array(2**62),
    "one": np.array([1]),
    "scalar": np.array(1),
    "s4": S.T.copy(),
    "update": np.array([5, 2**28 + 1]),
    "last": np.array([3]),
    "first": np.array([-99]),
    "back": np.array([-2]),
    "shape": np.array([2, 3, 4]),
    "back2": np.array([2, 3]),
}


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_exact(dtype: type, precision: str, tmp_path: Path) -> None:
    feeds = {"i": I.astype(dtype), "j": J.astype(dtype), "z": Z.astype(dtype), "s": S.astype(dtype), "b": B, "at": AT}
    constants = {name: np.asarray(value) for name, value in CONSTANTS.items()}
    for name in ("c", "three", "nine", "low", "high", "far", "farther", "s4", "update"):
        limits = np.iinfo(dtype)
        constants[name] = np.clip(constants[name], limits.min, limits.max).astype(dtype)
    nodes = [
        helper.make_node(op, inputs.split(), [f"{op}_{number}"], name=f"{op}_{number}", **attributes)
        for number, (op, inputs, attributes) in enumerate(NODES)
    ]
    proto = model(nodes, feeds, constants)
    expected, results = run(proto, feeds), compiled(proto, feeds, tmp_path, precision)
    for name, value in expected.items():
        assert results[name].dtype == value.dtype, name
        np.testing.assert_array_equal(results[name], value, err_msg=name)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_small_integers(dtype: type, tmp_path: Path) -> None:
    """A mask and a picture of bytes pass through, and are what casts make of larger numbers."""
    limits = np.iinfo(dtype)
    feeds = {
        "x": np.array([[limits.min, 3, limits.max]], dtype),
        "i": np.array([[300, -1, 128]], np.int32),
        "b": B[None, :3],
    }
    to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Where", ["b", "x", "seven"], ["where"]),
        helper.make_node("Concat", ["x", "where"], ["concat"], axis=1),
        helper.make_node("Cast", ["i"], ["cut"], to=to),
        helper.make_node("Cast", ["x"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cut"], ["turned"]),
        helper.make_node("Max", ["x", "cut"], ["max"]),
    ]
    proto = model(nodes, feeds, {"seven": np.array(7, dtype)})
    expected, results = run(proto, feeds), compiled(proto, feeds, tmp_path, "fp16")
    for name, value in expected.items():
        np.testing.assert_array_equal(results[name], value, err_msg=name)


@pytest.mark.parametrize("value", [np.nan, np.inf, 7])
def test_output_that_is_a_constant(value: float, tmp_path: Path) -> None:
    """It is computed from the input, whatever that holds."""
    feeds = {"x": np.full((3, 5), value, np.float32)}
    nodes = [helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Size", ["x"], ["size"])]
    results = compiled(model(nodes, feeds, {}), feeds, tmp_path, "fp16")
    np.testing.assert_array_equal(results["shape"], [3, 5])
    np.testing.assert_array_equal(results["size"], 15)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "reason"),
    [
        ("Add", "i wide", {}, "'wide' holds 1099511627776, and Core ML's integers have 32 bits"),
        ("Pow", "i half", {}, "exponents that may be fractions"),
        ("ReduceL2", "i", {}, "ReduceL2 of integers"),
        ("Add", "u u", {}, "results of uint8 arithmetic wrap around"),
        ("Cast", "i", {"to": TensorProto.UINT32}, "cannot hold its uint32 values"),
        ("GatherND", "i outside", {}, "an index that lies outside"),
        ("ScatterND", "b outside2 true", {"reduction": "max"}, "truth values with reduction='max'"),
        ("TopK", "many thousand", {}, "leaves the order of equal values open"),
        ("Gemm", "s s", {"transA": 1, "alpha": 0.5}, "integers scaled by alpha=0.5"),
    ],
)
def test_refused(op: str, inputs: str, attributes: dict, reason: str, tmp_path: Path) -> None:
    every = {"i": I, "u": I.astype(np.uint8), "b": B, "s": S.astype(np.int32), "many": np.zeros(9000, np.float32)}
    constants = {
        "wide": np.array(2**40),
        "half": np.float32(0.5),
        "outside": np.array([[6]]),
        "outside2": np.array([[1]]),
        "true": np.array([True]),
        "thousand": np.array([1000]),
    }
    feeds = {name: every[name] for name in dict.fromkeys(inputs.split()) if name in every}
    outputs = [f"y{number}" for number in range(2 if op == "TopK" else 1)]
    node = helper.make_node(op, inputs.split(), outputs, name="culprit", **attributes)
    kept = {name: value for name, value in constants.items() if name in inputs.split()}
    with pytest.raises(UnsupportedError, match=rf"'culprit' \({op} of .*{reason}"):
        compiled(model([node], feeds, kept), feeds, tmp_path, "fp16")


def model(nodes: list, feeds: dict[str, np.ndarray], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A model that gives what every node gives."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for node in nodes for name in node.output]
    return finish(helper.make_graph(nodes, "integers", inputs, outputs, stored))


def compiled(proto: onnx.ModelProto, feeds: dict, folder: Path, precision: str) -> dict[str, np.ndarray]:
    """What the package gives, in the hub's dtypes."""
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    hub = load_hub(folder / "m.onnx", tensors=True, check=False)
    compile_coreml(hub, folder / "m.mlpackage", precision=precision, io="tensor")
    return open_artifact(folder / "m.mlpackage", (hub.inputs, hub.outputs)).run(feeds)
