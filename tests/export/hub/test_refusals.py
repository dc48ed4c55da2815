"""What no hub can hold is refused by a sentence that names the operator, even one that was folded."""

from __future__ import annotations

import onnx
import pytest

from export.hub import load_hub
from validate.errors import UnsupportedError


def test_empty_output_names_the_operator_that_was_folded(tmp_path):
    nodes = [onnx.helper.make_node("Shape", ["x"], ["y"], name="odd", start=3, end=1)]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [0])],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)]), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"\(Shape\) has an output that is empty \(0\)"):
        load_hub(tmp_path / "m.onnx")


def test_empty_input_names_the_operator_that_reads_it(tmp_path):
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 0, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 0, 3])],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)]), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match="The input 'x' of Relu is empty, 2×0×3"):
        load_hub(tmp_path / "m.onnx")


def test_older_opset_is_read_where_its_operators_never_changed(tmp_path):
    def saved(op_type, opset):
        kind = onnx.TensorProto.BOOL if op_type == "Not" else onnx.TensorProto.FLOAT
        ports = [onnx.helper.make_tensor_value_info(name, kind, [2, 3]) for name in "xy"]
        graph = onnx.helper.make_graph([onnx.helper.make_node(op_type, ["x"], ["y"])], "graph", ports[:1], ports[1:])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=3)
        onnx.save(model, tmp_path / "m.onnx")
        return tmp_path / "m.onnx"

    assert [node.op_type for node in load_hub(saved("Not", 1)).model.graph] == ["Not"]
    with pytest.raises(UnsupportedError, match="opset 1"):
        load_hub(saved("Relu", 1))


def test_a_constant_without_an_evaluator_is_left_to_the_compilers(tmp_path):
    """ONNX's reference evaluator has no Gelu of a single node."""
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (float[2] x) => (float[2] y) <float[2] c = {1, -2}> '
        "{ z = Gelu(c) y = Add(x, z) }"
    )
    onnx.save(model, tmp_path / "m.onnx")
    assert sorted(node.op_type for node in load_hub(tmp_path / "m.onnx").model.graph) == ["Add", "Gelu"]
