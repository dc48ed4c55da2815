"""The benchmarks measure what they say: turns, memory, operators; no test asserts on time."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from export.benchmarks import contest, latency, profile
from export.benchmarks.litert_profiler import Timing
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import compile_bytes, model_of, run_onnx
from validate.errors import BrushportError

node = onnx.helper.make_node


def network() -> tuple[onnx.ModelProto, dict]:
    """Every kind of operator that the peer's script builds back, in one small picture network."""
    feeds = {"x": normal(1, 4, 8, 8)}
    constants = {
        "w": normal(4, 4, 3, 3) / 4, "b": normal(4), "d": normal(4, 1, 3, 3), "s": 1 + normal(4) / 4,
        "p": normal(3, 8, 1, 1), "two": np.float32(2),
        "pads": ints(0, 0, 1, 1, 0, 0, 1, 1), "half": np.float32([1, 1, 2, 2]), "axes": ints(2, 3),
    }  # fmt: skip
    nodes = [
        node("Pad", ["x", "pads"], ["padded"], mode="reflect"),
        node("Conv", ["padded", "w", "b"], ["c"]),
        node("InstanceNormalization", ["c", "s", "b"], ["n"], epsilon=1e-5),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
        node("Conv", ["m", "d"], ["e"], group=4, pads=[1, 1, 1, 1]),
        node("HardSwish", ["e"], ["h"]),
        node("ReduceMean", ["h", "axes"], ["mean"]),
        node("HardSigmoid", ["mean"], ["gate"], alpha=1 / 6, beta=0.5),
        node("Mul", ["h", "gate"], ["g"]),
        node("Resize", ["g", "", "half"], ["u"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Resize", ["g", "", "half"], ["v"], mode="linear", coordinate_transformation_mode="half_pixel"),
        node("Add", ["u", "v"], ["uv"]),
        node("Concat", ["uv", "r"], ["both"], axis=1),
        node("Conv", ["both", "p"], ["o"]),
        node("Tanh", ["o"], ["t"]),
        node("Div", ["t", "two"], ["half_t"]),
        node("Sub", ["half_t", "two"], ["shifted"]),
        node("Sigmoid", ["shifted"], ["y"]),
    ]
    return model_of(nodes, feeds, ["y"], constants), feeds


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    model, _ = network()
    paths = {"ours": tmp_path / "net.tflite", "onnx": tmp_path / "net.onnx"}
    paths["ours"].write_bytes(compile_bytes(model))
    onnx.save(model, paths["onnx"])
    return paths


def test_everyone_gets_the_same_turns(files):
    scores = contest.compete(files, turns=3, threads=1)
    assert list(scores) == ["ours", "onnx"]
    for score in scores.values():
        assert len(score.times) == 3 * (contest.RUNS_A_TURN - 1)
        assert 0 < score.fastest <= score.median
        assert score.peak > 1e7  # Python and NumPy alone


def test_a_file_that_does_not_run_is_named(tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"nothing")
    with pytest.raises(BrushportError, match=r"broken\.tflite' does not run"):
        contest.compete({"ours": broken}, turns=1, threads=1)


def test_latency_command_compares_with_the_first(files, tmp_path):
    numbers = tmp_path / "numbers.json"
    command = [str(files["onnx"]), "--runs", "1", "--cache", str(tmp_path / "cache"), "--json", str(numbers)]
    result = CliRunner().invoke(latency.app, command)
    assert result.exit_code == 0, result.output
    found = json.loads(numbers.read_text())["net"]
    assert list(found) == ["brushport", "onnxruntime"]
    assert found["brushport"]["ratio"] == 1
    expected = found["onnxruntime"]["median_ms"] / found["brushport"]["median_ms"]
    assert found["onnxruntime"]["ratio"] == pytest.approx(expected)


def test_latency_command_times_other_precisions(files, tmp_path):
    numbers = tmp_path / "numbers.json"
    command = [str(files["onnx"]), "--runs", "1", "--cache", str(tmp_path), "--json", str(numbers)]
    result = CliRunner().invoke(latency.app, [*command, "--precision", "fp32,fp16"])
    assert result.exit_code == 0, result.output
    assert list(json.loads(numbers.read_text())["net"]) == ["brushport", "brushport fp16", "onnxruntime"]
    assert b"net (fp16)" in (tmp_path / "net.brushport-fp16.tflite").read_bytes()
    assert CliRunner().invoke(latency.app, [*command, "--precision", "int9"]).exit_code != 0


def test_latency_command_names_what_is_missing(tmp_path):
    result = CliRunner().invoke(latency.app, [str(tmp_path / "none.onnx")])
    assert result.exit_code != 0


def test_summary_adds_medians_up_by_name():
    def run(*microseconds):
        names = ("Convolution (NHWC, F32) IGEMM", "Add (ND)", "Add (ND)", "MIRROR_PAD")
        return [Timing(n, us, n != "MIRROR_PAD") for n, us in zip(names, microseconds, strict=True)]

    runs = [run(4000, 900, 300, 50), run(3000, 100, 200, 60), run(9000, 200, 100, 70)]
    found = profile.summarize(runs, pieces=2, outside=1)
    assert [(kind.name.split(" (")[0], kind.count, kind.milliseconds) for kind in found.kinds] == [
        ("Convolution", 1, 4.0),
        ("Add", 2, 0.4),
        ("MIRROR_PAD", 1, 0.06),
    ]
    assert found.total == pytest.approx(4.46)
    assert found.convolutions == 4.0


def test_profile_sees_the_operators_inside_the_delegate(files):
    found = profile.profile(files["ours"], runs=2, threads=1)
    assert (found.pieces, found.outside) == (1, 0)
    counts = {kind.name: kind.count for kind in found.kinds}
    assert sum(count for name, count in counts.items() if name.startswith(profile.CONVOLUTIONS)) >= 3
    assert any(name.startswith("Sigmoid") for name in counts)


def test_the_peer_gets_the_same_network(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "litert_torch", types.ModuleType("litert_torch"))
    spec = importlib.util.spec_from_file_location("peer", latency.PEER_SCRIPT)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    model, feeds = network()
    with torch.no_grad():
        got = peer.Network(model).eval()(torch.from_numpy(feeds["x"])).numpy()
    np.testing.assert_allclose(got, run_onnx(model, feeds)[0], rtol=1e-5, atol=1e-5)
