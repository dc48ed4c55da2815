"""coremltools' passes that change results: each is left out, and would be missed if it were not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml import compile_coreml, passes
from tests.export.coreml.graphs import finish, hub_of, run
from validate.coreml import CoreMLModel
from validate.errors import UnsupportedError

_random = np.random.default_rng(3)
SQUARE = _random.uniform(-1, 1, (4, 4)).astype(np.float32)
KERNEL = _random.uniform(-1, 1, (2, 3, 3, 3)).astype(np.float32)
X = _random.uniform(-2, 2, (4, 4)).astype(np.float32)


def node(op: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=f"{op}_{output}", **attributes)


def model(nodes: list[onnx.NodeProto], x: np.ndarray, **constants: object) -> onnx.ModelProto:
    """Nodes from the input ``x`` to the output ``y``."""
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    return finish(helper.make_graph(nodes, "passes", inputs, outputs, stored))


def erf_gelu() -> list[onnx.NodeProto]:
    return [
        *(node("Div", "x root", "a"), node("Erf", "a", "b"), node("Add", "b one", "c")),
        *(node("Mul", "x c", "d"), node("Mul", "d half", "y")),
    ]


two = np.float32(2)
COLUMNS = np.array([[True, False, True, False]])
INFINITE = np.where(X > 0, X, -np.inf).astype(np.float32)
FAR = np.concatenate([_random.uniform(-2, 2, 69999), [5]]).astype(np.float32)
LOSES: dict[str, tuple[onnx.ModelProto, np.ndarray, str]] = {}


def loses(name: str, nodes: list[onnx.NodeProto], x: np.ndarray, precision: str = "fp32", **constants: object) -> None:
    LOSES[name] = (model(nodes, x, **constants), x, precision)


loses(
    "divide_to_multiply",
    [node("Div", "x by", "t"), node("Floor", "t", "y")],
    np.arange(600, dtype=np.float32),
    by=np.float32(41),
)
loses("select_optimization", [node("Where", "c i x", "y")], INFINITE, c=COLUMNS, i=np.float32(np.inf))
loses("fuse_matmul_weight_bias", [node("MatMul", "w x", "t"), node("Add", "t b", "y")], X, w=SQUARE, b=SQUARE[0])
loses(
    "fuse_conv_scale",
    [node("Conv", "x w", "t"), node("Div", "two t", "y")],
    _random.uniform(1, 2, (1, 3, 5, 5)).astype(np.float32),
    w=np.abs(KERNEL),
    two=two,
)
loses("fuse_gelu_exact", erf_gelu(), X, root=np.float32(1.4135), one=np.float32(1.0009), half=np.float32(0.5009))
loses(
    "add_int16_cast",
    [  # what is quantized is for iOS 17
        node("QuantizeLinear", "x step zero", "q"),
        node("DequantizeLinear", "q step zero", "d"),
        node("ArgMax", "d", "t"),
        node("Reshape", "t shape", "at"),
        node("GatherND", "d at", "y"),
    ],
    FAR,
    "fp16",
    step=np.float32(0.04),
    zero=np.int8(0),
    shape=np.array([1, 1]),
)


def compiled(name: str, path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """What the package gives and what ONNX Runtime gives."""
    proto, x, precision = LOSES[name]
    compile_coreml(hub_of(proto), path, precision=precision, io="tensor")
    return CoreMLModel(path).predict({"x": x})["y"], run(proto, {"x": x})["y"], precision


def close(result: np.ndarray, expected: np.ndarray, precision: str) -> bool:
    tolerance = {"rtol": 2e-3, "atol": 2e-3} if precision == "fp16" else {"rtol": 1e-5, "atol": 1e-5}
    return np.allclose(result, expected, equal_nan=True, **tolerance)


@pytest.mark.parametrize("name", passes.WRONG)
def test_result_is_right_without_the_pass(name: str, tmp_path: Path) -> None:
    assert name in LOSES, f"no graph shows what {name} does"
    assert close(*compiled(name, tmp_path / "m.mlpackage"))


@pytest.mark.parametrize("name", sorted(LOSES))
def test_result_is_wrong_with_the_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(passes.WRONG, name)
    assert not close(*compiled(name, tmp_path / "m.mlpackage")), f"coremltools' {name} is right now; let it in"


def test_a_pass_that_fails_is_done_without(tmp_path: Path) -> None:
    constants = {"c": SQUARE[:, :1, None], "d": SQUARE[:, 1:2, None]}
    x = _random.uniform(-2, 2, (1, 1, 5, 6)).astype(np.float32)
    proto = model([node("Mul", "x c", "t"), node("Add", "t d", "y")], x, **constants)
    compile_coreml(hub_of(proto), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"x": x})["y"]
    np.testing.assert_allclose(result, run(proto, {"x": x})["y"], rtol=1e-5, atol=1e-5)


def test_what_coremltools_raises_names_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coremltools.converters.mil import Builder

    def fails(**_: object) -> None:
        raise KeyError("whatever")

    monkeypatch.setattr(Builder, "floor", fails)
    proto = model([node("Floor", "x", "y")], X)
    with pytest.raises(UnsupportedError, match=r"'Floor_y' \(Floor of float32\[4, 4\]\): .*whatever"):
        compile_coreml(hub_of(proto), tmp_path / "m.mlpackage")
