"""Spatial operators beyond the cases: whole numbers, forms ONNX Runtime lacks, the operations used, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from export.coreml import compile_coreml
from export.hub.model import Hub
from tests.export.coreml.graphs import Const, case, finish, hub_of, model_of, run
from tests.export.coreml.test_compile import operations
from tests.export.coreml.values import a, k, n, whole
from validate.coreml import CoreMLModel
from validate.errors import UnsupportedError
from validate.ports import Port

RANDOM = np.random.default_rng(11)
PICTURE = (1, 3, 8, 8)
SAME = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
CORNERS = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}


def one_node(op: str, *inputs: object, outputs: tuple[str, ...] = ("y",), **attributes: object) -> onnx.ModelProto:
    """A model of one node whose ports have the arrays' own dtypes; a Const is an initializer."""
    names, ports, constants = [], [], []
    for position, value in enumerate(inputs):
        names.append("" if value is None else f"x{position}")
        if isinstance(value, Const):
            constants.append(onnx.numpy_helper.from_array(value.array, names[-1]))
        elif value is not None:
            ports.append(
                helper.make_tensor_value_info(names[-1], helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            )
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, name="odd_one", **attributes)],
        "net",
        ports,
        [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in outputs],
        constants,
    )
    return finish(graph)


def painted(model: onnx.ModelProto, feeds: list[np.ndarray], folder: Path, precision: str) -> list[np.ndarray]:
    """What the compiled program makes of the model's inputs, in order."""
    module = ir.from_proto(model)

    def ports(values: list[ir.Value]) -> tuple[Port, ...]:
        return tuple(Port(v.name, tuple(v.shape), None, v.dtype.numpy().name) for v in values)

    hub = Hub(module, "net", ports(module.graph.inputs), ports(module.graph.outputs))
    compile_coreml(hub, folder / "m.mlpackage", precision=precision, io="tensor")
    given = {value.name: array for value, array in zip(module.graph.inputs, feeds, strict=True)}
    results = CoreMLModel(folder / "m.mlpackage").predict(given)
    return [results[value.name] for value in module.graph.outputs]


def operators(model: onnx.ModelProto, folder: Path) -> list[str]:
    """The MIL operations of the compiled program."""
    compile_coreml(hub_of(model), folder / "m.mlpackage", precision="fp32", io="tensor")
    return [op.type for op in operations(folder / "m.mlpackage") if op.type not in ("const", "cast", "identity")]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_of_whole_numbers(tmp_path: Path, mode: str) -> None:
    x = RANDOM.integers(-(2**20), 2**20, (2, 18, 2, 3)).astype(np.int32)
    model = one_node("DepthToSpace", x, blocksize=3, mode=mode)
    (expected,) = ReferenceEvaluator(model).run(None, {"x0": x})
    (y,) = painted(model, [x], tmp_path, "fp16")
    np.testing.assert_array_equal(y, expected)
    if mode == "DCR":
        (back,) = painted(one_node("SpaceToDepth", expected, blocksize=3), [expected], tmp_path, "fp16")
        np.testing.assert_array_equal(back, x)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_padding_of_whole_numbers_is_exact_in_fp16(tmp_path: Path, mode: str) -> None:
    x = RANDOM.integers(-(2**20), 2**20, (2, 3, 4)).astype(np.int32)
    inputs = (
        [x, n(1, 2, 0, 0, 1, 3), Const(np.array(70001, np.int32))] if mode == "constant" else [x, n(1, 2, 0, 0, 1, 3)]
    )
    model = one_node("Pad", *inputs, mode=mode)
    (y,) = painted(model, [x], tmp_path, "fp16")
    np.testing.assert_array_equal(y, run(model, {"x0": x})["y"])


def test_nearest_resize_of_whole_numbers_is_exact_in_fp16(tmp_path: Path) -> None:
    x = RANDOM.integers(-(2**20), 2**20, (1, 2, 3, 4)).astype(np.int32)
    model = one_node("Resize", x, None, Const(np.float32([1, 1, 2, 2.5])), mode="nearest")
    (y,) = painted(model, [x], tmp_path, "fp16")
    np.testing.assert_array_equal(y, run(model, {"x0": x})["y"])


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_indices_of_the_maximum_are_whole(tmp_path: Path, precision: str) -> None:
    x = np.round(a(2, 3, 60, 50))
    model = one_node("MaxPool", x, outputs=("y", "where"), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])
    expected = run(model, {"x0": x})
    y, where = painted(model, [x], tmp_path, precision)
    np.testing.assert_array_equal(y, expected["y"])
    np.testing.assert_array_equal(where, expected["where"])


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_response_over_an_even_number_of_channels(tmp_path: Path, precision: str) -> None:
    x = a(2, 7, 3, 4, low=-200, high=200)
    for size in (2, 4):
        model = one_node("LRN", x, size=size, alpha=0.3, beta=0.6, bias=0.8)
        padded = np.pad(x.astype(np.float64) ** 2, [(0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0)])
        total = sum(padded[:, shift : shift + x.shape[1]] for shift in range(size))
        (y,) = painted(model, [x], tmp_path, precision)
        expected = x / (0.8 + 0.3 / size * total) ** 0.6
        np.testing.assert_allclose(y, expected, rtol=1e-5 if precision == "fp32" else 5e-3)


