"""Every 16-bit rule gives what ONNX Runtime gives for the same Q/DQ graph, in a file without a float."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from export.tflite.int16 import INT16_RULES
from export.tflite.int16.tables import FUNCTIONS
from tests.export.tflite.cases.table import ints, normal, positive
from tests.export.tflite.int16.support import Graph, check, compiled, float_tensors, rounded, run_integers
from tests.export.tflite.support import run_tflite
from tests.export.tflite.test_registry import operators
from tests.quantize.graphs import run
from validate.errors import UnsupportedError

PICTURE = normal(1, 6, 9, 10)
OTHER = normal(1, 6, 9, 10, seed=1)
ROWS = normal(5, 12)
Build = Callable[[Graph], str]
EXACT = 0.01  # steps: numbers are only moved
CASES: dict[str, tuple[dict, Build, list[str] | None, float]] = {}


def case(name: str, feeds: dict, build: Build, expected: list[str] | None, steps: float = 2.0) -> None:
    """Adds a case: its inputs, its graph, the operators that are to be written, and the steps it may be off."""
    CASES[name] = feeds, build, expected, steps


def case_of_picture(name: str, build: Build, expected: list[str] | None, steps: float = 2.0) -> None:
    case(name, {"x": PICTURE}, build, expected, steps)


def conv(*shape: int, relu: bool = False, bias: bool = True, **attributes) -> Build:
    def build(g: Graph) -> str:
        y = g.op("Conv", "x", g.weights(*shape), *([g.weights(shape[0])] if bias else []), **attributes)
        return g.op("Relu", y) if relu else y

    return build


def transposed(*shape: int, bias: bool = True, **attributes) -> Build:
    return lambda g: g.op(
        "ConvTranspose", "x", g.weights(*shape), *([g.weights(shape[1])] if bias else []), **attributes
    )


def product(op_type: str, *shape: int, bias: bool = False, relu: bool = False, **attributes) -> Build:
    def build(g: Graph) -> str:
        columns = shape[0] if attributes.get("transB") else shape[1]
        y = g.op(op_type, "x", g.weights(*shape), *([g.weights(columns)] if bias else []), **attributes)
        return g.op("Relu", y) if relu else y

    return build


def single(op_type: str, *constants, **attributes) -> Build:
    return lambda g: g.op(
        op_type, "x", *(g.constant(np.asarray(c)) if c is not None else "" for c in constants), **attributes
    )


def split(g: Graph) -> str:
    outputs = ["first", "second"]
    g.nodes.append(onnx.helper.make_node("Split", ["x"], outputs, "split", axis=1, num_outputs=2))
    return outputs[1]


def shuffled(mode: str) -> Build:
    return lambda g: g.op("DepthToSpace", "x", blocksize=2, mode=mode)


case_of_picture("Conv", conv(7, 6, 3, 3, pads=[1, 1, 1, 1]), ["CONV_2D"])
case_of_picture("Conv without bias", conv(7, 6, 3, 3, bias=False), ["CONV_2D"])
case_of_picture("Conv with Relu", conv(7, 6, 3, 3, relu=True), ["CONV_2D"])
case_of_picture("Conv strided", conv(7, 6, 3, 3, strides=[2, 2], pads=[1, 1, 1, 1]), ["PAD", "CONV_2D"])
case_of_picture("Conv dilated", conv(7, 6, 3, 3, dilations=[2, 2], pads=[2, 2, 2, 2]), ["CONV_2D"])
case_of_picture("Conv depthwise", conv(6, 1, 3, 3, group=6, pads=[1, 1, 1, 1], relu=True), ["DEPTHWISE_CONV_2D"])
case_of_picture("Conv grouped", conv(4, 3, 3, 3, group=2), ["CONV_2D"])
case_of_picture("Conv pointwise", conv(7, 6, 1, 1), ["CONV_2D"])
case_of_picture("ConvTranspose", transposed(6, 5, 4, 4, strides=[2, 2], pads=[1, 1, 1, 1]), ["TRANSPOSE_CONV"])
case_of_picture("ConvTranspose whole", transposed(6, 5, 2, 2, strides=[2, 2], bias=False), ["TRANSPOSE_CONV"])
case("Gemm", {"x": ROWS}, product("Gemm", 12, 7, bias=True, relu=True), ["FULLY_CONNECTED"])
case("Gemm turned", {"x": ROWS}, product("Gemm", 7, 12, bias=True, transB=1), ["FULLY_CONNECTED"])
case("MatMul", {"x": ROWS}, product("MatMul", 12, 7), ["FULLY_CONNECTED"])
case("MatMul of rank 3", {"x": normal(2, 5, 12)}, product("MatMul", 12, 7), ["FULLY_CONNECTED"])

for op_type in ("Add", "Sub", "Mul"):
    case(op_type, {"x": PICTURE, "y": 3 * OTHER}, lambda g, op=op_type: g.op(op, "x", "y"), [op_type.upper()])
    for constant in (np.float32(0.7), normal(1, 6, 1, 1), normal(1, 1, 1, 10), normal(6, 9, 10)):
        name = f"{op_type} with constant {constant.shape}"
        case_of_picture(name, single(op_type, constant), [op_type.upper()])
        case_of_picture(
            f"{name} first", lambda g, op=op_type, c=constant: g.op(op, g.constant(c), "x"), [op_type.upper()]
        )
    case_of_picture(
        f"{op_type} with Relu", lambda g, op=op_type: g.op("Relu", single(op, np.float32(0.3))(g)), [op_type.upper()]
    )
    feeds = {"x": PICTURE, "y": normal(1, 6, 1, 1, seed=2)}
    case(f"{op_type} of channels", feeds, lambda g, op=op_type: g.op(op, "x", "y"), [op_type.upper()])
    feeds = {"x": PICTURE, "y": normal(10, seed=3)}
    case(f"{op_type} of another rank", feeds, lambda g, op=op_type: g.op(op, "x", "y"), [op_type.upper()])
case("Add of sizes far apart", {"x": PICTURE, "y": 1000 * OTHER}, lambda g: g.op("Add", "x", "y"), ["ADD"])
case("Max", {"x": PICTURE, "y": 3 * OTHER}, lambda g: g.op("Max", "x", "y"), ["MAXIMUM"])
case_of_picture("Min with a constant", single("Min", np.float32(0.4)), ["MINIMUM"])
case_of_picture("Clip", single("Clip", np.float32(-0.6), np.float32(0.8)), ["MAXIMUM", "MINIMUM"])
case_of_picture("Clip above", single("Clip", None, np.float32(0.8)), ["MINIMUM"])
case_of_picture("Clip below zero", single("Clip", np.float32(0)), ["MAXIMUM"])

case_of_picture("Relu", single("Relu"), ["RELU"])
case_of_picture("LeakyRelu", single("LeakyRelu", alpha=0.2), ["LEAKY_RELU"])
case_of_picture("Sigmoid", single("Sigmoid"), ["LOGISTIC"], 4)
case_of_picture("Tanh", single("Tanh"), ["TANH"], 4)
case_of_picture("HardSigmoid", single("HardSigmoid", alpha=0.2, beta=0.5), ["MUL", "ADD"], 3)
case_of_picture("HardSwish", single("HardSwish"), ["MUL", "ADD", "MUL"], 4)
case("Sqrt and Reciprocal", {"x": positive(1, 6, 9, 10)}, lambda g: g.op("Reciprocal", g.op("Sqrt", "x")), ["RSQRT"], 4)

case_of_picture("GlobalAveragePool", single("GlobalAveragePool"), ["MEAN"])
case_of_picture("ReduceMean", single("ReduceMean", ints(2, 3), keepdims=1), ["MEAN"])
case_of_picture("ReduceMean of a row", single("ReduceMean", ints(3), keepdims=0), ["MEAN", "TRANSPOSE"])
case_of_picture("ReduceMean of channels", single("ReduceMean", ints(1), keepdims=0), ["MEAN"])
case_of_picture("ReduceMean of all", single("ReduceMean", None, keepdims=0), ["MEAN"])
case("ReduceMean of many", {"x": 1 + normal(1, 2, 300, 260)}, single("ReduceMean", ints(2, 3)), ["MEAN", "MEAN"])

case_of_picture("Reshape", single("Reshape", ints(1, 6, 90)), ["TRANSPOSE"], EXACT)
case_of_picture("Flatten", single("Flatten"), ["TRANSPOSE"], EXACT)
case_of_picture("Squeeze", lambda g: g.op("Squeeze", "x", g.constant(ints(0))), ["TRANSPOSE"], EXACT)
case_of_picture(
    "Unsqueeze", lambda g: g.op("Squeeze", g.op("Unsqueeze", "x", g.constant(ints(4))), g.constant(ints(4))), [], EXACT
)
case_of_picture("Transpose", single("Transpose", perm=[0, 1, 3, 2]), ["TRANSPOSE"], EXACT)
case_of_picture("Identity", lambda g: g.op("Identity", g.op("Relu", "x")), ["RELU"], 1.01)
case_of_picture("Dropout", lambda g: g.op("Dropout", g.op("Relu", "x")), ["RELU"], 1.01)
case_of_picture("Slice", single("Slice", ints(1, 2), ints(8, 9), ints(2, 3)), ["SLICE"], EXACT)
case_of_picture("Split", lambda g: g.op("Relu", split(g)), ["SPLIT", "RELU"], EXACT)
case_of_picture("Gather", single("Gather", ints(3, 1, 4), axis=1), ["GATHER"], EXACT)
case_of_picture("Tile", single("Tile", ints(1, 1, 2, 1)), ["TILE"], EXACT)
case("Expand", {"x": normal(1, 6, 1, 1)}, single("Expand", ints(1, 6, 3, 4)), ["BROADCAST_TO"], EXACT)
case_of_picture("Pad", single("Pad", ints(0, 0, 1, 2, 0, 0, 3, 0)), ["PAD"], EXACT)
case_of_picture("Pad mirrored", single("Pad", ints(0, 0, 1, 2, 0, 0, 3, 0), mode="reflect"), None, EXACT)
case_of_picture("MaxPool", single("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), ["MAX_POOL_2D"], EXACT)
case_of_picture("AveragePool", single("AveragePool", kernel_shape=[3, 3], strides=[2, 2]), ["AVERAGE_POOL_2D"], 3.01)
case("Concat", {"x": PICTURE, "y": 3 * OTHER}, lambda g: g.op("Concat", "x", "y", axis=1), ["CONCATENATION"])


case("DepthToSpace", {"x": normal(1, 12, 5, 6)}, shuffled("DCR"), ["TRANSPOSE"], EXACT)
case("DepthToSpace by columns", {"x": normal(1, 12, 5, 6)}, shuffled("CRD"), ["GATHER", "TRANSPOSE"], EXACT)
UP = (None, np.float32([1, 1, 2, 2]))
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
case_of_picture("Resize nearest", single("Resize", *UP, **NEAREST), ["CONCATENATION", "CONCATENATION"], EXACT)
LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
case_of_picture("Resize linear", single("Resize", *UP, **LINEAR), ["RESIZE_BILINEAR"])


@pytest.mark.parametrize("name", CASES)
def test_rule(name, tmp_path):
    feeds, build, expected, steps = CASES[name]
    graph = Graph(**feeds)
    written = check(graph, build(graph), folder=tmp_path, steps=steps)
    assert expected in (written, None)


@pytest.mark.parametrize(
    ("low", "high", "bounds"), [(1.0, 2.0, 0), (0.02, 30.0, 1), (0.02, 100.0, 2), (0.0065, 50.0, 2)]
)
def test_inverse_roots_of_variances_far_apart(low, high, bounds, tmp_path):
    """LiteRT's own kernel is five times off where a number has few of the 32767 steps."""
    graph = Graph(x=np.geomspace(low, high, 8000).astype(np.float32).reshape(1, -1))
    y = graph.op("Reciprocal", graph.op("Sqrt", "x"))
    made = rounded(graph.build(y), graph.feeds)
    content = compiled(made, tmp_path)
    assert operators(content).count("RSQRT") == bounds + 1
    (got,), (step,) = run_integers(content, graph.feeds, [y])
    (expected,) = run(made, graph.feeds)
    assert (np.abs(got - expected) < 0.004 * expected + 1.01 * (bounds + 1) * step).all()


