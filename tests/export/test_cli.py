import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from typer.testing import CliRunner

from export.cli import app
from tests.export.painter import save_painter
from validate.command import parse_range, parse_size
from validate.errors import BrushportError
from validate.photos import default_photos

# Raises on any import of torch or TensorFlow that is not caught: coremltools must not even try.
NO_TORCH = """
import runpy, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "tensorflow"):
            print("IMPORTED", name, file=sys.stderr)
            sys.exit(99)

sys.meta_path.insert(0, Forbidden())
runpy.run_module("export", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return save_painter(tmp_path_factory.mktemp("model") / "painter.onnx")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "arguments", [["--target", "coreml"], ["--target", "tflite"], ["--target", "tflite", "--int8"]]
)
def test_neither_torch_nor_tensorflow_is_imported(painter, tmp_path, arguments):
    command = [sys.executable, "-c", NO_TORCH, painter, *arguments, "--output", tmp_path]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "same picture" in done.stdout


def test_the_table_names_the_file_and_the_next_command(painter, tmp_path):
    result = run(painter, "--target", "tflite", "--precision", "fp32", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    for words in (
        "target",
        "SSIM",
        "PSNR",
        "verdict",
        "painter-fp32.tflite",
        "same picture",
        "Next: python -m validate",
    ):
        assert words in result.output


def test_int8_says_what_became_of_the_plan(painter, tmp_path):
    result = run(painter, "--target", "tflite", "--int8", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "100.0% of the multiply-accumulates are planned in int8 at SSIM 0.9" in said
    assert "in float: nothing." in said


def test_int8_that_was_learned_says_how_that_went(painter, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index, photo in enumerate(default_photos(4, 64, use="calibration")):
        Image.fromarray(photo).save(photos / f"{index}.png")
    arguments = ("--target", "tflite", "--int8", "--learn", 3, "--calibration", photos, "--output", tmp_path)
    result = run(painter, *arguments)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert re.search(r"painter\.onnx: 3 steps of learning on 2 photos took SSIM 0\.\d{4}, .* to SSIM 0\.\d{4}", said)
    assert "planned in int8 at SSIM 0.9" in said


def test_learning_without_torch_says_what_to_install(painter, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "training.learn", None)
    result = run(painter, "--target", "tflite", "--int8", "--learn", 3, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "--learn needs the package" in result.output
    assert "pip install 'brushport[training]'" in " ".join(result.output.split())
    assert not list((tmp_path / "out").glob("*.tflite"))


def test_help_shows_targets_and_precisions():
    result = run("-h")
    assert result.exit_code == 0
    for words in ("coreml", "fp16 (default)", "int8", "tflite", "--no-verify"):
        assert words in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "corml"], "did you mean 'coreml'"),
        ([], "--target coreml"),
        (["--target", "tflite", "--precision", "fp61"], "did you mean 'fp16'"),
        (["--target", "tflite", "--size", "big"], "such as 512 or 480x640"),
        (["--target", "tflite", "--size", "0"], "such as 512 or 480x640"),
        (["--target", "tflite", "--range", "1..0"], "BLACK..WHITE"),
        (["--target", "tflite", "--io", "imag"], "did you mean 'image'"),
        (["--target", "tflite", "--int8", "--precision", "fp16"], "contradict"),
        (["--tarket", "tflite"], "--target"),
        (["no-such-model", "--target", "tflite"], "no-such-model"),
        (["no-such-file.onnx", "--target", "tflite"], "no-such-file.onnx"),
        (["PAINTER", "--target", "tflite", "--styles", "dask"], "dusk"),
        (["PAINTER", "--target", "tflite", "--styles", ""], "no style"),
        (["", "--target", "tflite"], "model"),
        (["PAINTER", "--target", "tflite", "--size", "50"], "8"),
        (["PAINTER", "--target", "tflite", "--photos", "nowhere"], "nowhere"),
        (["PAINTER", "--target", "tflite", "--int8", "--calibration", "nowhere"], "nowhere"),
        (["PAINTER", "--target", "tflite", "--min-ssim", "0.9"], "add --int8"),
        (["PAINTER", "--target", "tflite", "--learn", "100"], "add --int8"),
        (["PAINTER", "--target", "tflite", "--int8", "--plan", "nowhere.yaml"], "There is no plan nowhere.yaml"),
        (["--target", "tflite", "--int8", "--plan", "p.yaml"], "of one network"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(painter, tmp_path, arguments, words):
    arguments = [painter if argument == "PAINTER" else argument for argument in arguments]
    result = run(*arguments, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert words.lower() in result.output.lower()
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"\x89PNG\r\n\x1a\n" + bytes(300), "not an ONNX"), (None, "cut short")],
)
def test_broken_models_are_named(painter, tmp_path, content, words):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(painter.read_bytes()[:-400] if content is None else content)
    result = run(broken, "--target", "tflite", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.output
    assert "broken.onnx" in result.output


@pytest.mark.parametrize("target", ["coreml", "tflite"])
def test_an_unsupported_operator_is_named_with_its_shapes_and_what_is_supported(tmp_path, target):
    model = save_painter(tmp_path / "odd.onnx", op="Det", size=(64, 64))
    result = run(model, "--target", target, "--output", tmp_path / "out")
    assert result.exit_code == 2
    for words in ("paint", "Det", "64", "Conv"):
        assert words in result.output


def test_open_sizes_ask_for_size(tmp_path):
    model = save_painter(tmp_path / "open.onnx", metadata=False)
    result = run(model, "--target", "tflite", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "--size" in result.output
    assert run(model, "--target", "tflite", "--size", "64", "--output", tmp_path / "out").exit_code == 0


def test_brackets_in_names_are_no_markup(painter, tmp_path):
    model = tmp_path / "net[b] [red].onnx"
    shutil.copy(painter, model)
    result = run(model, "--target", "tflite", "--output", tmp_path / "[out]")
    assert result.exit_code == 0, result.output
    assert "net[b] [red]-fp16.tflite" in result.output.replace("\n", "")


def test_output_must_be_a_folder(painter, tmp_path):
    (tmp_path / "file").write_text("kept")
    result = run(painter, "--target", "tflite", "--output", tmp_path / "file")
    assert result.exit_code == 2
    assert "name a folder" in result.output
    assert (tmp_path / "file").read_text() == "kept"


def test_a_picture_below_the_floor_ends_with_status_1(painter, tmp_path):
    result = run(painter, "--target", "tflite", "--int8", "--floor", "1.0", "--output", tmp_path)
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_export_that_is_stopped_leaves_no_artifact(painter, tmp_path, how):
    command = [sys.executable, "-m", "export", painter, "--target", "coreml", "--size", "512", "--output", tmp_path]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".partial-*")):  # it has begun to write
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(how)
    _, complaint = process.communicate(timeout=120)
    visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert visible == []
    if how is not signal.SIGKILL:
        assert process.returncode == 2
        assert "Traceback" not in complaint
        assert list(tmp_path.iterdir()) == []


def test_sizes_and_ranges_are_read():
    assert parse_size("512") == (512, 512)
    assert parse_size("480x640") == (480, 640)
    assert parse_size(None) is None
    assert parse_range("-1..1") == (-1.0, 1.0)
    with pytest.raises(BrushportError):
        parse_range("0-255")