def test_batch_normalization_in_training_mode(tmp_path: Path) -> None:
    inputs = [a(3, 4, 5, 6), a(4), a(4), a(4), a(4, low=0.5)]
    model = one_node("BatchNormalization", *inputs, outputs=("y", "mean", "variance"), training_mode=1, momentum=0.7)
    expected = ReferenceEvaluator(model).run(None, {f"x{i}": value for i, value in enumerate(inputs)})
    for result, value in zip(painted(model, inputs, tmp_path, "fp32"), expected, strict=True):
        np.testing.assert_allclose(result, value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (case("Conv", a(*PICTURE), k(4, 3, 3, 3), k(4), dilations=[2, 2]), ["conv"]),
        (case("Conv", a(*PICTURE), a(4, 3, 3, 3), k(4)), ["conv"]),
        (case("ConvTranspose", a(*PICTURE), k(3, 4, 3, 3), strides=[2, 2], output_padding=[1, 1]), ["conv_transpose"]),
        (case("MaxPool", a(*PICTURE), kernel_shape=[2, 2], strides=[2, 2]), ["max_pool"]),
        (
            case("MaxPool", a(*PICTURE), kernel_shape=[2, 1], dilations=[3, 1]),
            ["slice_by_index", "slice_by_index", "maximum"],
        ),
        (case("AveragePool", a(*PICTURE), kernel_shape=[3, 3], pads=[1] * 4), ["avg_pool"]),
        (case("AveragePool", a(*PICTURE), kernel_shape=[2, 2], dilations=[2, 2]), ["conv"]),
        (
            case("AveragePool", a(*PICTURE), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1),
            ["avg_pool"],
        ),
        (case("Pad", a(*PICTURE), n(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"), ["pad"]),
        (
            case("Pad", a(*PICTURE), n(0, 0, 0, 1, 0, 0, 0, 1), mode="wrap"),
            ["slice_by_index", "slice_by_index", "concat"],
        ),
        (case("LayerNormalization", a(*PICTURE), k(8), k(8)), ["layer_norm"]),
        (case("LRN", a(*PICTURE), size=3), ["local_response_norm"]),
        (case("GridSample", a(*PICTURE), a(1, 4, 4, 2)), ["resample"]),
    ],
    ids=lambda value: value.op if hasattr(value, "op") else "+".join(value),
)
def test_operation(tmp_path: Path, node: object, expected: list[str]) -> None:
    used = operators(model_of([node])[0], tmp_path)
    assert used == expected


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "reason"),
    [
        ("MaxPool", [a(1, 1, 2, 2)], {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1}, "behind the picture"),
        ("ConvTranspose", [a(*PICTURE), k(3, 2, 3, 3)], SAME | {"output_padding": [1, 1]}, "output_padding"),
        ("GridSample", [a(*PICTURE), a(1, 4, 4, 2)], {"mode": "nearest"}, "rounds"),
        ("GridSample", [a(1, 3, 4, 5, 6), a(1, 4, 4, 2, 3)], {}, "rank 5"),
        ("Pad", [a(1, 3), n(0, 3, 0, 0)], {"mode": "reflect"}, "reflection by the size"),
        ("LRN", [a(3, 4)], {"size": 3}, "rank 2"),
        ("Resize", [whole(*PICTURE), None, Const(np.float32([1, 1, 2, 2]))], {"mode": "linear"}, "whole numbers"),
        ("Resize", [a(*PICTURE), None, Const(np.float32([1, 1, 2.1, 2]))], CORNERS, "fractional"),
    ],
)
def test_refusal_names_node_and_reason(tmp_path: Path, op: str, inputs: list, attributes: dict, reason: str) -> None:
    model = one_node(op, *inputs, **attributes)
    with pytest.raises(UnsupportedError, match=rf"'odd_one' \({op}.*{reason}"):
        painted(model, [value for value in inputs if isinstance(value, np.ndarray)], tmp_path, "fp32")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_bytes_are_pooled_padded_and_resized(tmp_path: Path, dtype: type) -> None:
    limits = np.iinfo(dtype)
    x = RANDOM.integers(limits.min, limits.max + 1, (1, 3, 6, 7)).astype(dtype)
    for model in (
        one_node("MaxPool", x, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1]),
        one_node("Pad", x, n(0, 0, 1, 0, 0, 0, 2, 1), Const(np.array(limits.max, dtype))),
        one_node("Resize", x, None, Const(np.float32([1, 1, 2, 2])), mode="nearest"),
    ):
        (y,) = painted(model, [x], tmp_path, "fp16")
        np.testing.assert_array_equal(y, run(model, {"x0": x})["y"])