def test_inverse_roots_beyond_what_photos_gave(tmp_path):
    """What is larger than the result can be is its largest number; it never turns around."""
    graph = Graph(x=np.geomspace(0.02, 30.0, 500).astype(np.float32).reshape(1, -1))
    y = graph.op("Reciprocal", graph.op("Sqrt", "x"))
    content = compiled(rounded(graph.build(y), graph.feeds), tmp_path)
    beyond = {"x": np.geomspace(1e-4, 60.0, 500).astype(np.float32).reshape(1, -1)}
    (got,), (step,) = run_integers(content, beyond, [y])
    assert (np.diff(got) < 0.01 * got[:, 1:] + 2 * step).all()
    assert got[0, 0] > 0.9 * got.max()


@pytest.mark.parametrize("op_type", sorted(FUNCTIONS))
def test_functions_by_table(op_type, tmp_path):
    x = PICTURE
    if op_type in ("Acosh", "Log", "Reciprocal", "Pow"):
        x = 1 + np.abs(x)
    elif op_type in ("Acos", "Asin", "Atanh"):
        x = 0.3 * np.tanh(x)
    elif op_type == "Tan":
        x = 0.3 * x
    graph = Graph(x=x)
    constants = [graph.constant(np.float32(1.5))] if op_type == "Pow" else []
    y = graph.op(op_type, "x", *constants)
    written = check(graph, y, folder=tmp_path, steps=4.0 if op_type == "HardSwish" else 1.01)
    assert written == (["MUL", "ADD", "MUL"] if op_type == "HardSwish" else ["CAST", "ADD", "GATHER"])


