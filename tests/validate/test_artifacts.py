import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

from export import export_model
from tests.export.painter import save_painter
from validate.cli import app
from validate.errors import BrushportError
from validate.files import sha256
from validate.manifest import TARGETS, manifest_path, write_entry
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
    mine = artifacts / "painter-fp32.tflite"
    shutil.copy(other.path, mine)
    result = run(artifacts)
    assert result.exit_code == 2
    assert "not the file that its manifest" in result.output

    write_entry(mine, read_manifest(artifacts)["artifacts"]["tflite"] | {"sha256": sha256(mine)})
    result = run(artifacts)  # a manifest that claims the wrong file is its own: the picture tells
    assert result.exit_code == 1
    assert result.output.count("not the same picture") == 1


def test_a_network_without_a_picture_to_show_says_so(tmp_path):
    node = onnx.helper.make_node("GlobalAveragePool", ["x"], ["y"])
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "pool", [make("x", 1, [1, 3, 32, 32])], [make("y", 1, [1, 3, 1, 1])])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), tmp_path / "pool.onnx")
    result = export_model(tmp_path / "pool.onnx", "tflite", precision="fp32", output=tmp_path)
    assert run(result.path).exit_code == 0
    shown = run(result.path, "--picture", tmp_path / "pool.png")
    assert shown.exit_code == 2
    assert "no picture to show" in shown.output


def read_manifest(folder):
    return json.loads((folder / "painter-fp32.json").read_text())


def test_both_targets_of_one_precision_share_a_manifest_and_not_an_entry(tmp_path):
    model = save_painter(tmp_path / "painter.onnx")
    export_model(model, "coreml", precision="fp32", output=tmp_path)
    export_model(model, "tflite", precision="fp32", size=(48, 80), styles=["dusk"], output=tmp_path)
    entries = read_manifest(tmp_path)["artifacts"]
    assert {target: entry["inputs"][0]["shape"] for target, entry in entries.items()} == {
        "coreml": [1, 3, 64, 64],
        "tflite": [1, 48, 80, 3],
    }
    result = run(tmp_path, "--picture", tmp_path / "all.png")
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 2


@pytest.mark.parametrize("hub", [{}, "x", {"file": 3, "sha256": "0"}])
def test_a_manifest_with_holes_is_refused(artifacts, hub):
    path = artifacts / "painter-fp32.json"
    facts = json.loads(path.read_text())
    facts["artifacts"]["tflite"]["hub"] = hub
    path.write_text(json.dumps(facts))
    result = run(artifacts)
    assert result.exit_code == 2
    assert "says nothing sound" in result.output


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "painter-fp32.json").unlink(), "no manifest"),
        (lambda folder: (folder / "painter-fp32.json").write_text("{}"), "says nothing sound"),
        (lambda folder: hub_in(folder).unlink(), "needs its hub"),
        (lambda folder: hub_in(folder).write_bytes(b"other"), "is not the hub"),
        (lambda folder: cut(folder / "painter-fp32.tflite", b"no model at all"), "LiteRT cannot load"),
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


def hub_in(folder):
    return next(folder.glob("painter-64x64-*.onnx"))


def cut(path, instead=None):
    """Halve a file and let its manifest believe it, so that the runtime has to notice."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if instead is None else instead)
    artifact = next((parent for parent in path.parents if parent.suffix == ".mlpackage"), path)
    entry = json.loads(manifest_path(artifact).read_text())["artifacts"][TARGETS[artifact.suffix]]
    write_entry(artifact, entry | {"sha256": sha256(artifact)})


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
