"""Every kind of damage to an ONNX file, each twice: once for each target."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from export.api import export_model
from tests.export.mutations import MUTATIONS, damaged
from tests.export.painter import save_painter
from validate.errors import BrushportError

ROOT = Path(__file__).resolve().parents[2]


def test_every_damage_is_answered_in_one_sentence():
    command = [sys.executable, "-m", "tests.export.mutations", "--count", str(2 * len(MUTATIONS))]  # it forks
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    assert "defect" not in counts
    assert counts["refused"] > counts["exported"] > 0


def test_the_series_is_the_same_every_time(tmp_path):
    one, kind = damaged(7, tmp_path / "a")
    two, same = damaged(7, tmp_path / "b")
    assert kind == same
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("location", ["../secret.bin", "link.bin", "folder/../../secret.bin", "ABSOLUTE"])
def test_weights_are_never_read_from_elsewhere(tmp_path, location):
    """What lies outside the model's folder would fit, byte for byte; it must not be taken."""
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    model = onnx.load(save_painter(folder / "net.onnx", size=(64, 64)))
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "first")
    outside = tmp_path / "secret.bin"
    outside.write_bytes(tensor.raw_data)
    (folder / "link.bin").symlink_to(outside)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(outside) if location == "ABSOLUTE" else location)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BrushportError, match=r"first"):
        export_model(folder / "net.onnx", "tflite", output=tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
