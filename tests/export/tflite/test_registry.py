"""Every registered operator, in every axis order, against ONNX Runtime: because it is registered."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from ai_edge_litert import schema_py_generated as schema

from export.hub.model import HUB_OPSET
from export.tflite.registry import Registry, lowering
from tests.export.tflite.cases import CASES, Case
from tests.export.tflite.support import compile_bytes, model_of, run_onnx, run_tflite
from validate.errors import UnsupportedError

OLDEST_OPSET = 18  # of the networks that people bring; the hub itself is HUB_OPSET
# Tested in test_int8.py, as they take integer tensors, and in test_numbers.py, as it takes none.
ELSEWHERE = {"QuantizeLinear", "DequantizeLinear", "Constant"}


def operators(content: bytes) -> list[str]:
    """The names of the operators in a file."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    return [
        names[model.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()]
        for i in range(graph.OperatorsLength())
    ]


def graph_of(case: Case, reorder: bool, opset: int):
    """The case as a model; ``reorder`` has the inputs arrive with their axes reversed, behind a Transpose."""
    feeds, constants, nodes, names = {}, {}, [], []
    for i, array in enumerate(case.inputs):
        if array is None:
            names.append("")
        elif i in case.constants:
            constants[f"c{i}"] = array
            names.append(f"c{i}")
        elif reorder and array.ndim > 1:
            feeds[f"x{i}"] = np.ascontiguousarray(array.transpose())
            nodes.append(onnx.helper.make_node("Transpose", [f"x{i}"], [f"t{i}"]))
            names.append(f"t{i}")
        else:
            feeds[f"x{i}"] = array
            names.append(f"x{i}")
    outputs = [f"y{i}" for i in range(case.outputs)]
    nodes.append(onnx.helper.make_node(case.op_type, names, outputs, name="subject", **case.attributes))
    return model_of(nodes, feeds, outputs, constants, opset), feeds


ALL = [case for cases in CASES.values() for case in cases]


@pytest.mark.parametrize("reorder", [False, True], ids=["nhwc", "reordered"])
@pytest.mark.parametrize("case", ALL, ids=[case.label for case in ALL])
def test_matches_onnx_runtime(case, reorder):
    model, feeds = graph_of(case, reorder, HUB_OPSET)
    content = compile_bytes(model)
    names = [output.name for output in model.graph.output]
    for got, want in zip(run_tflite(content, feeds, names), run_onnx(model, feeds), strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        if want.dtype == np.float32:
            if case.relative is not None:
                np.testing.assert_allclose(got, want, rtol=case.relative, atol=1e-30)
                continue
            scale = max(1.0, float(np.max(np.abs(want), initial=0, where=np.isfinite(want))))
            np.testing.assert_allclose(got, want, rtol=case.tolerance, atol=case.tolerance * scale)
        else:
            np.testing.assert_array_equal(got, want)
    if not reorder and not case.may_transpose:
        assert "TRANSPOSE" not in operators(content)


@pytest.mark.parametrize("op_type", lowering.op_types)
def test_has_cases(op_type):
    assert op_type in ELSEWHERE or CASES.get(op_type), f"{op_type} is registered but has no numeric case"


@pytest.mark.parametrize(("op_type", "since"), sorted(lowering.rules))
def test_registered_version_is_in_force(op_type, since):
    """An entry that no hub can reach would be untested code."""
    opset = max(since, OLDEST_OPSET)
    assert onnx.defs.get_schema(op_type, opset).since_version == since
    assert opset <= HUB_OPSET
    if op_type not in ELSEWHERE and opset != HUB_OPSET:
        model, feeds = graph_of(CASES[op_type][0], False, opset)
        got = run_tflite(compile_bytes(model), feeds, ["y0"])[0]
        np.testing.assert_allclose(got, run_onnx(model, feeds)[0], rtol=1e-4, atol=1e-4)


def test_no_case_without_rule():
    assert set(CASES) <= set(lowering.op_types)


def test_second_rule_for_an_operator_raises():
    registry = Registry()
    registry("Relu", 14)(lambda context, node: None)
    with pytest.raises(ValueError, match="Relu since opset 14 is registered twice"):
        registry("Relu", 14)(lambda context, node: None)
    with pytest.raises(ValueError, match="does not define Relu since opset 15"):
        registry("Relu", 15)(lambda context, node: None)


def test_unknown_operator_names_node_shapes_and_what_is_supported():
    x = np.zeros((1, 3, 4, 4), np.float32)
    node = onnx.helper.make_node("Det", ["x"], ["y"], name="odd one")
    with pytest.raises(UnsupportedError, match=r"'odd one' \(Det; inputs x \[1, 3, 4, 4\]\).*supported are Abs, Acos"):
        compile_bytes(model_of([node], {"x": x}, ["y"]))


def test_registry_finds_nothing_in_other_domains():
    node = ir.Node("com.microsoft", "Relu", inputs=[])
    assert lowering.find(node, HUB_OPSET) is None
