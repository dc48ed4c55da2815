"""A bounded run of the fuzzer on each target, and proof that it finds what is there to be found."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, seed, settings

from export.hub.model import HUB_OPSET
from export.tflite.registry import lowering
from tests.export.backend.workers import Died
from tests.export.fuzz.__main__ import Task, main
from tests.export.fuzz.builder import Graph
from tests.export.fuzz.graphs import graphs, op_types, registered
from tests.export.fuzz.hunt import hunt, load, save
from tests.export.fuzz.judge import MATCH, REFUSED, UNFIT, WRONG, Reference, Verdict, judge
from tests.export.fuzz.makers import MAKERS

TARGETS = ("tflite", "coreml")
GRAPHS = 100
REFUSED_AT_MOST = 0.4  # a generator that is refused more often tests the refusals, not the compilers
ELSEWHERE = {
    "QuantizeLinear",  # graphs that quantize have tests of their own
    "DequantizeLinear",
    "BitShift",  # of unsigned integers, which no graph here holds
    "Compress",  # its shape depends on a condition, which ONNX's shape inference does not look at
}
FOLDED = {"Constant", "ConstantOfShape", "Range", "Shape", "Size", "If"}  # make no artifact by themselves


@pytest.fixture
def little_garbage():
    """coremltools collects garbage at every conversion; what is there already need not be looked at each time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_garbage")
@pytest.mark.parametrize("target", TARGETS)
def test_random_graphs_agree_with_onnx_runtime(target):
    found = hunt(target, GRAPHS, start=20261)
    assert found.fault is None, f"{found.fault.verdict}\n{onnx.printer.to_text(found.fault.graph.model)}"
    judged = sum(found.outcomes.values())
    assert judged >= GRAPHS
    assert found.outcomes[REFUSED] <= REFUSED_AT_MOST * judged
    assert found.outcomes[MATCH] >= 0.5 * judged


@pytest.mark.parametrize("target", TARGETS)
def test_every_registered_operator_is_drawn(target):
    defined = {op_type for op_type in registered(target) if onnx.defs.has(op_type, HUB_OPSET)}
    assert defined - MAKERS.keys() - ELSEWHERE - FOLDED == set()
    assert set(op_types(target)) == registered(target) & MAKERS.keys()


def swapped(rule):
    """The rule with its node's axis replaced by the one before it, where both have the same length."""

    def wrong(context, node):
        shape, axis = node.inputs[0].shape, node.attributes.get_int("axis", -1) % len(node.inputs[0].shape)
        if axis and shape[axis - 1] == shape[axis]:
            node.attributes["axis"] = ir.AttrInt64("axis", axis - 1)
        return rule(context, node)

    return wrong


def test_a_planted_fault_is_found_and_shrunk(monkeypatch):
    """Softmax over another axis than asked, and only where the shape does not tell."""
    for key in [key for key in lowering.rules if key[0] == "Softmax"]:
        monkeypatch.setitem(lowering.rules, key, swapped(lowering.rules[key]))
    ops = ["Softmax", "Conv", "Add", "Transpose"]
    fault = next(f for f in (hunt("tflite", 50, start, ops, shrinking=5.0).fault for start in range(10)) if f)
    assert fault.verdict.outcome == WRONG
    assert "differs in" in fault.verdict.reason
    assert [node.op_type for node in fault.graph.model.graph.node] == ["Softmax"]


def test_the_comparison_sees_outputs_that_are_shifted_by_one():
    """What is allowed for rounding and for thresholds must not hide a value in the wrong place."""
    seen = []

    @seed(3)
    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graph=graphs(op_types("tflite")))
    def shift(graph):
        try:
            reference = Reference(graph)
        except Exception:  # graphs that ONNX Runtime does not take
            return
        for name, want in reference.results.items() if reference.fit else ():
            shifted = np.roll(want, 1, axis=-1) if want.ndim else want
            if np.abs(shifted.astype(np.float64) - want).max(initial=0) > 0.05 * np.abs(want, dtype=np.float64).max():
                seen.append(bool(reference.compare(reference.results | {name: shifted})))

    shift()
    assert len(seen) > 40
    assert np.mean(seen) > 0.95


def graph_of(op_type: str, value: np.ndarray, **attributes) -> Graph:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, ["x"], ["y"], **attributes)],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, value.shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, value.shape)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    return Graph(model, {"x": value}, frozenset())


def test_ties_and_odd_numbers_are_no_faults(tmp_path: Path):
    """What stands at a threshold may fall to either side; what is not finite cannot be compared."""
    ties = np.float32([0.5, 1.5, 2.5, 0.2])
    assert judge(graph_of("Round", ties), "tflite", tmp_path).outcome == MATCH
    assert judge(graph_of("Log", -ties), "tflite", tmp_path) == Verdict(UNFIT)


def test_a_refusal_must_name_an_operator(tmp_path: Path):
    verdict = judge(graph_of("Det", np.ones((2, 2), np.float32)), "tflite", tmp_path)
    assert (verdict.outcome, verdict.op_type) in ((REFUSED, "Det"), ("invalid", ""))


def test_saved_graph_is_the_same_again(tmp_path: Path, capsys):
    graph = graph_of("Relu", np.float32([-1, 2]))
    save(graph, tmp_path / "saved.onnx")
    again = load(tmp_path / "saved.onnx")
    assert list(again.feeds) == ["x"]
    np.testing.assert_array_equal(again.feeds["x"], graph.feeds["x"])
    assert main(["--target", "tflite", "--replay", str(tmp_path / "saved.onnx")]) == 0
    assert capsys.readouterr().out == "match: \n"


def test_a_dead_worker_leaves_its_graph(tmp_path: Path):
    from tests.export.fuzz.__main__ import _crash

    save(graph_of("Relu", np.float32([-1, 2])), tmp_path / "0.onnx")
    found = _crash(Died("the process died with exit status -11"), Task("tflite", 0, 50, (), tmp_path / "0.onnx"))
    assert found.fault.verdict == Verdict("crashed", "the process died with exit status -11")
    assert [node.op_type for node in found.fault.graph.model.graph.node] == ["Relu"]
