"""Weights in 8 bits and activations rounded at run time: what ONNX Runtime computes of the hub, in one partition."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from ai_edge_litert import schema_py_generated as schema

from export.tflite.stored_weights import quantize_filters
from quantize.dynamic import make_dynamic
from quantize.weights_only import quantize_weights
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import compile_bytes, model_of, run_onnx, run_tflite
from tests.export.tflite.test_compiler import delegates
from tests.export.tflite.test_registry import operators
from validate.errors import UnsupportedError

node = onnx.helper.make_node
PICTURE = normal(1, 8, 12, 14)
SAME = {"pads": [1, 1, 1, 1]}
LAYERS = {
    "conv": ("Conv", PICTURE, (16, 8, 3, 3), SAME),
    "strided": ("Conv", PICTURE, (16, 8, 3, 3), SAME | {"strides": [2, 2]}),
    "pointwise": ("Conv", PICTURE, (16, 8, 1, 1), {}),
    "to few": ("Conv", normal(1, 8, 64, 64), (3, 8, 9, 9), {"pads": [4, 4, 4, 4]}),
    "of few": ("Conv", normal(1, 3, 12, 14), (16, 3, 9, 9), {"pads": [4, 4, 4, 4]}),
    "depthwise": ("Conv", PICTURE, (8, 1, 3, 3), SAME | {"group": 8}),
    "transposed": ("ConvTranspose", PICTURE, (8, 16, 3, 3), SAME | {"strides": [2, 2], "output_padding": [1, 1]}),
    "gemm": ("Gemm", normal(5, 32), (16, 32), {"transB": 1}),
    "matmul": ("MatMul", normal(2, 5, 32), (32, 16), {}),
}


def layer(name: str) -> tuple[ir.Model, dict]:
    """One of the layers behind a Relu, so that what it reads is not centered."""
    op_type, x, shape, attributes = LAYERS[name]
    constants = {"w": normal(*shape, seed=3) / np.float32(np.sqrt(np.prod(shape[1:])))}
    names = ["r", "w"]
    if op_type != "MatMul":
        names.append("b")
        constants["b"] = normal(shape[1] if op_type == "ConvTranspose" else shape[0], seed=4)
    nodes = [node("Relu", ["x"], ["r"]), node(op_type, names, ["y"], name="layer", **attributes)]
    return ir.serde.deserialize_model(model_of(nodes, {"x": x}, ["y"], constants)), {"x": x}


def compiled(model: ir.Model, feeds: dict, precision: str) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The file, and what it and ONNX Runtime compute."""
    proto = ir.serde.serialize_model(model)
    content = compile_bytes(proto, precision=precision)
    return content, run_tflite(content, feeds, ["y"])[0], run_onnx(proto, feeds)[0]


def int8_bytes(content: bytes) -> int:
    """Bytes of the int8 constants."""
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content)).subgraphs[0]
    return sum(int(np.prod(t.shape)) for t in graph.tensors if t.type == schema.TensorType.INT8)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_only(name):
    model, feeds = layer(name)
    content, got, want = compiled(quantize_weights(model), feeds, "w8")
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert operators(content).count("DEQUANTIZE") == 1
    assert int8_bytes(content) >= np.prod(LAYERS[name][2])
    assert delegates(content) == 1


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "depthwise"])
def test_dynamic(name):
    model, feeds = layer(name)
    content, got, want = compiled(make_dynamic(model, ["layer"]), feeds, "dynamic")
    exact = run_onnx(ir.serde.serialize_model(quantize_weights(model)), feeds)[0]
    step = np.ptp(np.maximum(feeds["x"], 0)) / 255
    noise = step * np.sqrt(np.prod(LAYERS[name][2]) / got.shape[-1 if got.ndim < 4 else 1]) / 4
    assert 0 < np.abs(got - exact).max() < 6 * noise  # it is rounded, and no more than that
    assert np.abs(got - want).max() < 6 * noise
    assert "DEQUANTIZE" not in operators(content)
    assert delegates(content) == 1


def test_dynamic_depthwise_stays_float():
    model, feeds = layer("depthwise")
    proto = ir.serde.serialize_model(quantize_weights(model))
    rounded = onnx.ModelProto.FromString(proto.SerializeToString())
    conv = next(n for n in rounded.graph.node if n.name == "layer")
    conv.input[0] = "real"
    extra = [node("DynamicQuantizeLinear", ["r"], ["q", "s", "z"]), node("DequantizeLinear", ["q", "s", "z"], ["real"])]
    for one in reversed(extra):
        rounded.graph.node.insert(1, one)
    content = compile_bytes(rounded, precision="dynamic")
    np.testing.assert_allclose(run_tflite(content, feeds, ["y"])[0], run_onnx(proto, feeds)[0], rtol=1e-4, atol=1e-4)
    assert delegates(content) == 1


