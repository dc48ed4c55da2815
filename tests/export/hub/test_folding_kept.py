"""What ONNX's reference evaluator computes wrongly is not folded by it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from export.coreml import compile_coreml
from export.hub import load_hub
from export.tflite import compile_tflite
from validate.runners import open_artifact


@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 4, 3, 2), (1, 2, 3, 2, 2)])
def test_global_maximum_of_a_constant(tmp_path, shape):
    constant = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("GlobalMaxPool", ["c"], ["m"]), onnx.helper.make_node("Add", ["x", "m"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, shape)],
        [onnx.helper.make_tensor_value_info("y", 1, shape)],
        [onnx.numpy_helper.from_array(constant, "c")],
    )
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    x = np.ones(shape, np.float32)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"x": x})
    hub = load_hub(path, tensors=True, check=False)
    compile_tflite(hub, tmp_path / "m.tflite", io="tensor")
    compile_coreml(hub, tmp_path / "m.mlpackage", io="tensor", precision="fp32")
    for artifact in ("m.tflite", "m.mlpackage"):
        got = open_artifact(tmp_path / artifact, (hub.inputs, hub.outputs)).run({"x": x})["y"]
        np.testing.assert_allclose(got, expected, rtol=1e-5)
