"""Compressed weights: the file holds exactly the hub's numbers, in fewer bytes, for the iOS version that it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml import compile_coreml
from export.coreml.census import census
from export.coreml.prepare import prepared
from export.coreml.weights import Form, distinct, smallest_form
from export.hub.model import Hub
from quantize.palettes import palettize
from quantize.weights import SMALL, float_weights, replace_weight
from tests.export.coreml.graphs import finish, hub_of
from tests.export.coreml.test_compile import operations
from validate.coreml import CoreMLModel
from validate.coreml.package import open_package
from validate.errors import BrushportError

KINDS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]
SHAPES = {"Conv": (32, 16, 3, 3), "ConvTranspose": (16, 32, 3, 3), "Gemm": (64, 32), "MatMul": (64, 32)}


def hub(op: str = "Conv", weight: np.ndarray | None = None) -> Hub:
    """One operator with a weight of fp16 numbers, unlike each other in size from channel to channel."""
    rng = np.random.default_rng(2)
    if weight is None:
        weight = rng.standard_normal(SHAPES[op]) * rng.uniform(0.1, 1, SHAPES[op])
    weight = weight.astype(np.float16).astype(np.float32)
    shape = (1, 16, 12, 10) if "Conv" in op else (5, 64)
    node = helper.make_node(op, ["x", "w"], ["y"], name="op", **({"pads": [1] * 4} if "Conv" in op else {}))
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return hub_of(finish(graph))


def chosen(hub: Hub, weight: np.ndarray) -> Hub:
    """``hub`` with a weight that is not to be prepared again."""
    model = hub.model.clone()
    model.metadata_props[SMALL] = "1"
    replace_weight(model.graph.initializers["w"], weight)
    return hub.with_model(model)


def expected(hub: Hub, x: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes."""
    import onnxruntime

    model: onnx.ModelProto = ir.to_proto(hub.model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def feed(hub: Hub) -> np.ndarray:
    return np.random.default_rng(4).uniform(-1, 1, hub.inputs[0].shape).astype(np.float16).astype(np.float32)


def stored(path: Path) -> np.ndarray:
    """The weight of the file, decompressed with NumPy alone from what the program and its weight file hold."""
    (op,) = [op for op in open_package(path).load_program().operations if op.op_type.startswith("constexpr_")]
    value = {name: var.val for name, var in op.inputs.items() if var is not None}
    if op.op_type == "constexpr_affine_dequantize":
        shape = [1] * value["quantized_data"].ndim
        shape[int(value["axis"])] = -1
        return value["quantized_data"].astype(np.float32) * value["scale"].astype(np.float32).reshape(shape)
    if op.op_type == "constexpr_sparse_to_dense":
        shape = tuple(value["shape"])
        bits = np.unpackbits(value["mask"], bitorder="little")[: np.prod(shape)].astype(bool)
        dense = np.zeros(bits.shape, np.float32)
        dense[bits] = value["nonzero_data"]
        return dense.reshape(shape)
    if "shape" in value:  # iOS 16: indices packed to bits, one palette
        shape, table = tuple(value["shape"]), value["lut"]
        width = len(table).bit_length() - 1
        bits = np.unpackbits(value["indices"], bitorder="little")[: np.prod(shape) * width].reshape(-1, width)
        places = (bits * 2 ** np.arange(width)).sum(axis=1)
        return table[places].reshape(shape).astype(np.float32)
    indices, table = value["indices"].astype(np.int64), value["lut"][..., 0]  # iOS 18: a palette for each group
    for axis in range(indices.ndim):
        table = np.repeat(table, indices.shape[axis] // table.shape[axis], axis=axis)
    return np.take_along_axis(table, indices[..., None], axis=-1)[..., 0].astype(np.float32)


def in_file(op: str, weight: np.ndarray) -> np.ndarray:
    """A weight as MIL lays it out: ``linear`` has the output channels first."""
    return weight.T if op in ("Gemm", "MatMul") else weight


@pytest.mark.parametrize("op", KINDS)
@pytest.mark.parametrize(("precision", "form"), [("w4", "4-bit palette"), ("w6", "6-bit palette")])
@pytest.mark.parametrize("group_size", [0, 8])
def test_palettes(tmp_path: Path, op: str, precision: str, form: str, group_size: int) -> None:
    path, whole = tmp_path / "m.mlpackage", hub(op)
    compile_coreml(whole, path, precision=precision, io="tensor", group_size=group_size)
    made = prepared(whole, precision, group_size)
    weight = made.model.graph.initializers["w"].const_value.numpy()
    assert np.array_equal(stored(path), in_file(op, weight))
    model, x = CoreMLModel(path), feed(whole)
    assert model.specification_version == (9 if group_size else 7)  # iOS 18, iOS 16
    result = model.predict({"x": x})["y"]
    assert np.abs(result - expected(made, x)).max() < 2e-3 * np.abs(result).max()
    assert np.abs(result - expected(whole, x)).max() > 4e-3 * np.abs(result).max(), "the weights are as they were"
    counted = census(path)
    assert counted["macs_share"] == {f"float16 x {form}": 1.0}
    bits = int(form[0])
    tables = (32 // group_size if group_size else 1) * 2**bits * 2
    assert counted["weight_bytes"][form] == pytest.approx(weight.size * bits / 8 + tables, abs=40)


@pytest.mark.parametrize("op", KINDS)
def test_sparse(tmp_path: Path, op: str) -> None:
    path, whole = tmp_path / "m.mlpackage", hub(op)
    compile_coreml(whole, path, precision="sparse", io="tensor", sparsity=0.7)
    made = prepared(whole, "sparse", sparsity=0.7)
    weight = made.model.graph.initializers["w"].const_value.numpy()
    assert np.mean(weight == 0) == pytest.approx(0.7, abs=1e-3)
    assert np.array_equal(stored(path), in_file(op, weight))
    result = CoreMLModel(path).predict({"x": feed(whole)})["y"]
    assert np.abs(result - expected(made, feed(whole))).max() < 2e-3 * np.abs(result).max()
    counted = census(path)
    assert counted["macs_share"] == {"float16 x sparse float16": 1.0}
    assert counted["weight_bytes"]["sparse float16"] == pytest.approx(weight.size * (0.3 * 2 + 1 / 8), abs=40)


@pytest.mark.parametrize("op", KINDS)
def test_8_bits(tmp_path: Path, op: str) -> None:
    path, whole = tmp_path / "m.mlpackage", hub(op)
    compile_coreml(whole, path, precision="w8", io="tensor")
    weight = in_file(op, whole.model.graph.initializers["w"].const_value.numpy())
    error = np.abs(stored(path) - weight)
    assert 0 < error.max() <= np.abs(weight).max() / 127
    assert census(path)["macs_share"] == {"float16 x int8": 1.0}
    assert CoreMLModel(path).specification_version == 7
    result, x = CoreMLModel(path).predict({"x": feed(whole)})["y"], feed(whole)
    assert np.abs(result - expected(whole, x)).max() < 2e-2 * np.abs(result).max()


def test_what_is_chosen_is_written_as_it_is(tmp_path: Path) -> None:
    whole = hub()
    dense = whole.model.graph.initializers["w"].const_value.numpy()
    compile_coreml(chosen(whole, dense), tmp_path / "m.mlpackage", precision="w4", io="tensor")
    assert not [op for op in operations(tmp_path / "m.mlpackage") if op.type.startswith("constexpr_")]
    six = palettize(dense, 6)
    compile_coreml(chosen(whole, six), tmp_path / "n.mlpackage", precision="w4", io="tensor")
    assert np.array_equal(stored(tmp_path / "n.mlpackage"), six)


def test_smallest_form() -> None:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((64, 64)).astype(np.float16)
    assert smallest_form(dense) is None
    zeros = dense * (rng.random(dense.shape) < 0.2)
    assert smallest_form(zeros).bits is None
    few = rng.choice(dense.ravel()[:9], dense.shape)
    assert smallest_form(few) == Form(4, 64 * 64 / 2 + 16 * 2)
    assert smallest_form(few * (rng.random(dense.shape) < 0.05)).bits is None
    grouped = np.concatenate([rng.choice(dense.ravel()[9 * i : 9 * i + 9], (16, 64)) for i in range(4)])
    assert smallest_form(grouped).bits == 6
    assert smallest_form(grouped, group_size=16) == Form(4, 64 * 64 / 2 + 4 * 16 * 2, 0, 16)
    assert smallest_form(grouped, group_size=48).bits == 6


def test_distinct_numbers_of_half_precision() -> None:
    """More than NumPy's sort of float16 gets right on every processor."""
    few = np.random.default_rng(0).standard_normal(16).astype(np.float16)
    weight = np.random.default_rng(1).choice(few, (100, 100))
    values, places = distinct(weight)
    assert len(values) == 16 and np.array_equal(values[places], weight.ravel())


def test_small_weights_stay_dense(tmp_path: Path) -> None:
    small = hub(weight=np.random.default_rng(0).standard_normal((3, 16, 3, 3)))
    assert not list(float_weights(small.model))
    compile_coreml(small, tmp_path / "m.mlpackage", precision="w4", io="tensor")
    assert census(tmp_path / "m.mlpackage")["macs_share"] == {"float16 x float16": 1.0}


@pytest.mark.parametrize("options", [{"group_size": -1}, {"sparsity": 1.0}, {"sparsity": -0.1}])
def test_options_that_mean_nothing(tmp_path: Path, options: dict) -> None:
    with pytest.raises(BrushportError, match="--"):
        compile_coreml(hub(), tmp_path / "m.mlpackage", precision="sparse", io="tensor", **options)