def test_after_upsampling_the_phases_are_int8():
    nodes = [
        node("Resize", ["x", "", "double"], ["u"], mode="nearest", coordinate_transformation_mode="asymmetric",
             nearest_mode="floor"),
        node("Pad", ["u", "pads"], ["p"], mode="reflect"),
        node("Conv", ["p", "w"], ["y"], name="layer"),
    ]  # fmt: skip
    constants = {"double": np.float32([1, 1, 2, 2]), "pads": ints(0, 0, 1, 1, 0, 0, 1, 1), "w": normal(8, 8, 3, 3) / 8}
    model = ir.serde.deserialize_model(model_of(nodes, {"x": PICTURE}, ["y"], constants))
    for precision, made in (("w8", quantize_weights(model)), ("dynamic", make_dynamic(model, ["layer"]))):
        content, got, want = compiled(made, {"x": PICTURE}, precision)
        assert operators(content).count("CONV_2D") == 4
        assert int8_bytes(content) == 4 * 8 * 8 * 4
        assert np.sqrt(np.mean(np.square(got - want))) < 0.02 * want.std()


def test_a_concatenation_is_split_and_both_parts_are_int8():
    constants = {"w": normal(8, 24, 1, 1) / 5, "b": normal(8)}
    nodes = [node("Concat", ["x", "x2"], ["c"], axis=1), node("Conv", ["c", "w", "b"], ["y"], name="layer")]
    feeds = {"x": PICTURE, "x2": normal(1, 16, 12, 14, seed=2)}
    model = ir.serde.deserialize_model(model_of(nodes, feeds, ["y"], constants))
    content, got, want = compiled(quantize_weights(model), feeds, "w8")
    assert "CONCATENATION" not in operators(content)
    assert int8_bytes(content) == 8 * 24
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_one_dynamic_pair_may_have_several_readers_and_no_other():
    constants = {"w": normal(8, 8, 3, 3) / 8, "w2": normal(8, 8, 3, 3, seed=5) / 8}
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="one", **SAME),
        node("Conv", ["x", "w2"], ["b"], name="two", **SAME),
        node("Add", ["a", "b"], ["y"]),
    ]
    model = make_dynamic(ir.serde.deserialize_model(model_of(nodes, {"x": PICTURE}, ["y"], constants)), ["one", "two"])
    assert [n.op_type for n in model.graph].count("DynamicQuantizeLinear") == 1
    content, got, want = compiled(model, {"x": PICTURE}, "dynamic")
    assert np.abs(got - want).max() < 0.05
    assert "DEQUANTIZE" not in operators(content)

    proto = ir.serde.serialize_model(model)
    proto.graph.node.append(node("Cast", [next(n for n in proto.graph.node if "Dynamic" in n.op_type).output[0]], ["z"],
                                 name="reader", to=onnx.TensorProto.FLOAT))  # fmt: skip
    proto.graph.output.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, PICTURE.shape))
    with pytest.raises(UnsupportedError, match="reader"):
        compile_bytes(proto, precision="dynamic")


def test_asymmetric_weights_keep_their_numbers():
    constants = {
        "q": np.random.default_rng(0).integers(0, 256, (16, 8, 1, 1), np.uint8),
        "s": np.float32(0.01),
        "z": np.uint8(77),
    }
    nodes = [node("DequantizeLinear", ["q", "s", "z"], ["w"]), node("Conv", ["x", "w"], ["y"], name="layer")]
    model = ir.serde.deserialize_model(model_of(nodes, {"x": PICTURE}, ["y"], constants))
    _, got, want = compiled(model, {"x": PICTURE}, "fp32")
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_known_steps_are_kept():
    random = np.random.default_rng(0)
    steps, known = random.integers(-90, 91, (4, 3, 3, 2)), np.float32([0.1, 0.02, 3.0, 1e-5])
    filters = (steps * known[:, None, None, None]).astype(np.float32)
    twice = np.concatenate([filters, filters])
    found, scale = quantize_filters(twice, 0, known)
    np.testing.assert_array_equal(found, np.concatenate([steps, steps]))
    np.testing.assert_array_equal(scale, np.tile(known, 2))
    found, scale = quantize_filters(filters * 1.3, 0, known)  # no whole steps: the largest weight is 127
    assert np.abs(found).max(axis=(1, 2, 3)).tolist() == [127] * 4
    np.testing.assert_allclose(found * scale[:, None, None, None], filters * 1.3, atol=3.0 * 1.3 / 2)
    found, scale = quantize_filters(np.zeros((2, 1, 1, 1), np.float32), 0)
    assert not found.any()
    assert scale.tolist() == [1, 1]


def test_versions():
    codes = {}
    for name, precision in (("conv", "w8"), ("conv", "dynamic"), ("gemm", "dynamic"), ("transposed", "dynamic")):
        model, _ = layer(name)
        made = quantize_weights(model) if precision == "w8" else make_dynamic(model, ["layer"])
        content = compile_bytes(ir.serde.serialize_model(made), precision=precision)
        for code in schema.ModelT.InitFromObj(schema.Model.GetRootAs(content)).operatorCodes:
            codes[precision, code.builtinCode] = code.version
    of = schema.BuiltinOperator
    assert codes["w8", of.DEQUANTIZE] == 5
    assert codes["w8", of.CONV_2D] == 1
    assert codes["dynamic", of.CONV_2D] == 5
    assert codes["dynamic", of.FULLY_CONNECTED] == 12
    assert codes["dynamic", of.TRANSPOSE_CONV] == 3
