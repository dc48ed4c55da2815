"""Files of 16-bit activations, and files of whole numbers alone: what they hold, say and paint."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest
from ai_edge_litert.interpreter import Interpreter

from export import export_model
from export.flexible import Request
from export.hub import load_hub
from export.tflite import census
from quantize import quantize_hub
from tests.export.painter import save_painter
from tests.export.tflite.int16.support import float_tensors
from validate.errors import BrushportError
from validate.photos import default_photos, photo_samples
from validate.runners import OnnxRunner, open_artifact

BOTH = ("int8", "int16x8")


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return save_painter(tmp_path_factory.mktemp("model") / "painter.onnx", channels=16)


@pytest.fixture(scope="module", params=BOTH)
def exported(request, painter, tmp_path_factory):
    """A file of whole numbers alone, and its hub."""
    folder = tmp_path_factory.mktemp(request.param)
    return export_model(painter, "tflite", precision=request.param, integer_io=True, output=folder)


def test_no_tensor_is_a_float(exported):
    assert float_tensors(exported.path.read_bytes()) == []
    assert exported.manifest["census"]["float_operators"] == {}
    assert not any(form.startswith("float") for form in exported.manifest["census"]["weight_bytes"])
    in_8_bit = exported.manifest["census"]["macs_share"].get("int8 x int8", 0)
    assert in_8_bit > 0.5 if exported.manifest["precision"] == "int8" else in_8_bit == 0


def test_it_paints_what_the_hub_paints(exported):
    assert exported.comparison.mean_ssim > (0.99 if exported.manifest["precision"] == "int16x8" else 0.95)
    assert exported.path.name == f"painter-{exported.manifest['precision']}-integer.tflite"


def test_the_manifest_says_how_the_ports_are_rounded(exported):
    """Scale, zero point and dtype are those of the file, and of the picture's range."""
    interpreter = Interpreter(str(exported.path))
    facts = json.loads(exported.manifest_path.read_text())["artifacts"]["tflite"]
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    said = {entry["name"]: entry for entry in (*facts["inputs"], *facts["outputs"])}
    assert {detail["name"] for detail in details} == set(said) == {"image", "style", "painting"}
    for detail in details:
        entry = said[detail["name"]]
        assert np.dtype(entry["dtype"]) == detail["dtype"]
        assert list(detail["shape"]) == entry["shape"]
        assert (pytest.approx(entry["scale"], rel=1e-6), entry["zero_point"]) == detail["quantization"]
    if facts["precision"] == "int8":
        assert said["image"]["range"] == said["painting"]["range"] == [-128, 127]
        assert (said["image"]["scale"], said["image"]["zero_point"]) == (pytest.approx(1 / 255), -128)
    else:
        assert said["image"]["range"] == [0, pytest.approx(2**15 - 1, rel=0.02)]
        assert said["image"]["zero_point"] == 0


def test_the_formula_of_an_app_gives_the_picture_back(exported):
    """``real = scale (number - zero_point)`` on either side, with nothing but the manifest."""
    facts = json.loads(exported.manifest_path.read_text())["artifacts"]["tflite"]
    interpreter = Interpreter(str(exported.path))
    interpreter.allocate_tensors()
    reals = {
        "image": np.float32(default_photos(1, 64)[0])[None] / 255,
        "style": np.float32([[0.3, 0.7]]),
    }
    for entry, detail in zip(facts["inputs"], interpreter.get_input_details(), strict=True):
        limits = np.iinfo(entry["dtype"])
        number = np.rint(reals[entry["name"]] / entry["scale"]) + entry["zero_point"]
        interpreter.set_tensor(detail["index"], np.clip(number, limits.min, limits.max).astype(entry["dtype"]))
    interpreter.invoke()
    (entry,) = facts["outputs"]
    number = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    painted = entry["scale"] * (number.astype(np.float64) - entry["zero_point"])
    artifact = open_artifact(exported.path)
    hub = OnnxRunner(exported.path.parent / facts["hub"]["file"], artifact.inputs, artifact.outputs)
    expected = hub.run({"image": reals["image"].transpose(0, 3, 1, 2), "style": reals["style"]})["painting"]
    error = np.abs(painted.transpose(0, 3, 1, 2) - expected)
    assert error.mean() < (0.003 if facts["precision"] == "int16x8" else 0.03)
    ours = artifact.run({"image": reals["image"].transpose(0, 3, 1, 2), "style": reals["style"]})["painting"]
    assert np.abs(ours - painted.transpose(0, 3, 1, 2)).max() < 1e-5


