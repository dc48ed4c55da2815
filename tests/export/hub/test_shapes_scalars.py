"""Shapes that ONNX's own rules do not infer."""

from __future__ import annotations

import onnx

from export.hub import load_hub


def test_gather_nd_of_one_element_is_a_scalar(tmp_path):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[2,4] x) => (float y) <int64[2] i = {1,2}> '
        "{ t = GatherND(x, i) y = Relu(t) }"
    )
    onnx.save(model, tmp_path / "m.onnx")
    assert load_hub(tmp_path / "m.onnx").outputs[0].shape == ()
