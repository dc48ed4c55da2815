import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from export import export_model
from tests.export.painter import save_painter
from validate.cli import app
from validate.errors import BrushportError
from validate.runners import open_artifact


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with one network as a TFLite file and as a Core ML package."""
    folder = tmp_path_factory.mktemp("exported")
    model = save_painter(folder / "painter.onnx")
    export_model(model, "tflite", precision="fp32", output=folder / "artifacts")
    export_model(model, "coreml", precision="fp16", output=folder / "artifacts")
    return folder / "artifacts"


@pytest.fixture
def artifacts(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "artifacts")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_good_artifacts_pass_and_the_numbers_and_the_picture_are_written(artifacts, tmp_path):
    result = run(artifacts, "--picture", tmp_path / "same.png", "--json", tmp_path / "same.json")
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 2
    numbers = {row["precision"]: row for row in json.loads((tmp_path / "same.json").read_text())}
    assert numbers["fp32"]["ssim"] > 0.9999
    assert 0.995 < numbers["fp16"]["ssim"] <= 1
    assert numbers["fp32"]["latency_ms"] > 0
    assert numbers["fp16"]["latency_ms"] is None  # emulated here, so its time means nothing
    picture = np.asarray(Image.open(tmp_path / "same.png").convert("RGB"), np.float32)
    side, gap, label = 256, 6, 26
    assert picture.shape == (2 * (side + label) + gap, 4 * side + 3 * gap, 3)  # two styles; photo, hub, two files
    columns = [picture[label : label + side, i * (side + gap) : i * (side + gap) + side] for i in range(4)]
    assert np.abs(columns[1] - columns[2]).mean() < 1 < np.abs(columns[0] - columns[1]).mean()


def test_another_networks_file_under_this_name_is_found_out(artifacts, tmp_path):
    other = export_model(
        save_painter(tmp_path / "other.onnx", op="Tanh"), "tflite", precision="fp32", output=tmp_path / "other"
    )
    shutil.copy(other.path, artifacts / "painter-fp32.tflite")
    result = run(artifacts)
    assert result.exit_code == 1
    assert result.output.count("not the same picture") == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "painter-fp32.json").unlink(), "no manifest"),
        (lambda folder: (folder / "painter-fp32.json").write_text("{}"), "damaged"),
        (lambda folder: (folder / "painter-64x64.onnx").unlink(), "needs its hub"),
        (lambda folder: (folder / "painter-64x64.onnx").write_bytes(b"other"), "is not the hub"),
        (lambda folder: (folder / "painter-fp32.tflite").write_bytes(b"no model at all"), "LiteRT cannot load"),
        (lambda folder: cut(folder / "painter-fp32.tflite"), "painter-fp32.tflite"),
        (lambda folder: cut(next((folder / "painter-fp16.mlpackage").rglob("weight.bin"))), "painter-fp16.mlpackage"),
    ],
)
def test_damage_is_named_in_one_sentence(artifacts, damage, words):
    damage(artifacts)
    result = run(artifacts)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_missing_things_are_named(tmp_path):
    assert "nowhere" in run(tmp_path / "nowhere").output
    assert "python -m export" in run(tmp_path).output
    assert "does not exist" in run(tmp_path / "none.tflite").output
    with pytest.raises(BrushportError, match="neither"):
        open_artifact(tmp_path / "model.onnx")


def test_a_file_that_does_not_say_what_its_inputs_mean_is_refused(artifacts):
    path = artifacts / "painter-fp32.tflite"
    path.write_bytes(path.read_bytes().replace(b"brushport_ports", b"something_else1"))
    with pytest.raises(BrushportError, match="does not say"):
        open_artifact(path)
