"""Whole files: ports, precisions, metadata, layout, fusing, delegate partitions, and errors."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from skimage import data

from export.tflite import census, compile_tflite
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import both, compile_bytes, hub_of, model_of, run_onnx, run_tflite, to_nhwc
from tests.export.tflite.test_registry import operators
from validate.errors import BrushportError, UnsupportedError

node = onnx.helper.make_node


def photo(size: int = 64) -> np.ndarray:
    """A piece of a real photo, [1, 3, size, size] in [0, 1]."""
    return (data.astronaut()[:size, :size].astype(np.float32) / 255).transpose(2, 0, 1)[None].copy()


def style_network(size: int = 64) -> tuple[onnx.ModelProto, dict]:
    """Johnson's network in small: reflected pads, instance norms, a residual block, nearest upsampling, tanh."""
    nodes, constants = [], {"pad": ints(0, 0, 1, 1, 0, 0, 1, 1), "wide": ints(0, 0, 4, 4, 0, 0, 4, 4)}
    constants |= {"double": np.float32([1, 1, 2, 2]), "half": np.float32(0.5), "one": np.float32(1)}

    def block(x, name, shape, relu=True, **attributes):
        constants.update({f"{name}_w": normal(*shape) / 20, f"{name}_b": normal(shape[0])})
        constants.update({f"{name}_s": 1 + normal(shape[0], seed=1) / 4, f"{name}_t": normal(shape[0], seed=2)})
        nodes.append(node("Pad", [x, "wide" if shape[2] == 9 else "pad"], [f"{name}_p"], mode="reflect"))
        nodes.append(node("Conv", [f"{name}_p", f"{name}_w", f"{name}_b"], [f"{name}_c"], **attributes))
        nodes.append(node("InstanceNormalization", [f"{name}_c", f"{name}_s", f"{name}_t"], [f"{name}_n"]))
        if relu:
            nodes.append(node("Relu", [f"{name}_n"], [f"{name}_r"]))
        return f"{name}_r" if relu else f"{name}_n"

    x = block("image", "in", (8, 3, 9, 9))
    x = block(x, "down", (16, 8, 3, 3), strides=[2, 2])
    y = block(block(x, "a", (16, 16, 3, 3)), "b", (16, 16, 3, 3), relu=False)
    nodes.append(node("Add", [x, y], ["sum"]))
    nodes.append(
        node("Resize", ["sum", "", "double"], ["up"], coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    )
    x = block(block("up", "u", (8, 16, 3, 3)), "out", (3, 8, 9, 9), relu=False)
    nodes += [node("Tanh", [x], ["t"]), node("Add", ["t", "one"], ["v"]), node("Mul", ["v", "half"], ["stylized"])]
    image = photo(size)
    return model_of(nodes, {"image": image}, ["stylized"], constants), {"image": image}


def delegates(content: bytes) -> int:
    """In how many pieces XNNPACK takes the graph."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return sum(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("size", [64, 52])
def test_style_network_is_exact_whole_and_without_transposes(size):
    model, feeds = style_network(size)
    content = compile_bytes(model)
    assert psnr(run_tflite(content, feeds, ["stylized"])[0], run_onnx(model, feeds)[0]) > 105
    assert "TRANSPOSE" not in operators(content)
    assert "MIRROR_PAD" not in operators(content)
    assert delegates(content) == 1


def test_fp16_stores_filters_as_halves_and_little_else(tmp_path):
    model, feeds = style_network()
    compile_tflite(hub_of(model), tmp_path / "n.tflite", precision="fp16", io="tensor", metadata={})
    content = (tmp_path / "n.tflite").read_bytes()
    assert 60 < psnr(run_tflite(content, feeds, ["stylized"])[0], run_onnx(model, feeds)[0]) < 105
    stored = census(tmp_path / "n.tflite")["weight_bytes"]
    # The two convolutions of the residual block have equal filters, which are stored once.
    # The first one is 9x10 to two pixels, the one after upsampling four of 2x2, the last one 10x10 to 12 channels.
    assert stored["float16"] == 2 * (2 * 8 * 3 * 90 + 16 * 8 * 9 + 16 * 16 * 9 + 4 * 8 * 16 * 4 + 12 * 8 * 100)
    assert stored["float32"] < 1000
    assert delegates(content) == 1


def test_fp16_leaves_what_a_half_cannot_hold(tmp_path):
    model = model_of([node("MatMul", ["x", "w"], ["y"])], {"x": normal(2, 3)}, ["y"], {"w": np.full((3, 4), 1e5, "f")})
    compile_tflite(hub_of(model), tmp_path / "m.tflite", precision="fp16", io="tensor", metadata={})
    assert "float16" not in census(tmp_path / "m.tflite")["weight_bytes"]


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_image_ports_are_uint8_pixels(value_range, precision):
    black, white = value_range
    step = (white - black) / 255
    weights = 0.7 * np.float32([[0, 0, 1], [1, 0, 0], [0, 1, 0]]).reshape(3, 3, 1, 1)
    bias = np.float32([0, 130, -30]) * step
    image = np.zeros((1, 3, 16, 17), np.float32)
    nodes = [node("Conv", ["image", "w", "b"], ["stylized"])]
    model = model_of(nodes, {"image": image}, ["stylized"], {"w": weights, "b": bias})
    content = compile_bytes(model, value_range, precision=precision, io="image")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 17)).astype(np.uint8)
    got = run_tflite(content, {"image": pixels}, ["stylized"])[0]
    assert got.dtype == np.uint8
    real = run_onnx(model, {"image": (black + step * pixels).astype(np.float32)})[0]
    want = np.clip((real - black) / step, 0, 255)
    assert want.max() == 255  # clamped
    assert want.min() == 0 or black == -1
    assert np.abs(got - want).max() < (0.51 if precision == "fp32" else 0.7)
    interpreter = Interpreter(model_content=content)
    for detail in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        scale, zero_point = detail["quantization"]
        assert scale == pytest.approx(step)
        assert zero_point == 0
    assert delegates(content) == 1


def test_style_vector_stays_float_and_names_are_kept():
    feeds = {"image": photo(16), "style": np.float32([[0.3, 0.7]])}
    constants = {"table": 1 + normal(2, 3), "shift": normal(2, 3, seed=1), "axes": ints(2, 3), "first": ints(0)}
    nodes = [
        node("MatMul", ["style", "table"], ["s"]),
        node("Unsqueeze", ["s", "axes"], ["s4"]),
        node("MatMul", ["style", "shift"], ["t"]),
        node("Squeeze", ["t", "first"], ["t1"]),
        node("Squeeze", ["s", "first"], ["s1"]),
        node("InstanceNormalization", ["image", "s1", "t1"], ["n"]),
        node("Mul", ["n", "s4"], ["stylized"]),
    ]
    model = model_of(nodes, feeds, ["stylized"], constants)
    (got, want), *_ = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    interpreter = Interpreter(model_content=compile_bytes(model, (0.0, 1.0), io="image"))
    assert {d["name"]: d["dtype"] for d in interpreter.get_input_details()} == {"image": np.uint8, "style": np.float32}
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature == {"inputs": ["image", "style"], "outputs": ["stylized"]}


def test_metadata_and_alignment():
    model, _ = style_network()
    content = compile_bytes(model, metadata={"brushport": '{"style": "Wellenbrücke"}', "empty": ""})
    assert content[4:8] == b"TFL3"
    root = schema.Model.GetRootAs(content, 0)
    found = {}
    for i in range(root.MetadataLength()):
        buffer = root.Buffers(root.Metadata(i).Buffer())
        found[root.Metadata(i).Name().decode()] = bytes(buffer.DataAsNumpy()).decode() if buffer.DataLength() else ""
    assert found == {"brushport": '{"style": "Wellenbrücke"}', "empty": ""}
    base = np.frombuffer(content, np.uint8).ctypes.data
    for i in range(root.BuffersLength()):
        if root.Buffers(i).DataLength():
            assert (root.Buffers(i).DataAsNumpy().ctypes.data - base) % 16 == 0


def test_equal_constants_are_stored_once():
    weights = normal(64, 64)
    nodes = [node("MatMul", ["x", "a"], ["h"]), node("MatMul", ["h", "b"], ["y"])]
    content = compile_bytes(model_of(nodes, {"x": normal(2, 64)}, ["y"], {"a": weights, "b": weights.copy()}))
    assert len(content) < 1.5 * weights.nbytes


def conv_then(nodes, outputs):
    feeds, constants = {"x": normal(1, 3, 8, 8)}, {"w": normal(4, 3, 3, 3)}
    model = model_of([node("Conv", ["x", "w"], ["c"]), *nodes], feeds, outputs, constants)
    for got, want in both(model, feeds):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    return operators(compile_bytes(model))


def test_activation_is_fused_only_where_nobody_else_reads():
    relu = node("Relu", ["c"], ["y"])
    assert conv_then([relu], ["y"]) == ["CONV_2D"]
    assert conv_then([relu], ["y", "c"]) == ["CONV_2D", "RELU"]
    assert conv_then([relu, node("Neg", ["c"], ["z"])], ["y", "z"]) == ["CONV_2D", "RELU", "NEG"]
    alias = node("Identity", ["c"], ["i"])
    assert "RELU" in conv_then([alias, node("Relu", ["i"], ["y"]), node("Neg", ["c"], ["z"])], ["y", "z"])
    assert conv_then([relu, node("Relu", ["y"], ["z"])], ["z"]) == ["CONV_2D", "RELU"]


@pytest.mark.parametrize(
    ("scale", "bias", "last"),
    [(1, 0, ["RSQRT", "MUL"]), (1, None, ["RSQRT", "MUL"]), (1, 2, ["MUL", "ADD"]), (3, 0, ["MUL", "MUL"])],
)
def test_layer_norm_without_gain_costs_none(scale, bias, last):
    inputs, constants = ["x", "s"], {"s": np.full(64, scale, np.float32)}
    if bias is not None:
        inputs, constants = [*inputs, "b"], constants | {"b": np.full(64, bias, np.float32)}
    feeds = {"x": normal(1, 16, 64)}
    model = model_of([node("LayerNormalization", inputs, ["y"])], feeds, ["y"], constants)
    for got, want in both(model, feeds):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert operators(compile_bytes(model))[-2:] == last


def test_mish_divides_nothing_and_overflows_nowhere():
    feeds = {"x": np.float32([-1e30, -1e4, -90, -5, -0.0, 1e-3, 9.9, 10.1, 89, 1e4, 1e30])}
    model = model_of([node("Mish", ["x"], ["y"])], feeds, ["y"])
    x = feeds["x"].astype(np.float64)
    got = run_tflite(compile_bytes(model), feeds, ["y"])[0]
    np.testing.assert_allclose(got, x * np.tanh(np.logaddexp(0, x)), rtol=3e-7, atol=3e-6)
    assert operators(compile_bytes(model)) == ["MINIMUM", "EXP", "ADD", "LOG", "TANH", "MUL"]


def test_transposes_that_meet_cancel():
    there, back = node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]), node("Transpose", ["s"], ["y"], perm=[0, 3, 1, 2])
    assert conv_then([there, node("Sigmoid", ["t"], ["s"]), back], ["y"]) == ["CONV_2D", "LOGISTIC"]


def test_channel_shuffle_moves_axes_once():
    constants = {"split": ints(1, 2, 2, 6, 6), "join": ints(1, 4, 6, 6), "w": normal(4, 3, 3, 3)}
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Reshape", ["c", "split"], ["g"]),
        node("Transpose", ["g"], ["t"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["t", "join"], ["y"]),
    ]
    feeds = {"x": normal(1, 3, 8, 8)}
    model = model_of(nodes, feeds, ["y"], constants)
    (got, want), *_ = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert operators(compile_bytes(model)) == ["CONV_2D", "RESHAPE", "TRANSPOSE", "RESHAPE"]


def test_input_and_constant_as_outputs():
    feeds = {"x": normal(1, 3, 8, 8)}
    nodes = [node("Identity", ["x"], ["y"]), node("Relu", ["x"], ["z"]), node("Identity", ["z"], ["w"])]
    for got, want in both(model_of(nodes, feeds, ["y", "z", "w"]), feeds):
        np.testing.assert_array_equal(got, want)


def test_census_counts_what_was_written(tmp_path):
    model, _ = style_network()
    for precision, stored in (("fp32", "float32"), ("fp16", "float16")):
        compile_tflite(hub_of(model), tmp_path / "n.tflite", precision=precision, io="tensor", metadata={})
        counted = census(tmp_path / "n.tflite")
        assert counted["macs_share"] == {f"float32 x {stored}": 1.0}
        assert counted["operators"]["CONV_2D"] == 6 + 3
    area = 64 * 64
    wanted = area * (8 * 3 * 90 + 16 * 8 * 9 / 4 + 2 * 16 * 16 * 9 / 4 + 8 * 16 * 4 + 3 * 8 * 100)
    assert counted["macs"] == wanted


def broken(op_type, inputs, constants=None, **attributes):
    names = [*inputs, *(constants or {})]
    return model_of([node(op_type, names, ["y"], name="subject", **attributes)], inputs, ["y"], constants)


SMALL = normal(1, 3, 8, 8)
NO_REGION = np.zeros(0, np.float32)
REFUSED = [
    (broken("AveragePool", {"x": SMALL}, kernel_shape=[1, 1], strides=[3, 4], auto_pad="SAME_UPPER"), "negative pads"),
    (broken("MaxPool", {"x": normal(1, 2, 3, 3, 3, 3)}, kernel_shape=[2, 2, 2, 2]), "inputs of rank 6"),
    (broken("MaxPool", {"x": SMALL}, kernel_shape=[1, 1], strides=[2, 3], ceil_mode=1), "starts in the padding"),
    (
        broken(
            "ConvTranspose",
            {"x": SMALL},
            {"w": normal(3, 2, 3, 3)},
            auto_pad="SAME_UPPER",
            output_padding=[1, 1],
            strides=[2, 2],
        ),
        "auto_pad gives an output",
    ),
    (
        broken(
            "Resize",
            {"x": np.ones((1, 1, 4, 4), np.int32)},
            {"r": NO_REGION, "s": np.float32([1, 1, 2, 2])},
            mode="linear",
        ),
        "interpolating int32",
    ),
    (broken("Pad", {"x": SMALL}, {"p": ints(0, 0, 0, 0, 0, 0, 0, 9)}, mode="reflect"), "reflected pad of 9"),
    (broken("Pow", {"x": np.int32([2, 3]), "e": np.float32([1, 0.5])}), "power with a fraction"),
    (broken("BitwiseNot", {"x": np.int16([2, 3])}), "bits of int16"),
    (broken("Cast", {"x": normal(2, 3)}, to=onnx.TensorProto.UINT16), "cast to uint16"),
    (broken("Cast", {"x": normal(2, 3)}, to=onnx.TensorProto.BFLOAT16), "bfloat16"),
    (broken("Celu", {"x": normal(2, 3)}, alpha=-1.0), "its alpha is -1"),
    (broken("ReduceL2", {"x": np.int32([[2, 3]])}), "not exact in float32"),
    (broken("Gather", {"x": normal(2, 3)}, {"i": ints(5)}), "an index lies outside"),
    (broken("Dropout", {"x": normal(2, 3)}, {"r": np.float32(0.5), "t": np.array(True)}), "random"),
    (broken("Pad", {"x": normal(4, 4), "p": ints(1, 1, 1, 1)}), "the shape of 'y' is not fixed"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_tflite_cannot_express_is_refused(model, message):
    with pytest.raises(UnsupportedError, match=f"'subject'.*{message}"):
        compile_bytes(model)


def test_open_shapes_are_refused():
    model = model_of([node("Relu", ["x"], ["y"])], {"x": normal(1, 3, 8, 8)}, ["y"])
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(UnsupportedError, match="shape of input 'x' is not fixed"):
        compile_bytes(model)


def test_unknown_options_are_refused(tmp_path):
    hub = hub_of(style_network()[0])
    with pytest.raises(BrushportError, match="Precision 'fp8'"):
        compile_tflite(hub, tmp_path / "x.tflite", precision="fp8", metadata={})
    with pytest.raises(BrushportError, match="style 'video'"):
        compile_tflite(hub, tmp_path / "x.tflite", io="video", metadata={})
    assert not list(tmp_path.iterdir())


def test_layout_helper_roundtrip():
    assert to_nhwc(normal(1, 2, 3, 4)).shape == (1, 3, 4, 2)
