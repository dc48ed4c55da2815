"""Q/DQ hubs: 8-bit weights stay 8-bit in the file, and the program computes what ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.coreml import compile_coreml
from export.coreml.census import census
from tests.export.coreml.graphs import finish, hub_of
from tests.export.coreml.test_compile import operations
from validate.coreml import CoreMLModel
from validate.errors import UnsupportedError

CHANNELS, OUT = 8, 16


def quantized_conv(
    activation: np.dtype = np.int8, weight_scale: float = 0.01, op: str = "Conv", zero: int = -3
) -> onnx.ModelProto:
    """Q → DQ → convolution with 8-bit weights per channel and a 32-bit bias → Q → DQ, as ONNX Runtime writes it."""
    rng = np.random.default_rng(5)
    axis = 0 if op == "Conv" else 1
    weight = rng.integers(-127, 128, (OUT, CHANNELS, 3, 3) if op == "Conv" else (CHANNELS, OUT, 3, 3))
    scales = (rng.uniform(0.5, 1.5, OUT) * weight_scale).astype(np.float32)
    step = 0.02 if np.dtype(activation).itemsize == 1 else 1e-4
    out_step = np.float32(weight_scale * 1.5 if np.dtype(activation).itemsize == 1 else weight_scale * 0.01)
    constants = {
        "x_scale": np.float32(step),
        "x_zero": activation(zero),
        "w": weight.astype(np.int8),
        "w_scale": scales,
        "w_zero": np.zeros(OUT, np.int8),
        "b": rng.integers(-3000, 3000, OUT).astype(np.int32),
        "b_scale": (scales * np.float32(0.02)).astype(np.float32),
        "b_zero": np.zeros(OUT, np.int32),
        "y_scale": out_step,
        "y_zero": activation(4),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["xq"], name="quantize_x"),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xf"], name="dequantize_x"),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wf"], axis=axis, name="dequantize_w"),
        helper.make_node("DequantizeLinear", ["b", "b_scale", "b_zero"], ["bf"], axis=0, name="dequantize_b"),
        helper.make_node(op, ["xf", "wf", "bf"], ["c"], pads=[1, 1, 1, 1], name="convolution"),
        helper.make_node("QuantizeLinear", ["c", "y_scale", "y_zero"], ["yq"], name="quantize_y"),
        helper.make_node("DequantizeLinear", ["yq", "y_scale", "y_zero"], ["y"], name="dequantize_y"),
    ]
    graph = helper.make_graph(
        nodes,
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, CHANNELS, 12, 10))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, OUT, 12, 10))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return finish(graph)


def reference(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """ONNX Runtime node by node: fused, it would round differently."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def psnr(result: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(expected) ** 2 / max(1e-20, np.mean((result - expected) ** 2))))


def sample() -> np.ndarray:
    return np.random.default_rng(1).uniform(-2, 2, (1, CHANNELS, 12, 10)).astype(np.float32)


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("activation", [np.int8, np.uint8])
def test_matches_onnx_runtime(tmp_path: Path, op: str, activation: type) -> None:
    model = quantized_conv(activation, op=op, zero=-3 if activation is np.int8 else 120)
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"x": sample()})["y"]
    expected = reference(model, sample())
    step = 0.015
    assert np.mean(np.abs(result - expected) > step / 2) < 0.002  # but for ties of the last rounding, equal


def test_int8_file_holds_8_bit_weights_and_activations(tmp_path: Path) -> None:
    model = quantized_conv()
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="int8", io="tensor")
    types = [op.type for op in operations(tmp_path / "m.mlpackage")]
    assert types.count("quantize") == types.count("dequantize") == 2
    assert types.count("constexpr_affine_dequantize") == 1
    parameters = OUT * CHANNELS * 9
    size = (tmp_path / "m.mlpackage/Data/com.apple.CoreML/weights/weight.bin").stat().st_size
    assert parameters <= size < 1.8 * parameters  # 16-bit weights would take twice the parameters
    compiled = CoreMLModel(tmp_path / "m.mlpackage")
    assert compiled.specification_version == 8  # iOS 17
    assert psnr(compiled.predict({"x": sample()})["y"], reference(model, sample())) > 40


