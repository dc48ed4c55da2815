"""Constants that are computed on the hub are what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from export.hub.folding import fold_constants
from tests.export.hub.graphs import normal
from tests.export.tflite.support import model_of, run_onnx


def test_lrn_of_a_constant_is_left_to_the_runtime():
    nodes = [
        onnx.helper.make_node("Neg", ["c"], ["n"]),
        onnx.helper.make_node("LRN", ["n"], ["l"], size=3, alpha=0.5),
        onnx.helper.make_node("Add", ["x", "l"], ["y"]),
    ]
    feeds = {"x": normal(1, 6, 2, 2)}
    model = model_of(nodes, feeds, ["y"], {"c": 3 * normal(1, 6, 2, 2)})
    folded = ir.from_proto(model)
    fold_constants(folded)
    assert [node.op_type for node in folded.graph] == ["LRN", "Add"]
    np.testing.assert_array_equal(run_onnx(ir.to_proto(folded), feeds)[0], run_onnx(model, feeds)[0])
