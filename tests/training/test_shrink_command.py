import re

import numpy as np
import pytest

from export.hub import load_hub
from tests.training.hubs import in_onnxruntime, painter
from training.shrink_command import prune
from validate.errors import BrushportError


@pytest.fixture
def hub(tmp_path):
    return painter(tmp_path / "painter.onnx")


def test_writes_the_pruned_model_and_says_what_became_of_it(hub, photos, tmp_path, capsys):
    written = prune(hub.source, 0.6, photos=photos, output=tmp_path / "out" / "p.onnx", steps=40)
    said = capsys.readouterr().out
    assert written == tmp_path / "out" / "p.onnx"
    assert [path.name for path in written.parent.iterdir()] == ["p.onnx"]
    assert re.search(r"^node_first +16 +\d+$", said, re.M)
    assert re.search(
        r"^5\d\.\d% of the multiply-accumulates are left \(2\.91 to 1\.\d\d million\); SSIM 0\.\d{4} \(worst 0\.\d{4}\)"
        r", PSNR \d+\.\d dB against the dense network on 1 photo outside training$",
        said,
        re.M,
    )
    assert said.count("of 40, loss") == 20
    assert "step 40 of 40, loss 0." in said
    assert f"Next: python -m export {written} --target tflite" in said
    again = load_hub(written)
    assert (again.inputs, again.outputs, again.styles) == (hub.inputs, hub.outputs, hub.styles)
    sample = [np.full((1, 3, 32, 32), 0.5, np.float32), np.array([[0, 1]], np.float32)]
    assert not np.array_equal(in_onnxruntime(again.model, sample)[0], in_onnxruntime(hub.model, sample)[0])


def test_the_output_is_called_after_the_model(hub, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(prune(hub.source, 0.9, photos=photos, steps=1)) == "painter-pruned.onnx"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painter-pruned.onnx", "painter.onnx"]


def test_the_model_itself_is_not_overwritten(hub, tmp_path):
    with pytest.raises(BrushportError, match="is the model itself"):
        prune(hub.source, 0.6, output=tmp_path / "painter.onnx")


def test_a_run_that_is_stopped_leaves_its_folder_and_no_model(hub, photos, tmp_path, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.shrink.compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        prune(hub.source, 0.6, photos=photos, output=tmp_path / "p.onnx", steps=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p-run", "painter.onnx"]
    assert sorted(path.name for path in (tmp_path / "p-run").iterdir()) == ["checkpoint.pt", "facts.json", "start.onnx"]
