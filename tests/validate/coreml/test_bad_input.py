"""Damaged packages and inputs that do not fit: one clear sentence each."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.validate.coreml.programs import builder
from validate.coreml import CoreMLModel
from validate.coreml.tools import load_coremltools
from validate.errors import BrushportError, UnsupportedError


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    ct = load_coremltools()
    mb = builder()

    weight = np.random.default_rng(0).standard_normal((32, 3, 3, 3)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec((1, 3, 16, 16)), mb.TensorSpec((1, 32))], opset_version=ct.target.iOS16)
    def program(x, style):
        y = mb.conv(x=x, weight=weight, pad_type="same")
        return mb.mul(x=y, y=mb.reshape(x=style, shape=(1, 32, 1, 1)), name="y")

    path = tmp_path_factory.mktemp("package") / "model.mlpackage"
    model = ct.convert(program, minimum_deployment_target=ct.target.iOS16, skip_model_load=True)
    model.save(str(path))
    return path


@pytest.fixture
def copy(package, tmp_path):
    return shutil.copytree(package, tmp_path / "model.mlpackage")


def _data():
    return {"x": np.ones((1, 3, 16, 16), np.float32), "style": np.ones((1, 32), np.float32)}


def test_missing(tmp_path):
    with pytest.raises(BrushportError, match="does not exist"):
        CoreMLModel(tmp_path / "none.mlpackage")


def test_a_file_is_no_package(tmp_path):
    (tmp_path / "m.mlpackage").write_bytes(b"x")
    with pytest.raises(BrushportError, match="is a file"):
        CoreMLModel(tmp_path / "m.mlpackage")


def test_an_empty_folder(tmp_path):
    with pytest.raises(BrushportError, match=r"no Manifest\.json"):
        CoreMLModel(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"itemInfoEntries": {}, "rootModelIdentifier": "a"})])
def test_damaged_manifest(copy, text):
    (copy / "Manifest.json").write_text(text)
    with pytest.raises(BrushportError, match="damaged"):
        CoreMLModel(copy)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.9])
def test_truncated_description(copy, keep):
    (file,) = copy.rglob("model.mlmodel")
    content = file.read_bytes()
    file.write_bytes(content[: keep if keep > 1 else int(len(content) * keep)])
    with pytest.raises(BrushportError):
        CoreMLModel(copy)


def test_missing_description(copy):
    next(copy.rglob("model.mlmodel")).unlink()
    with pytest.raises(BrushportError, match="incomplete"):
        CoreMLModel(copy)


@pytest.mark.parametrize("keep", [0, 10, 70, 0.5])
def test_truncated_weights(copy, keep):
    (file,) = copy.rglob("weight.bin")
    content = file.read_bytes()
    file.write_bytes(content[: keep if keep >= 1 else int(len(content) * keep)])
    with pytest.raises(BrushportError, match="cut short"):
        CoreMLModel(copy)


def test_missing_weights(copy):
    next(copy.rglob("weight.bin")).unlink()
    with pytest.raises(BrushportError, match="missing"):
        CoreMLModel(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": None}, "needs the input 'style'"),
        ({"extra": np.zeros(1)}, "no input 'extra'"),
        ({"x": np.zeros((1, 3, 16, 17))}, r"shape \(1, 3, 16, 16\)"),
        ({"x": np.zeros((3, 16, 16))}, r"shape \(1, 3, 16, 16\)"),
        ({"x": Image.new("RGB", (16, 16))}, "got a picture"),
        ({"x": "photo.jpg"}, "array of numbers"),
    ],
)
def test_input_that_does_not_fit(package, change, message):
    data = {key: value for key, value in (_data() | change).items() if value is not None}
    with pytest.raises(BrushportError, match=message):
        CoreMLModel(package, engine="onnxruntime").predict(data)


def test_data_that_is_no_dictionary(package):
    with pytest.raises(BrushportError, match="dictionary"):
        CoreMLModel(package, engine="onnxruntime").predict([1, 2])


def test_unknown_engine(package):
    with pytest.raises(BrushportError, match="Unknown engine"):
        CoreMLModel(package, engine="gpu")


def test_unknown_operator_is_named(tmp_path):
    ct = load_coremltools()
    mb = builder()

    @mb.program(input_specs=[mb.TensorSpec((4, 4))], opset_version=ct.target.iOS16)
    def program(x):
        return mb.cast(x=mb.non_zero(x=x), dtype="fp32", name="y")

    model = ct.convert(program, minimum_deployment_target=ct.target.iOS16, skip_model_load=True)
    model.save(str(tmp_path / "m.mlpackage"))
    with pytest.raises(UnsupportedError, match=r"non_zero .*\[4, 4\].* not among the supported operators: abs, "):
        CoreMLModel(tmp_path / "m.mlpackage", engine="onnxruntime")


def test_a_model_that_is_no_program(tmp_path):
    ct = load_coremltools()
    mb = builder()

    @mb.program(input_specs=[mb.TensorSpec((1, 3, 4, 4))])
    def program(x):
        return mb.relu(x=x, name="y")

    model = ct.convert(program, convert_to="neuralnetwork")
    package = tmp_path / "m.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data" / "m.mlmodel").write_bytes(model.get_spec().SerializeToString())
    entries = {"a": {"path": "m.mlmodel", "name": "m.mlmodel"}}
    (package / "Manifest.json").write_text(json.dumps({"itemInfoEntries": entries, "rootModelIdentifier": "a"}))
    with pytest.raises(UnsupportedError, match="neuralNetwork"):
        CoreMLModel(package)
