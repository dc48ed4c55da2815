import base64
import json
import zlib

import numpy as np
import pytest
from typer.testing import CliRunner

from export import export_model
from tests.export.painter import save_painter
from validate.cli import app
from validate.device_report import pattern
from validate.files import sha256
from validate.photos import photo_to_tensor
from validate.runners import TfliteRunner

SIDE = 64


def exported(tmp_path_factory, target):
    folder = tmp_path_factory.mktemp("exported")
    return export_model(save_painter(folder / "painter.onnx"), target, precision="fp32", output=folder).path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return exported(tmp_path_factory, "tflite")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return exported(tmp_path_factory, "coreml")


@pytest.fixture
def report(artifact):
    """A report as a phone writes it, whose painting is what the file paints."""
    runner = TfliteRunner(artifact)
    feed = {"image": photo_to_tensor(pattern(SIDE, SIDE), runner.inputs[0]), "style": np.array([[1, 0]], np.float32)}
    painting = np.round(runner.run(feed)["painting"][0].transpose(1, 2, 0) * 255).astype(np.uint8)
    cpu = {
        "processor": "cpu", "used": "cpu", "fallback": None, "threads": 4, "loading_ms": 20.5,
        "milliseconds": [30.0, 10.0, 20.0], "memory_mb": 80.0, "painting": packed(painting),
    }  # fmt: skip
    gpu = cpu | {"processor": "gpu", "fallback": "The GPU cannot run this model."}
    return {
        "brushport_device_report": 1,
        "model": {"file": artifact.name, "sha256": sha256(artifact), "name": "painter", "precision": "fp32"},
        "picture": {"width": SIDE, "height": SIDE},
        "device": {"manufacturer": "Maker", "model": "Phone [7]", "android": "16", "api": "36", "abi": "arm64-v8a"},
        "runs": [cpu, gpu],
    }


def packed(painting):
    return base64.b64encode(zlib.compress(painting.tobytes())).decode()


def judge(report, artifact, tmp_path, *more):
    path = tmp_path / "report.json"
    path.write_text(report if isinstance(report, str) else json.dumps(report))
    return CliRunner().invoke(app, [str(artifact.parent), "--device-report", str(path), *map(str, more)])


def test_speed_memory_and_likeness_are_told(report, artifact, tmp_path):
    result = judge(report, artifact, tmp_path, "--json", tmp_path / "judged.json")
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 2
    assert "Maker Phone [7]" in result.output
    assert "(not gpu)" in result.output
    assert "The GPU cannot run this model." in result.output
    first = json.loads((tmp_path / "judged.json").read_text())[0]
    assert first["latency_ms"] == 20.0
    assert first["latency_p90_ms"] == pytest.approx(28.0)
    assert first["memory_mb"] == 80.0
    assert first["ssim"] > 0.999


def test_a_report_of_a_core_ml_package_is_compared_with_its_hub(report, package, tmp_path):
    report["model"] |= {"file": package.name, "sha256": sha256(package)}
    used = {"used": "cpu+neural-engine", "processor": "all", "threads": 0}
    report["runs"] = [report["runs"][0] | used, report["runs"][0] | {"threads": 0}]
    result = judge(report, package, tmp_path)
    assert result.exit_code == 0, result.output
    assert result.output.count("same picture") == 2
    assert "cpu+neural-engine (not" not in result.output
    assert "threads" not in result.output


def test_a_phone_that_paints_another_picture_fails(report, artifact, tmp_path):
    wrong = np.full((SIDE, SIDE, 3), 77, np.uint8)
    report["runs"][1]["painting"] = packed(wrong)
    result = judge(report, artifact, tmp_path)
    assert result.exit_code == 1
    assert result.output.count("not the same picture") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda report: "no json", "is no JSON"),
        (lambda report: [], "is no device report"),
        (lambda report: report | {"brushport_device_report": 2}, "of format 2"),
        (lambda report: report | {"runs": []}, "is damaged"),
        (lambda report: report | {"picture": {"width": 10**9, "height": 4}}, "is damaged"),
        (lambda report: report | {"picture": {"width": 32, "height": 32}}, "another size"),
        (lambda report: report | {"model": report["model"] | {"sha256": "0"}}, "measured with another"),
        (lambda report: with_run(report, milliseconds=[]), "is damaged"),
        (lambda report: with_run(report, milliseconds=["fast"]), "is damaged"),
        (lambda report: with_run(report, painting="!"), "damaged painting"),
        (lambda report: with_run(report, painting=packed(np.zeros(7, np.uint8))), "damaged painting"),
    ],
)
def test_a_report_that_cannot_be_used_is_refused_in_one_sentence(report, artifact, tmp_path, change, words):
    result = judge(change(report), artifact, tmp_path)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def with_run(report, **changes):
    return report | {"runs": [report["runs"][0] | changes]}


def test_a_missing_report_is_named(artifact, tmp_path):
    result = CliRunner().invoke(app, [str(artifact), "--device-report", str(tmp_path / "none.json")])
    assert result.exit_code == 2
    assert "none.json' cannot be read" in result.output


def test_the_pattern_is_the_app_s():
    """The same pixels as BenchmarkTest.kt asks of the app."""
    made = pattern(64, 48)
    assert made.shape == (48, 64, 3)
    assert zlib.crc32(made.tobytes()) == 3465853655
