"""ONNX's backend node tests: at least nine of ten match on each target, the rest is refused by name, none is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.operators import read_section
from tests.export.backend.cases import BackendCase, collect
from tests.export.backend.judge import BROKEN, FOLDS, MATCH, REFUSED, WRONG, compare, judge
from tests.export.backend.table import SECTION
from tests.export.backend.workers import Died, run_all

ROOT = Path(__file__).resolve().parents[3]
MATCHING = 0.9
TARGETS = ("tflite", "coreml")


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """Every verdict on both targets, made in a process of its own, which forks."""
    path = tmp_path_factory.mktemp("backend") / "verdicts.json"
    command = [sys.executable, "-m", "tests.export.backend", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert path.is_file(), done.stderr
    return json.loads(path.read_text())


def named(found: dict, target: str):
    return [(*case, verdict) for case, verdict in zip(found["cases"], found["verdicts"][target], strict=True)]


@pytest.mark.parametrize("target", TARGETS)
def test_none_is_wrong_and_none_breaks(found, target):
    broken = [
        f"{name}: {verdict['reason']}" for name, _, verdict in named(found, target) if verdict["outcome"] in BROKEN
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("target", TARGETS)
def test_nine_of_ten_match(found, target):
    outcomes = [verdict["outcome"] for verdict in found["verdicts"][target]]
    assert len(outcomes) > 500
    assert sum(outcome in (MATCH, FOLDS) for outcome in outcomes) >= MATCHING * len(outcomes)


@pytest.mark.parametrize("target", TARGETS)
def test_refusals_name_the_operator_and_the_reason(found, target):
    refused = [(name, verdict) for name, _, verdict in named(found, target) if verdict["outcome"] == REFUSED]
    vague = [f"{name}: {verdict['reason']}" for name, verdict in refused if verdict["vague"]]
    assert not vague, "\n".join(vague)
    assert all(len(verdict["reason"].splitlines()) == 1 for _, verdict in refused)


def test_document_holds_the_counts(found):
    if f"onnx {onnx.__version__}." not in read_section(SECTION):
        pytest.skip("another version of onnx has other cases")
    assert read_section(SECTION) == found["section"], "run python -m tests.export.backend --write"


def made_case(op_type: str, value: np.ndarray, expected: np.ndarray, **attributes) -> BackendCase:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, ["x"], ["y"], **attributes)],
        "case",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, value.shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, expected.shape)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return BackendCase("made", op_type, model.SerializeToString(), {"x": value}, {"y": expected}, 1e-3, 1e-5)


def test_verdicts():
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    assert judge(made_case("Relu", x, np.maximum(x, 0)), "tflite").outcome == MATCH
    verdict = judge(made_case("Relu", x, np.maximum(x, 0.5)), "tflite")
    assert (verdict.outcome, verdict.reason) == (WRONG, "y differs in 4 of 6 values: 0.0 instead of 0.5 at [0, 0]")
    verdict = judge(made_case("Det", x[:, :2], np.float32(0)), "tflite")
    assert (verdict.outcome, verdict.vague) == (REFUSED, False)


@pytest.mark.parametrize(
    ("got", "why"),
    [
        (np.float32([1, np.nan, np.inf]), ""),
        (np.float32([1, np.nan, -np.inf]), "differs in 1 of 3 values: -inf instead of inf"),
        (np.float32([1, 0, np.inf]), "differs in 1 of 3 values: 0.0 instead of nan"),
        (np.float32([[1, np.nan, np.inf]]), "shape"),
        (np.float64([1, np.nan, np.inf]), "is float64 instead of"),
        (np.float32([1.01, np.nan, np.inf]), "differs in 1"),
    ],
)
def test_comparison_sees(got, why):
    reason = compare({"y": got}, {"y": np.float32([1, np.nan, np.inf])}, 1e-3, 1e-5)
    assert why in reason if why else not reason


def test_parameters_are_stored_and_data_is_fed():
    cases = {case.name: case for case in collect({"Slice", "Conv"}).cases}
    assert set(cases["test_slice"].feeds) == {"x"}
    assert set(cases["test_basic_conv_with_padding"].feeds) == {"x", "W"}


def unreliable(task: str) -> str:
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hang":
        import time

        time.sleep(60)
    return task


def test_a_worker_that_dies_or_hangs_costs_its_task_only():
    tasks = ["a", "die", "b", "hang", "c"]
    results = dict(run_all(unreliable, tasks, jobs=2, timeout=2.0))
    assert [results[i] for i in (0, 2, 4)] == ["a", "b", "c"]
    assert results[1] == Died("the process died with exit status -9")
    assert results[3] == Died("no end within 2 seconds")
