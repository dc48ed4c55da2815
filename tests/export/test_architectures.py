"""Other people's architectures, exported by PyTorch: both targets compute what the exported file computes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.coreml import compile_coreml
from export.hub import load_hub
from export.tflite import compile_tflite
from tests.export.architectures import ARCHITECTURES, save_onnx
from validate.runners import open_artifact
from validate.sessions import WRONG_OPTIMIZERS

FLOORS = {"tflite": 85.0, "coreml": 60.0}  # dB: float32, and half precision


def decibels(expected: np.ndarray, got: np.ndarray) -> float:
    """PSNR, the peak being the range of ``expected``."""
    assert got.shape == expected.shape
    error = np.mean((expected.astype(np.float64) - got) ** 2)
    return float(10 * np.log10(np.ptp(expected) ** 2 / error)) if error else np.inf


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_targets_compute_what_the_file_computes(name, tmp_path):
    path = save_onnx(name, tmp_path / f"{name}.onnx")
    hub = load_hub(path, value_range=(0, 1))
    x = np.random.default_rng(0).random(hub.inputs[0].shape, np.float32)
    session = onnxruntime.InferenceSession(path, disabled_optimizers=list(WRONG_OPTIMIZERS))
    (expected,) = session.run(None, {"x": x})
    assert np.ptp(expected) > 0
    compile_tflite(hub, tmp_path / "net.tflite", precision="fp32", io="tensor")
    compile_coreml(hub, tmp_path / "net.mlpackage", precision="fp16", io="tensor")
    ports = (hub.inputs, hub.outputs)
    got = {
        target: decibels(expected, open_artifact(tmp_path / f"net{suffix}", ports).run({"x": x})["y"])
        for target, suffix in (("tflite", ".tflite"), ("coreml", ".mlpackage"))
    }
    assert got["tflite"] >= FLOORS["tflite"], got
    assert got["coreml"] >= FLOORS["coreml"], got
    if ARCHITECTURES[name].still:
        interpreter = Interpreter(str(tmp_path / "net.tflite"))
        assert "TRANSPOSE" not in {operator["op_name"] for operator in interpreter._get_ops_details()}


def test_enough_of_them():
    assert len(ARCHITECTURES) >= 15
