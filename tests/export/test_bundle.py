import json

import pytest
from typer.testing import CliRunner

from export import bundle as bundling
from export import export_model
from export.bundle import bundle, bundle_folder
from export.cli import app
from tests.export.painter import save_painter
from validate.errors import BrushportError
from validate.files import size_of
from validate.manifest import manifest_path, read_entry


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return export_model(save_painter(folder / "painter.onnx"), "tflite", precision="fp32", output=folder / "artifacts")


def test_the_pair_replaces_the_one_before_and_nothing_else(exported, tmp_path):
    for name in ("old-int8.tflite", "old-int8.json", "font.ttf"):
        (tmp_path / name).write_text(name)
    model, manifest = bundle(exported.path, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["font.ttf", "painter-fp32.json", "painter-fp32.tflite"]
    assert model.read_bytes() == exported.path.read_bytes()
    facts = json.loads(manifest.read_text())
    assert list(facts["artifacts"]) == ["tflite"]
    assert facts["artifacts"]["tflite"]["file"] == model.name


def test_what_was_not_verified_is_refused(tmp_path):
    model = save_painter(tmp_path / "painter.onnx")
    result = export_model(model, "tflite", precision="fp32", output=tmp_path / "artifacts", verify=False)
    with pytest.raises(BrushportError, match="was not compared with its hub"):
        bundle(result.path, tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


@pytest.mark.parametrize(("damage", "words"), [("file", "is not the file"), ("manifest", "has no manifest")])
def test_what_does_not_belong_together_is_refused(tmp_path, damage, words):
    result = export_model(save_painter(tmp_path / "painter.onnx"), "tflite", precision="fp32", output=tmp_path)
    if damage == "file":
        result.path.write_bytes(result.path.read_bytes() + b"x")
    else:
        manifest_path(result.path).unlink()
    with pytest.raises(BrushportError, match=words):
        bundle(result.path, tmp_path / "assets")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_bundles_a_file_for_tiles(tmp_path, monkeypatch):
    monkeypatch.setitem(bundling.APPS, "tflite", ("app", "assets"))
    monkeypatch.setattr(bundling, "CHECKOUT", tmp_path)
    model = save_painter(tmp_path / "painter.onnx")
    arguments = (model, "--target", "tflite", "--precision", "fp32", "--bundle", "--output", tmp_path / "artifacts")
    assert "run the command in a checkout" in run(*arguments).output
    (tmp_path / "app").mkdir()
    refused = run(*arguments, "--no-verify")
    assert (refused.exit_code, "verified files only" in refused.output) == (2, True)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "Bundled" in result.output
    entry = json.loads((tmp_path / "app/assets/painter-fp32.json").read_text())["artifacts"]["tflite"]
    assert entry["verified"] is True
    assert entry["tiles"]["layers"] == [{"channels": 8, "moments": 2, "level": 1}]


def test_a_package_replaces_the_package_before_and_nothing_else(tmp_path):
    model = save_painter(tmp_path / "painter.onnx")
    exported = export_model(model, "coreml", precision="fp32", output=tmp_path / "artifacts")
    folder = tmp_path / "Model"
    (folder / "old-fp16.mlpackage/Data").mkdir(parents=True)
    for name in ("old-fp16.mlpackage/Data/model.mlmodel", "old-fp16.json", "About.txt"):
        (folder / name).write_text(name)
    for _ in range(2):  # over the one before, and over itself
        package, _ = bundle(exported.path, folder)
    names = ["About.txt", "painter-fp32.json", "painter-fp32.mlpackage"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert read_entry(package)["verified"] is True
    next(exported.path.rglob("model.mlmodel")).write_bytes(b"another")
    with pytest.raises(BrushportError, match="is not the file"):
        bundle(exported.path, folder)
    assert read_entry(package)["verified"] is True


def test_only_targets_with_an_app_are_bundled():
    with pytest.raises(BrushportError, match="no app here reads onnx"):
        bundle_folder("onnx")


@pytest.mark.parametrize(("target", "suffix"), [("tflite", ".tflite"), ("coreml", ".mlpackage")])
def test_the_app_of_this_repository_holds_one_small_verified_pair_for_tiles(target, suffix):
    app, inside = bundling.APPS[target]
    assets = bundling.CHECKOUT / app / inside
    (model,) = assets.glob(f"*{suffix}")
    assert sorted(path.name for path in assets.iterdir()) == sorted([model.name, f"{model.stem}.json"])
    entry = read_entry(model)
    assert entry["verified"] is True
    assert entry["quality"]["ssim"] > 0.98
    assert entry["tiles"]["halo"] > 0
    assert not any("dynamic" in numbers for numbers in entry["census"]["macs_share"])
    assert size_of(model) < 1e6
