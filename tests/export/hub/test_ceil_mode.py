"""Windows that start in the padding do not exist, in files of any opset."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from export.hub.ceil_mode import settle_ceil_mode
from tests.export.tflite.support import run_onnx

POOLS = [
    ("MaxPool", (1, 1, 2, 2), {"kernel_shape": [1, 1], "strides": [2, 2]}),
    ("MaxPool", (1, 2, 2, 7), {"kernel_shape": [3, 3], "strides": [3, 2], "pads": [1, 0, 1, 1]}),
    ("AveragePool", (1, 2, 2, 6), {"kernel_shape": [3, 3], "strides": [3, 2], "pads": [1, 0, 1, 0]}),
    ("AveragePool", (1, 3, 2, 2), {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    ("AveragePool", (1, 3, 2), {"kernel_shape": [3], "strides": [3], "pads": [1, 1]}),
]


def model_of(op_type, shape, attributes, twice=False):
    """The pool as an opset-13 model, followed by one more if ``twice``."""
    nodes = [onnx.helper.make_node(op_type, ["x"], ["y"], ceil_mode=1, **attributes)]
    if twice:
        nodes.append(onnx.helper.make_node("MaxPool", ["y"], ["z"], kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1))
    graph = onnx.helper.make_graph(
        nodes,
        "pools",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_empty_tensor_value_info(nodes[-1].output[0])],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(("op_type", "shape", "attributes"), POOLS)
def test_shapes_and_numbers_are_those_of_onnx_runtime(op_type, shape, attributes):
    model = model_of(op_type, shape, attributes)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    (want,) = run_onnx(model, {"x": x})
    rewritten = ir.from_proto(model)
    assert settle_ceil_mode(rewritten) == 1
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(rewritten))
    assert [d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim] == list(want.shape)
    np.testing.assert_array_equal(run_onnx(proto, {"x": x})[0], want)


def test_a_pool_is_looked_at_with_the_size_that_the_one_before_it_has_then():
    model = ir.from_proto(model_of("MaxPool", (1, 1, 4, 4), POOLS[0][2], twice=True))
    assert settle_ceil_mode(model) == 2


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ((1, 1, 5, 5), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ((1, 1, "h", "w"), {"kernel_shape": [1, 1], "strides": [2, 2]}),
    ],
)
def test_others_stay(shape, attributes):
    assert settle_ceil_mode(ir.from_proto(model_of("MaxPool", shape, attributes))) == 0


def test_a_mean_over_pads_stays_where_another_axis_hangs_over():
    attributes = {"kernel_shape": [3, 3], "strides": [3, 2], "pads": [1, 0, 1, 0], "count_include_pad": 1}
    assert settle_ceil_mode(ir.from_proto(model_of("AveragePool", (1, 1, 2, 6), attributes))) == 0