def test_weights_alone_need_no_ios_17(tmp_path: Path) -> None:
    model = quantized_conv()
    del model.graph.node[5:], model.graph.node[:2]
    model.graph.node[2].input[0], model.graph.node[2].output[0] = "x", "y"
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="int8", io="tensor")
    compiled = CoreMLModel(tmp_path / "m.mlpackage")
    assert compiled.specification_version == 7
    assert psnr(compiled.predict({"x": sample()})["y"], reference(model, sample())) > 60


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_tiny_weight_scales_survive_fp16(tmp_path: Path, op: str) -> None:
    """Scales of about 1e-6 are subnormal in fp16, where they lose up to 6 % each; stored larger they lose nothing."""
    model = quantized_conv(weight_scale=1e-6, op=op)
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="int8", io="tensor")
    scales = [
        value
        for op in operations(tmp_path / "m.mlpackage")
        if op.type == "constexpr_affine_dequantize"
        for value in np.frombuffer(scale_bytes(op, tmp_path / "m.mlpackage"), np.float16)
    ]
    assert len(scales) == OUT and min(scales) >= np.finfo(np.float16).smallest_normal


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("quantized_input", [True, False])
def test_tiny_weight_scales_change_no_product(tmp_path: Path, op: str, quantized_input: bool) -> None:
    model = quantized_conv(weight_scale=1e-6, op=op)
    model.graph.node[4].output[0] = "y"
    del model.graph.node[5:]
    if not quantized_input:
        model.graph.node[4].input[0] = "x"
        del model.graph.node[:2]
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"x": sample()})["y"]
    assert psnr(result, reference(model, sample())) > 100


def test_16_bit_activations_stay_floats_and_saturate(tmp_path: Path) -> None:
    model = quantized_conv(np.int16, zero=0)
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    x = sample() * 3  # up to 6, beyond 32767 steps of 1e-4
    result = CoreMLModel(tmp_path / "m.mlpackage").predict({"x": x})["y"]
    assert psnr(result, reference(model, x)) > 70
    assert "quantize" not in [op.type for op in operations(tmp_path / "m.mlpackage")]


def test_16_bit_values_with_another_reader_are_refused(tmp_path: Path) -> None:
    model = quantized_conv(np.int16, zero=0)
    model.graph.node[1].input[2] = "y_zero"
    with pytest.raises(UnsupportedError, match="quantize_x"):
        compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="int8", io="tensor")