def test_every_style_can_be_asked_for(exported):
    artifact = open_artifact(exported.path)
    hub = OnnxRunner(exported.path.parent / exported.manifest["hub"]["file"], artifact.inputs, artifact.outputs)
    (feed,) = photo_samples(default_photos(1, 64), artifact.inputs)
    for style in ([1, 0], [0, 1]):
        feed["style"] = np.float32([style])
        assert np.abs(hub.run(feed)["painting"] - artifact.run(feed)["painting"]).mean() < 0.03


def test_the_plan_says_what_is_in_16_bits(exported):
    if exported.manifest["precision"] == "int16x8":
        assert exported.manifest["int16x8"]["calibration_photos"] == 16
        return
    facts = exported.manifest["int8"]
    assert {row["precision"] for row in facts["plan"]} <= {"int8", "int16x8"}
    assert facts["int16_nodes"] == [row["node"] for row in facts["plan"] if row["precision"] == "int16x8"]
    assert "float_nodes" not in facts
    assert exported.manifest["census"]["macs_share"]["int8 x int8"] == pytest.approx(
        facts["int8_share_of_macs"], abs=0.02
    )


def test_pictures_of_other_ranges(tmp_path):
    model = save_painter(tmp_path / "painter.onnx", op="Tanh", metadata=False, channels=16)
    options = {"size": (64, 64), "styles": ["style_1"], "integer_io": True, "output": tmp_path}
    for precision in BOTH:
        result = export_model(model, "tflite", precision=precision, value_range=(-1, 1), **options)
        for entry in (*result.manifest["inputs"], *result.manifest["outputs"]):
            bounds = [entry["scale"] * (number - entry["zero_point"]) for number in entry["range"]]
            assert bounds == pytest.approx([-1, 1], abs=0.01 if precision == "int8" else 1e-3)
        assert result.comparison.mean_ssim > 0.9


def test_int16x8_with_pictures_keeps_no_float_where_every_kernel_is_there(painter, tmp_path):
    result = export_model(painter, "tflite", precision="int16x8", output=tmp_path)
    assert [entry["dtype"] for entry in result.manifest["outputs"]] == ["uint8"]
    assert result.comparison.mean_ssim > 0.99
    assert result.manifest["census"]["float_operators"] == {}
    assert result.manifest["census"]["macs_share"] == {"int16 x int8": 1.0}
    assert not any("16-bit kernel" in note for note in result.manifest["notes"])


def test_what_has_no_16_bit_kernel_is_named(tmp_path):
    model = save_painter(tmp_path / "painter.onnx", op="Erf", metadata=False, channels=16)
    options = {"size": (64, 64), "value_range": (0, 1), "styles": ["style_1"], "output": tmp_path}
    result = export_model(model, "tflite", precision="int16x8", **options)
    named = list(census(result.path)["float_operators"])
    assert named
    (note,) = (note for note in result.manifest["notes"] if "16-bit kernel" in note)
    assert all(name in note for name in named)
    whole = export_model(model, "tflite", precision="int16x8", integer_io=True, **options)
    assert float_tensors(whole.path.read_bytes()) == []
    assert whole.comparison.mean_ssim > 0.98


@pytest.mark.parametrize("precision", BOTH)
def test_one_file_for_many_sizes(painter, tmp_path, precision):
    """A mean over a plane is taken line by line: at a larger size one sum might not fit into 32 bits."""
    options = {"integer_io": True, "flexible": Request(64, 96), "output": tmp_path}
    result = export_model(painter, "tflite", precision=precision, **options)
    assert float_tensors(result.path.read_bytes()) == []
    assert min(one["ssim"] for one in result.manifest["sizes"]["verified"]) > 0.95
    assert result.manifest["census"]["operators"]["MEAN"] == 4


@pytest.mark.parametrize("integer_io", [False, True])
def test_a_file_that_is_quantized_already(painter, tmp_path, integer_io):
    hub = load_hub(painter)
    samples = photo_samples(default_photos(4, 64, use="calibration"), hub.inputs)
    ir.save(quantize_hub(hub.model, samples, inputs=hub.inputs, outputs=hub.outputs).model, tmp_path / "qdq.onnx")
    result = export_model(tmp_path / "qdq.onnx", "tflite", integer_io=integer_io, output=tmp_path)
    assert bool(float_tensors(result.path.read_bytes())) != integer_io
    assert result.comparison.mean_ssim > 0.98


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "coreml"}, "--integer-io is for --target tflite"),
        ({"target": "tflite", "precision": "fp16"}, "--integer-io is for --target tflite"),
        ({"target": "tflite", "io": "tensor"}, "contradict"),
    ],
)
def test_options_that_contradict_each_other(painter, tmp_path, options, words):
    with pytest.raises(BrushportError, match=words):
        export_model(painter, integer_io=True, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
