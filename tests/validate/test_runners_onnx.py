"""The reference is right: ONNX Runtime without the optimizers that change what a model computes."""

from __future__ import annotations

import numpy as np
import onnx

from quantize.runtime import open_session
from validate.ports import Port
from validate.runners import OnnxRunner


def padded_maximum() -> onnx.ModelProto:
    return onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[1,1,4,4] x) => (float[1,1,4,4] y) '
        "<int64[8] pads = {0,0,1,1,0,0,1,1}> { p = Pad(x, pads) y = MaxPool<kernel_shape=[3,3]>(p) }"
    )


def test_zeros_around_negative_numbers_are_the_maximum():
    port = Port("x", (1, 1, 4, 4)), Port("y", (1, 1, 4, 4))
    x = -np.ones((1, 1, 4, 4), np.float32)
    expected = np.pad(np.full((1, 1, 2, 2), -1, np.float32), ((0, 0), (0, 0), (1, 1), (1, 1)))
    model = padded_maximum().SerializeToString()
    np.testing.assert_array_equal(OnnxRunner(model, port[:1], port[1:]).run({"x": x})["y"], expected)


def test_a_transposed_matrix_times_a_vector():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[2,4] x, float[2] v) => (float[4] y) '
        "{ t = Transpose<perm=[1,0]>(x) y = MatMul(t, v) }"
    )
    x, v = np.arange(8, dtype=np.float32).reshape(2, 4), np.float32([1, 10])
    runner = OnnxRunner(model.SerializeToString(), (Port("x", (2, 4)), Port("v", (2,))), (Port("y", (4,)),))
    np.testing.assert_array_equal(runner.run({"x": x, "v": v})["y"], x.T @ v)


def test_the_quantizer_calibrates_with_the_same():
    import onnx_ir as ir

    session = open_session(ir.from_proto(padded_maximum()))
    assert session.run(None, {"x": -np.ones((1, 1, 4, 4), np.float32)})[0].max() == 0
