"""uint8 pictures at the input."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from export.hub import load_hub
from export.hub.input_range import BYTES
from validate.errors import BrushportError
from validate.runners import OnnxRunner


def saved(tmp_path, layout: str, extra: str = ""):
    shape, to_nchw = ("1,3,16,20", "0,1,2,3") if layout == "NCHW" else ("1,16,20,3", "0,3,1,2")
    text = (
        '<ir_version: 8, opset_import: ["": 18]> '
        f"g (uint8[{shape}] x) => (float[1,3,16,20] y) {{ n = Cast<to=1>(x) "
        f"f = Transpose<perm=[{to_nchw}]>(n) axes = Constant<value_ints=[2,3]>() m = ReduceMean(f, axes) {extra} "
        "y = Sub(f, m) }"
    )
    path = tmp_path / "bytes.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_bytes_become_floats_of_the_same_value(tmp_path, layout):
    path = saved(tmp_path, layout)
    hub = load_hub(path)
    (port,) = hub.inputs
    assert (port.shape, port.dtype, port.value_range) == ((1, 3, 16, 20), "float32", BYTES)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 20), np.uint8)
    given = pixels if layout == "NCHW" else pixels.transpose(0, 2, 3, 1)
    want = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": given})[0]
    got = OnnxRunner(onnx.ModelProto.SerializeToString(_proto(hub)), hub.inputs, hub.outputs).run({"x": pixels})["y"]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)


def test_bytes_have_no_other_range(tmp_path):
    """Pictures of 0..1 would be black to a network that divides them by 255."""
    path = saved(tmp_path, "NCHW")
    with pytest.raises(
        BrushportError, match=r"'bytes' takes its pictures as bytes, 0..255, so their range cannot be 0..1"
    ):
        load_hub(path, value_range=(0, 1))
    assert load_hub(path, value_range=(0, 255)).inputs[0].value_range == BYTES
    hub = load_hub(path, output_range=(0, 1))
    assert (hub.inputs[0].value_range, hub.outputs[0].value_range) == (BYTES, (0, 1))


def test_bytes_that_are_read_as_bytes_stay_bytes(tmp_path):
    text = '<ir_version: 8, opset_import: ["": 18]> g (uint8[1,3,8,8] x) => (int32[1,3,8,8] y) { y = Cast<to=6>(x) }'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "b.onnx")
    hub = load_hub(tmp_path / "b.onnx")
    assert (hub.inputs[0].dtype, hub.inputs[0].is_image) == ("uint8", False)


def _proto(hub):
    import onnx_ir as ir

    return ir.to_proto(hub.model)