def test_every_rule_is_tested():
    tested = {name.split()[0] for name in CASES} | set(FUNCTIONS)
    assert set(INT16_RULES) <= tested


def test_int8_ports_around_16_bits(tmp_path):
    graph = Graph(x=PICTURE)
    y = graph.op("Mul", graph.op("Conv", "x", graph.weights(4, 6, 3, 3)), graph.constant(normal(1, 4, 1, 1)))
    model = graph.build(y)
    content = compiled(rounded(model, graph.feeds, np.int8), tmp_path)
    assert operators(content) == ["QUANTIZE", "CONV_2D", "MUL", "QUANTIZE"]


def test_norms_of_every_kind(tmp_path):
    graph = Graph(x=PICTURE)
    scale, bias = (graph.constant(positive(6, seed=seed)) for seed in (1, 2))
    y = graph.op("InstanceNormalization", graph.op("Mul", "x", graph.constant(positive(1, 6, 1, 1))), scale, bias)
    assert "RSQRT" in check(graph, y, folder=tmp_path, steps=40)


def test_what_has_no_whole_numbers_is_named(tmp_path):
    graph = Graph(x=PICTURE)
    y = graph.op("CumSum", graph.op("Relu", "x"), graph.constant(np.int64(1)))
    with pytest.raises(UnsupportedError, match=r"in float stay CUMSUM .*Export it without --integer-io"):
        compiled(rounded(graph.build(y), graph.feeds), tmp_path)


def test_floats_remain_around_what_has_no_kernel(tmp_path):
    """Without --integer-io, and the file still gives what it should."""
    graph = Graph(x=PICTURE)
    y = graph.op("Relu", graph.op("Erf", graph.op("Relu", "x")))
    made = rounded(graph.build(y), graph.feeds)
    content = compiled(made, tmp_path, io="tensor")
    assert float_tensors(content)
    assert "CAST" not in operators(content)
    (got,), (expected,) = run_tflite(content, graph.feeds, [y]), run(made, graph.feeds)
    assert np.abs(got - expected).max() < 1e-3


def test_a_port_that_is_not_rounded_is_named(tmp_path):
    graph = Graph(x=PICTURE)
    model = graph.build(graph.op("Relu", "x"))
    with pytest.raises(UnsupportedError, match="'x' is not quantized as a whole"):
        compiled(model, tmp_path)
