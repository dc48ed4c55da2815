"""Q/DQ graphs: int8 kernels where TFLite has them, within rounding of ONNX Runtime on the same graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.tflite.int8 import INT8_RULES
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import compile_bytes, model_of, run_onnx, run_tflite
from tests.export.tflite.test_registry import operators

node = onnx.helper.make_node
PICTURE = normal(1, 8, 9, 10)
SCALE = {"x": 0.03, "x2": 0.025, "y": 0.0617}


class Graph:
    """Collects nodes and constants of a Q/DQ graph."""

    def __init__(self, kind=np.int8):
        self.nodes, self.constants, self.feeds, self.kind = [], {}, {}, kind

    def qdq(self, name: str, scale: float, zero: int, source: str | None = None) -> str:
        """Quantizes and dequantizes ``source``; returns the name of the result."""
        self.constants |= {f"{name}_s": np.float32(scale), f"{name}_z": np.asarray(zero, self.kind)}
        self.nodes.append(node("QuantizeLinear", [source or name, f"{name}_s", f"{name}_z"], [f"{name}_q"]))
        self.nodes.append(node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_z"], [f"{name}_dq"]))
        return f"{name}_dq"

    def input(self, name: str, array: np.ndarray, scale: float, zero: int) -> str:
        self.feeds[name] = array
        return self.qdq(name, scale, zero)

    def weights(self, name: str, array: np.ndarray, axis: int | None, kind=np.int8) -> str:
        """Symmetric weights behind a DequantizeLinear, one scale along ``axis`` or one in all."""
        others = None if axis is None else tuple(i for i in range(array.ndim) if i != axis)
        scale = np.abs(array).max(axis=others, keepdims=axis is not None) / 127
        self.constants[f"{name}_q"] = np.rint(array / scale).astype(kind)
        self.constants[f"{name}_s"] = scale.reshape(-1 if axis is not None else ()).astype(np.float32)
        attributes = {} if axis is None else {"axis": axis}
        self.nodes.append(node("DequantizeLinear", [f"{name}_q", f"{name}_s"], [f"{name}_dq"], **attributes))
        return f"{name}_dq"

    def op(self, op_type: str, names: list[str], output: str = "f", **attributes) -> str:
        self.nodes.append(node(op_type, names, [output], name=f"{op_type}_{output}", **attributes))
        return output

    def check(
        self, output: str, step: float, expected: list[str] | None = None, steps: float = 1, off: float = 0.05
    ) -> list[str]:
        """Compares with ONNX Runtime in quantization steps (a share ``off`` may be one off); the operators written."""
        model = model_of(self.nodes, self.feeds, [output], self.constants)
        content = compile_bytes(model, precision="int8")
        got = run_tflite(content, self.feeds, [output])[0]
        want = run_onnx(model, self.feeds)[0]
        difference = np.abs(got - want) / step
        assert difference.max() <= steps + 1e-3
        assert (difference > 0.5).mean() < off
        if expected is not None:
            assert [o for o in operators(content) if o not in ("QUANTIZE", "DEQUANTIZE", "RESHAPE")] == expected
        return operators(content)


def convolution(op_type, shape, kind=np.int8, axis=0, relu=False, **attributes):
    graph = Graph(kind)
    shift = 128 if kind == np.uint8 else 0
    x = graph.input("x", PICTURE, SCALE["x"], 3 + shift)
    w = graph.weights("w", normal(*shape) / 10, axis)
    outputs = shape[0] if op_type == "Conv" else shape[1]
    graph.constants["b"] = normal(outputs)
    f = graph.op(op_type, [x, w, "b"], **attributes)
    f = graph.op("Relu", [f], "relu") if relu else f
    return graph, graph.qdq("y", SCALE["y"], -7 + shift, f)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("axis", [0, None])
@pytest.mark.parametrize("relu", [False, True])
def test_conv(kind, axis, relu):
    graph, y = convolution("Conv", (6, 8, 3, 3), kind, axis, relu, pads=[1, 1, 1, 1])
    graph.check(y, SCALE["y"], ["CONV_2D"])


def test_conv_padded_by_hand():
    graph, y = convolution("Conv", (6, 8, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    graph.check(y, SCALE["y"], ["PAD", "CONV_2D"])


def in_form(graph: Graph, x: str, kernel: tuple[int, ...], size: float = 0.1, **attributes) -> list[str]:
    """The operators of an int8 convolution of ``x`` whose numbers are those of ONNX Runtime within a step."""
    graph.constants["b"] = normal(kernel[0])
    w = graph.weights("w", size * normal(*kernel), 0)
    y = graph.qdq("y", SCALE["y"], -128, graph.op("Relu", [graph.op("Conv", [x, w, "b"], **attributes)], "r"))
    return graph.check(y, SCALE["y"])


@pytest.mark.parametrize("mode", ["reflect", "edge", "constant"])
def test_conv_after_doubling_runs_at_low_resolution(mode):
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    graph.constants |= {"s": np.float32([1, 1, 2, 2]), "pads": ints(0, 0, 1, 1, 0, 0, 1, 1)}
    u = graph.op("Resize", [x, "", "s"], "u", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    written = in_form(graph, graph.op("Pad", [u, "pads"], "p", mode=mode), (6, 8, 3, 3))
    assert written.count("CONV_2D") == 4
    assert written[-3:] == ["CONCATENATION", "DEPTH_TO_SPACE", "DEQUANTIZE"]
    assert "RELU" not in written


@pytest.mark.parametrize("kernel", [(3, 8, 9, 9), (3, 8, 5, 6)])
def test_conv_to_few_channels_takes_four_pixels_at_a_time(kernel):
    graph = Graph()
    size = (1, 8, 14 + kernel[2] - 1, 18 + kernel[3] - 1)
    x = graph.input("x", normal(*size), SCALE["x"], 3)
    written = in_form(graph, x, kernel, 0.02)
    assert [o for o in written if o != "RESHAPE"] == ["QUANTIZE", "CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE"]


@pytest.mark.parametrize("kernel", [(6, 3, 3, 3), (6, 3, 9, 9), (6, 1, 4, 4)])
@pytest.mark.parametrize("padded", [False, True])
def test_conv_of_few_channels_takes_pairs_of_pixels(kernel, padded):
    graph = Graph()
    pads = [1, 1, 2, kernel[3] - 2] if padded else [0] * 4
    width = 18 if padded else 17 + kernel[3]
    x = graph.input("x", normal(1, kernel[1], 20, width), SCALE["x"], 3)
    written = in_form(graph, x, kernel, pads=pads)
    assert "PAD" not in written
    expected = ["QUANTIZE", "RESHAPE", "CONV_2D", "RESHAPE", "DEQUANTIZE"]
    assert [o for o in written if o != "CONCATENATION"] == expected


def test_conv_depthwise_and_grouped():
    graph, y = convolution("Conv", (8, 1, 3, 3), group=8, pads=[1, 1, 1, 1])
    graph.check(y, SCALE["y"], ["DEPTHWISE_CONV_2D"])
    graph, y = convolution("Conv", (6, 4, 3, 3), group=2)
    graph.check(y, SCALE["y"], ["CONV_2D"])


def test_conv_weights_at_minus_128_are_rescaled():
    graph, y = convolution("Conv", (6, 8, 3, 3))
    graph.constants["w_q"][2, 1] = -128
    graph.check(y, SCALE["y"], ["CONV_2D"], steps=1)
    content = compile_bytes(model_of(graph.nodes, graph.feeds, [y], graph.constants), precision="int8")
    interpreter = Interpreter(model_content=content)
    (filters,) = (d["index"] for d in interpreter.get_tensor_details() if list(d["shape"]) == [6, 3, 3, 8])
    assert interpreter.get_tensor(filters).min() == -127


def test_conv_bias_behind_dequantize():
    graph, y = convolution("Conv", (6, 8, 3, 3))
    scale = SCALE["x"] * graph.constants["w_s"]
    graph.constants |= {"b_q": np.rint(graph.constants.pop("b") / scale).astype(np.int32), "b_s": scale}
    graph.nodes.insert(0, node("DequantizeLinear", ["b_q", "b_s"], ["b"], axis=0))
    graph.check(y, SCALE["y"], ["CONV_2D"])


@pytest.mark.parametrize(
    ("kernel", "attributes", "phases"),
    [
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, 4),
        ((3, 3), {"strides": [2, 2], "pads": [0, 0, 1, 1]}, 4),
        ((4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, 4),
        ((2, 2), {"strides": [2, 2]}, 4),
        ((3, 5), {"strides": [2, 2], "pads": [1, 2, 0, 1]}, 4),
        ((5, 5), {"strides": [3, 3], "pads": [1, 1, 1, 1]}, 9),
        ((3, 3), {"strides": [2, 2]}, 0),  # 19 x 21 pixels
        ((2, 3), {"strides": [3, 3], "output_padding": [1, 0]}, 0),
        ((3, 3), {"strides": [2, 1], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}, 0),
    ],
)
@pytest.mark.parametrize("relu", [False, True])
def test_conv_transpose(kernel, attributes, phases, relu):
    graph, y = convolution("ConvTranspose", (8, 6, *kernel), axis=1, relu=relu, **attributes)
    written = graph.check(y, SCALE["y"])
    assert written.count("TRANSPOSE_CONV") == (0 if phases else 1)
    assert written.count("CONV_2D") == phases
    if phases:
        assert "RELU" not in written


def test_conv_transpose_with_scales_on_the_wrong_axis_stays_float():
    graph, y = convolution("ConvTranspose", (8, 6, 3, 3), axis=0, strides=[2, 2])
    assert "TRANSPOSE_CONV" in graph.check(y, SCALE["y"])


@pytest.mark.parametrize(("op_type", "flip"), [("Gemm", 1), ("Gemm", 0), ("MatMul", 0)])
def test_fully_connected(op_type, flip):
    graph = Graph()
    x = graph.input("x", normal(5, 12), SCALE["x"], 3)
    shape, axis = ((7, 12), 0) if flip else ((12, 7), 1)
    w = graph.weights("w", normal(*shape), axis)
    graph.constants["b"] = normal(7)
    names, attributes = ([x, w, "b"], {"transB": flip}) if op_type == "Gemm" else ([x, w], {})
    f = graph.op(op_type, names, **attributes)
    graph.check(graph.qdq("y", SCALE["y"], 2, f), SCALE["y"], ["FULLY_CONNECTED"])


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_binary(op_type, constant, relu):
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    if constant:
        other = graph.weights("w", normal(8, 1, 1), None)
    else:
        other = graph.input("x2", normal(1, 8, 1, 1, seed=3), SCALE["x2"], -5)
    f = graph.op(op_type, [x, other])
    f = graph.op("Relu", [f], "relu") if relu else f
    graph.check(graph.qdq("y", SCALE["y"], 2, f), SCALE["y"], [op_type.upper()], steps=1)


ACTIVATIONS = [
    ("LeakyRelu", "LEAKY_RELU", 0.03, -50, {"alpha": 0.2}),
    ("Sigmoid", "LOGISTIC", 1 / 256, -128, {}),
    ("Tanh", "TANH", 1 / 128, 0, {}),
]


@pytest.mark.parametrize(("op_type", "code", "scale", "zero", "attributes"), ACTIVATIONS)
def test_activation(op_type, code, scale, zero, attributes):
    graph = Graph()
    f = graph.op(op_type, [graph.input("x", 2 * PICTURE, 0.05, 3)], **attributes)
    graph.check(graph.qdq("y", scale, zero, f), scale, [code])


def delegated(written: list[str]) -> bool:
    """Whether XNNPACK takes every operator: it has no int8 kernels for these."""
    return not {"RELU", "AVERAGE_POOL_2D", "HARD_SWISH"} & set(written)


@pytest.mark.parametrize("quantized", [True, False])
def test_relu_in_front_of_a_quantizer_that_clamps_is_dropped(quantized):
    graph = Graph()
    x = graph.input("x", 2 * PICTURE, 0.05, 3)
    f = graph.op("Relu", [x if quantized else graph.op("Sin", [x], "sine")])
    written = graph.check(graph.qdq("y", 0.0213, -128, f), 0.0213)
    assert written.count("QUANTIZE") == 2
    assert written.count("DEQUANTIZE") == (1 if quantized else 2)
    assert "RELU" not in written


@pytest.mark.parametrize("zero", [-127, 0])
def test_relu_in_front_of_another_quantizer_runs_in_float(zero):
    graph = Graph()
    f = graph.op("Relu", [graph.input("x", 2 * PICTURE, 0.05, 3)])
    assert graph.check(graph.qdq("y", 0.0413, zero, f), 0.0413).count("DEQUANTIZE") == 2


def test_relu_that_a_float_reads_too_stays():
    graph = Graph()
    f = graph.op("Relu", [graph.input("x", 2 * PICTURE, 0.05, 3)])
    y = graph.op("Sub", [graph.qdq("q", 0.0213, -128, f), graph.op("Sin", [f], "sine")], "y")
    assert "RELU" in graph.check(y, 0.0213)


def test_leaky_relu_with_a_slope_that_xnnpack_cannot_rescale_by_runs_in_float():
    graph = Graph()
    f = graph.op("LeakyRelu", [graph.input("x", 2 * PICTURE, 0.05, 3)], alpha=1e-3)
    written = graph.check(graph.qdq("y", 0.05, -100, f), 0.05)
    assert written == ["QUANTIZE", "DEQUANTIZE", "LEAKY_RELU", "QUANTIZE", "DEQUANTIZE"]


def test_sigmoid_with_another_scale_runs_in_float():
    graph = Graph()
    f = graph.op("Sigmoid", [graph.input("x", PICTURE, 0.05, 3)])
    written = graph.check(graph.qdq("y", 1 / 200, -128, f), 1 / 200)
    assert written == ["QUANTIZE", "DEQUANTIZE", "LOGISTIC", "QUANTIZE", "DEQUANTIZE"]


MOVES = [
    ("MaxPool", ["MAX_POOL_2D"], [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("Reshape", ["TRANSPOSE"], [ints(8, 80)], {}),
    ("Flatten", ["TRANSPOSE"], [], {}),
    ("Transpose", [], [], {"perm": [0, 2, 3, 1]}),
    ("Slice", ["SLICE"], [ints(1), ints(5), ints(1)], {}),
    ("Gather", ["GATHER"], [ints(4, 1, 1)], {"axis": 1}),
    ("Tile", ["TILE"], [ints(1, 2, 1, 1)], {}),
    ("Expand", ["BROADCAST_TO"], [ints(2, 8, 8, 10)], {}),
    ("Pad", ["PAD"], [ints(0, 0, 1, 2, 0, 0, 0, 1)], {}),
    ("Pad", None, [ints(0, 0, 1, 1, 0, 0, 1, 1)], {"mode": "reflect"}),
    ("DepthToSpace", ["DEPTH_TO_SPACE"], [], {"blocksize": 2}),
    ("DepthToSpace", ["GATHER", "DEPTH_TO_SPACE"], [], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", ["SPACE_TO_DEPTH"], [], {"blocksize": 2}),
    ("Squeeze", None, [ints(0)], {}),
    ("Unsqueeze", None, [ints(0)], {}),
    ("Identity", [], [], {}),
    ("Dropout", [], [], {}),
]


@pytest.mark.parametrize(("op_type", "expected", "constants", "attributes"), MOVES)
@pytest.mark.parametrize("requantize", [False, True])
def test_move(op_type, expected, constants, attributes, requantize):
    graph = Graph()
    x = graph.input("x", normal(1, 8, 8, 10), SCALE["x"], 3)
    graph.constants |= {f"c{i}": array for i, array in enumerate(constants)}
    f = graph.op(op_type, [x, *(f"c{i}" for i in range(len(constants)))], **attributes)
    scale, zero = (0.05, -4) if requantize else (SCALE["x"], 3)
    y = graph.qdq("y", scale, zero, f)
    transposed_output = op_type in ("Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze")
    written = graph.check(y, scale, None if transposed_output else expected, steps=1 if requantize else 0)
    assert written.count("QUANTIZE") == 1 + requantize
    assert written.count("DEQUANTIZE") == 1


@pytest.mark.parametrize("requantize", [False, True])
def test_split(requantize):
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    graph.nodes.append(node("Split", [x], ["a", "b"], axis=1, num_outputs=2))
    scale = 0.05 if requantize else SCALE["x"]
    y = graph.op("Sub", [graph.qdq("p", scale, 3, "a"), graph.qdq("q", scale, 3, "b")], "y")
    graph.check(y, scale, ["SPLIT", "SUB"], steps=2 if requantize else 0)


@pytest.mark.parametrize("op_type", ["nearest", "linear", "AveragePool"])
def test_average(op_type):
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    if op_type == "AveragePool":
        f = graph.op(op_type, [x], kernel_shape=[3, 3], strides=[2, 2])
    else:
        graph.constants["s"] = np.float32([1, 1, 2, 2])
        f = graph.op(
            "Resize", [x, "", "s"], mode=op_type, coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )
    # Doubling linearly lands on halves all the time, which the two sides round differently.
    off = 0.2 if op_type == "linear" else 0.05
    written = graph.check(graph.qdq("y", SCALE["x"], 3, f), SCALE["x"], off=off)
    assert written.count("DEQUANTIZE") == 1
    assert delegated(written)


@pytest.mark.parametrize("attributes", [{"strides": [1, 1]}, {"strides": [2, 3], "dilations": [2, 1]}])
def test_average_pool_to_another_scale(attributes):
    graph = Graph()
    f = graph.op("AveragePool", [graph.input("x", PICTURE, SCALE["x"], 3)], kernel_shape=[2, 3], **attributes)
    graph.check(graph.qdq("y", 0.011, -7, f), 0.011, ["DEPTHWISE_CONV_2D"])


def test_nearest_resize_and_pad_stay_int8_in_front_of_a_float():
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    graph.constants |= {"s": np.float32([1, 1, 2, 2]), "pads": ints(0, 0, 1, 1, 0, 0, 1, 1)}
    u = graph.op("Resize", [x, "", "s"], "u", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    y = graph.op("Sin", [graph.op("Pad", [u, "pads"], "p", mode="reflect")], "y")
    assert graph.check(y, SCALE["x"], steps=1e-3)[-2:] == ["DEQUANTIZE", "SIN"]


def test_linear_resize_with_a_float_reader_is_not_rounded():
    graph = Graph()
    x = graph.input("x", PICTURE, SCALE["x"], 3)
    graph.constants["s"] = np.float32([1, 1, 2, 2])
    y = graph.op("Resize", [x, "", "s"], mode="linear")
    graph.check(y, SCALE["x"], ["RESIZE_BILINEAR"], steps=1e-2)


@pytest.mark.parametrize("offset", [0, -3])
def test_max_pool_padding_never_wins(offset):
    graph = Graph()
    f = graph.op(
        "MaxPool", [graph.input("x", PICTURE + offset, 0.05, 70)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
    )
    graph.check(graph.qdq("y", 0.05, 70, f), 0.05, ["PADV2", "MAX_POOL_2D"], steps=0)


@pytest.mark.parametrize("attributes", [{"pads": [1] * 4}, {"ceil_mode": 1}, {"auto_pad": "SAME_UPPER"}])
def test_average_pool_with_edges_runs_in_float(attributes):
    graph = Graph()
    f = graph.op(
        "AveragePool", [graph.input("x", PICTURE, 0.05, 70)], kernel_shape=[3, 3], strides=[2, 2], **attributes
    )
    graph.check(graph.qdq("y", 0.05, 70, f), 0.05)


def test_concat_requantizes_inputs_that_differ():
    graph = Graph()
    parts = [graph.input("x", PICTURE, SCALE["x"], 3), graph.input("x2", normal(1, 4, 9, 10), SCALE["x2"], -5)]
    f = graph.op("Concat", parts, axis=1)
    written = graph.check(graph.qdq("y", SCALE["x"], 3, f), SCALE["x"], ["CONCATENATION"])
    assert written.count("QUANTIZE") == 3


def test_concat_of_one_scale_needs_no_quantizer_behind_it():
    graph = Graph()
    graph.feeds |= {"x": PICTURE, "x2": normal(1, 4, 9, 10)}
    graph.constants |= {"s": np.float32(SCALE["x"]), "z": np.int8(3)}
    for name in ("x", "x2"):
        graph.nodes.append(node("QuantizeLinear", [name, "s", "z"], [f"{name}_q"]))
        graph.nodes.append(node("DequantizeLinear", [f"{name}_q", "s", "z"], [f"{name}_dq"]))
    y = graph.op("Sin", [graph.op("Concat", ["x_dq", "x2_dq"], "c", axis=1)], "y")
    assert graph.check(y, SCALE["x"], steps=1e-3)[-3:] == ["CONCATENATION", "DEQUANTIZE", "SIN"]


@pytest.mark.parametrize("offset", [0, 3])
def test_instance_norm_of_8_bit_numbers(offset):
    graph = Graph()
    scale = np.float32(np.exp(np.linspace(-3, 0, 8)))[:, None, None]  # from 2 steps of deviation to 40
    x = graph.input("x", normal(1, 8, 40, 48) * scale + offset, 0.025, -3 - int(offset / 0.025) % 100)
    graph.constants |= {"scale": 1 + 0.1 * normal(8), "shift": normal(8, seed=1)}
    y = graph.op("InstanceNormalization", [x, "scale", "shift"], epsilon=1e-5)
    written = graph.check(y, 1.0, steps=3e-3)  # a tenth of an int8 step of what a norm gives
    assert written.count("DEQUANTIZE") == 1
    assert not {"SQUARED_DIFFERENCE", "AVERAGE_POOL_2D"} & set(written)


def test_instance_norm_of_a_flat_8_bit_plane_is_its_bias():
    graph = Graph()
    x = graph.input("x", np.full((1, 3, 64, 96), -2.9, np.float32), 0.025, 100)
    graph.constants |= {"scale": np.ones(3, np.float32), "shift": normal(3)}
    y = graph.op("InstanceNormalization", [x, "scale", "shift"], epsilon=1e-5)
    graph.check(y, 1.0, steps=1e-2)


@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "ReduceMean"])
def test_plane_mean(op_type):
    graph = Graph()
    names = [graph.input("x", PICTURE, SCALE["x"], 3)]
    if op_type == "ReduceMean":
        graph.constants["axes"] = ints(2, 3)
        names.append("axes")
    f = graph.op(op_type, names)
    graph.check(graph.qdq("y", 0.004, 3, f), 0.004, ["MEAN"])


@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_16_bit_activations_are_computed_in_float(kind):
    graph = Graph(kind)
    x = graph.input("x", PICTURE, 1e-4, 100)
    graph.check(x, 1e-4, steps=0.01)


def test_every_rule_is_tested():
    tested = {op for op, *_ in MOVES} | {op for op, *_ in ACTIVATIONS}
    tested |= {"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Split", "Resize", "AveragePool"}
    tested |= {"Concat", "GlobalAveragePool", "ReduceMean", "Relu"}
    assert set(INT8_RULES) == tested


@pytest.mark.parametrize(("op_type", "scale"), [("Conv", 1e-3), ("Mul", 1e-3), ("Add", 1e-4), ("Concat", 1e-4)])
def test_what_xnnpack_cannot_rescale_by_stays_in_float(op_type, scale):
    graph = Graph()
    x = graph.input("x", PICTURE, 1.0, 0)
    if op_type == "Conv":
        y = graph.op("Conv", [x, graph.weights("w", 100 * normal(8, 8, 3, 3), 0)], kernel_shape=[3, 3])
    else:
        y = graph.op(op_type, [x, graph.input("x2", PICTURE[..., ::-1].copy(), 1.0, 0)])
        if op_type == "Concat":
            graph.nodes[-1].attribute.append(onnx.helper.make_attribute("axis", 1))
    written = graph.check(graph.qdq("y", scale, 0, y), scale, off=0.3)
    assert "DEQUANTIZE" in written