def quantized_product(op: str, weight_scale: float, rank: int = 2, **attributes: object) -> onnx.ModelProto:
    """Gemm or MatMul with an 8-bit weight of (inputs, outputs) and, for Gemm, a 32-bit bias."""
    rng = np.random.default_rng(5)
    scales = (rng.uniform(0.5, 1.5, OUT) * weight_scale).astype(np.float32)
    turned = bool(attributes.get("transB"))
    weight = rng.integers(-127, 128, (CHANNELS, OUT)).astype(np.int8)
    constants = {
        "w": np.ascontiguousarray(weight.T) if turned else weight,
        "w_scale": scales,
        "b": rng.integers(-3000, 3000, OUT).astype(np.int32),
        "b_scale": (scales * np.float32(0.02)).astype(np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "w_scale"], ["wf"], axis=0 if turned else 1, name="dequantize_w"),
        helper.make_node("DequantizeLinear", ["b", "b_scale"], ["bf"], axis=0, name="dequantize_b"),
        helper.make_node(op, ["x", "wf", "bf"] if op == "Gemm" else ["x", "wf"], ["y"], name="product", **attributes),
    ]
    shape = (2, 3, 5, CHANNELS)[4 - rank :]
    graph = helper.make_graph(
        nodes if op == "Gemm" else [nodes[0], nodes[2]],
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return finish(graph)


@pytest.mark.parametrize(
    ("op", "rank", "attributes"),
    [
        ("Gemm", 2, {}),
        ("Gemm", 2, {"transB": 1}),
        ("Gemm", 2, {"alpha": 0.5, "beta": 2.0}),
        ("Gemm", 2, {"alpha": -0.5}),
        ("MatMul", 2, {}),
        ("MatMul", 3, {}),
        ("MatMul", 4, {}),
    ],
)
@pytest.mark.parametrize("weight_scale", [0.01, 1e-6])
def test_products_hold_8_bit_weights(tmp_path: Path, op: str, rank: int, attributes: dict, weight_scale: float) -> None:
    """Also where the scales would be subnormal in fp16."""
    model = quantized_product(op, weight_scale, rank, **attributes)
    x = np.random.default_rng(1).uniform(-2, 2, (2, 3, 5, CHANNELS)[4 - rank :]).astype(np.float32)
    for precision, least in (("fp32", 110), ("w8", 60)):
        path = tmp_path / f"{precision}.mlpackage"
        compile_coreml(hub_of(model), path, precision=precision, io="tensor")
        assert psnr(CoreMLModel(path).predict({"x": x})["y"], reference(model, x)) > least
    assert census(path)["macs_share"] == {"float16 x int8": 1.0}
    (op,) = [op for op in operations(path) if op.type == "constexpr_affine_dequantize"]
    assert np.frombuffer(scale_bytes(op, path), np.float16).min() >= np.finfo(np.float16).smallest_normal


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("activation", [np.int8, np.uint8])
def test_ios_18_has_another_form(tmp_path: Path, op: str, activation: type) -> None:
    """Palettes of groups need iOS 18; what is 8-bit already is written in that version's form then."""
    model = quantized_conv(activation, op=op, zero=-3 if activation is np.int8 else 120)
    path = tmp_path / "m.mlpackage"
    compile_coreml(hub_of(model), path, precision="w4", io="tensor", group_size=8)
    assert [op.type for op in operations(path)].count("constexpr_blockwise_shift_scale") == 1
    compiled = CoreMLModel(path)
    assert compiled.specification_version == 9
    assert psnr(compiled.predict({"x": sample()})["y"], reference(model, sample())) > 40


def test_activations_rounded_at_run_time_stay_floats(tmp_path: Path) -> None:
    """``DynamicQuantizeLinear -> DequantizeLinear`` is left out: the products are those of the weights alone."""
    model = quantized_conv()
    del model.graph.node[5:]
    model.graph.node[4].output[0] = "y"
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:2]
    plain.graph.node[2].input[0] = "x"
    del model.graph.node[:2]
    pair = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"], name="quantize_x"),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xf"], name="dequantize_x"),
    ]
    nodes = [*pair, *model.graph.node]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model = finish(model.graph)
    path = tmp_path / "m.mlpackage"
    compile_coreml(hub_of(model), path, precision="int8", io="tensor")
    result = CoreMLModel(path).predict({"x": sample()})["y"]
    rounded = psnr(reference(model, sample()), reference(plain, sample()))
    assert psnr(result, reference(plain, sample())) > rounded + 5 > 45
    assert CoreMLModel(path).specification_version == 7
    assert {op.type for op in operations(path)} == {"const", "cast", "constexpr_affine_dequantize", "conv"}


def test_what_is_rounded_at_run_time_has_no_other_reader(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"], name="quantize_x"),
        helper.make_node("Cast", ["xq"], ["y"], to=TensorProto.FLOAT, name="reader"),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, CHANNELS, 12, 10)) for name in "xy"]
    model = finish(helper.make_graph(nodes, "rounded", ports[:1], ports[1:]))
    with pytest.raises(UnsupportedError, match=r"'reader' \(Cast\) reads what 'quantize_x'"):
        compile_coreml(hub_of(model), tmp_path / "m.mlpackage", io="tensor")


def scale_bytes(op: object, package: Path) -> bytes:
    """The raw bytes of a constexpr's ``scale``, from the program or from the weight file."""
    value = op.attributes["scale"]
    if value.WhichOneof("value") == "blobFileValue":
        from coremltools.libmilstoragepython import _BlobStorageReader as Reader

        reader = Reader(str(package / "Data/com.apple.CoreML/weights/weight.bin"))
        return np.array(reader.read_fp16_data(value.blobFileValue.offset), np.uint16).tobytes()
    return value.immediateValue.tensor.bytes.values
