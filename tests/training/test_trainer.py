import csv
import signal
import subprocess
import sys
import time

import onnxruntime
import pytest
import torch

from training.config import Config
from training.trainer import Trainer, bfloat16_pays
from validate.errors import BrushportError
from validate.onnx_files import read_metadata, read_model


def config(vgg_file, photos, paintings, **changes):
    settings = {
        "styles": [str(path) for path in paintings],
        "content": str(photos),
        "vgg": str(vgg_file),
        "encoder_weights": "none",
        "steps": 60,
        "batch": 2,
        "crop": 64,
        "window": 48,
        "style_size": 64,
        "workers": 0,
        "amp": False,
        "samples": 1,
        "learning_rate": 5e-3,
    }
    return Config(**settings | changes)


def test_the_loss_falls_and_the_run_leaves_everything(tmp_path, vgg_file, photos, paintings):
    trainer = Trainer(config(vgg_file, photos, paintings), tmp_path)
    trainer.train()
    totals = [row[1] for row in trainer.history]
    assert sum(totals[-10:]) < 0.7 * sum(totals[:10])
    path = trainer.write_onnx()
    left = {file.name for file in tmp_path.iterdir()}
    assert {"checkpoint.pt", "loss.csv", "loss.png", "samples.png", "model.onnx"} <= left
    assert not [name for name in left if "partial" in name]
    assert read_metadata(read_model(path))["styles"] == [painting.stem for painting in paintings]
    session = onnxruntime.InferenceSession(path)
    photo, style = torch.rand(1, 3, 48, 80), torch.tensor([[0.0, 1.0]])
    painted = session.run(None, {"image": photo.numpy(), "style": style.numpy()})[0]
    with torch.no_grad():
        expected = trainer.network(photo, style)
    assert torch.allclose(torch.from_numpy(painted), expected, atol=1e-4)


def test_a_run_that_begins_trained_and_is_to_be_steady_becomes_steadier(tmp_path, vgg_file, photos, paintings):
    first = Trainer(config(vgg_file, photos, paintings, steps=2), tmp_path / "first")
    (tmp_path / "first").mkdir()
    first.train()
    start, folder = first.write_onnx(), tmp_path / "steady"
    alone = {"content_weight": 0.0, "style_weight": 0.0, "tv_weight": 0.0, "steady_weight": 30.0}
    trainer = Trainer(config(vgg_file, photos, paintings, start=str(start), **alone), folder)
    folder.mkdir()
    for one, other in zip(trainer.network.parameters(), first.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    trainer.train()
    steady = [row[1 + trainer.names.index("steady")] for row in trainer.history]
    assert sum(steady[-10:]) < 0.7 * sum(steady[:10])
    assert curve_names(folder) == ["step", "total", "content", "style", "tv", "steady"]


def test_held_out_photos_are_never_trained_on(tmp_path, vgg_file, photos, paintings):
    trainer = Trainer(config(vgg_file, photos, paintings, samples=2), tmp_path)
    assert len(trainer.samples) == 2
    assert len(trainer.train_photos) == 2


def test_the_window_is_the_same_part_of_both_pictures(tmp_path, vgg_file, photos, paintings):
    trainer = Trainer(config(vgg_file, photos, paintings), tmp_path)
    picture, windows = torch.rand(1, 3, 64, 64), []
    for trainer.step in range(5):
        one, other = trainer.same_window(picture, 2 * picture)
        assert one.shape == (1, 3, 48, 48)
        assert torch.equal(2 * one, other)
        windows.append(one)
    assert any(not torch.equal(windows[0], window) for window in windows)


def run(*arguments):
    return [sys.executable, "-m", "training", *map(str, arguments)]


def curve(folder):
    with (folder / "loss.csv").open() as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def curve_names(folder):
    with (folder / "loss.csv").open() as file:
        return next(csv.reader(file))


def test_a_killed_run_resumes_on_the_same_curve(tmp_path, vgg_file, photos, paintings):
    small = ["--vgg", vgg_file, "--content", photos, "--batch", 1, "--crop", 64, "--window", 64, "--style-size", 64]
    small += ["--workers", 0, "--threads", 1, "--no-amp", "--steps", 40, "--checkpoint-every", 4, "--style", *paintings]
    subprocess.run(run(*small, "--output", tmp_path / "whole"), check=True, capture_output=True)

    folder = tmp_path / "killed"
    process = subprocess.Popen(run(*small, "--output", folder), stdout=subprocess.DEVNULL)
    while not (folder / "loss.csv").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(curve(folder)) < 40
    subprocess.run(run("--resume", folder), check=True, capture_output=True)

    whole, resumed = curve(tmp_path / "whole"), curve(folder)
    assert [row[0] for row in resumed] == list(range(1, 41))
    for a, b in zip(whole, resumed, strict=True):
        assert a == pytest.approx(b, rel=1e-3)
    assert (folder / "model.onnx").exists()


def test_a_resumed_run_takes_more_steps_and_nothing_else(tmp_path, vgg_file, photos, paintings):
    settings = config(vgg_file, photos, paintings, steps=2, threads=1)
    settings.save(tmp_path)
    Trainer(settings, tmp_path).train()
    done = subprocess.run(run("--resume", tmp_path, "--steps", 4), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(curve(tmp_path)) == 4
    done = subprocess.run(run("--resume", tmp_path, "--seed", 4), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--seed cannot be changed" in done.stderr
    done = subprocess.run(run("--resume", tmp_path, "--start", "unet"), capture_output=True, text=True, check=False)
    assert "--start cannot be changed" in done.stderr


def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch):
    device = torch.device("cpu")
    for flags, expected in (
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "avx512_f": True}, False),
        ({}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert bfloat16_pays(device) is expected


def test_damaged_runs_are_named(tmp_path, vgg_file, photos, paintings):
    (tmp_path / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(BrushportError, match="damaged"):
        Trainer(config(vgg_file, photos, paintings), tmp_path)
    with pytest.raises(BrushportError, match="no training run"):
        Config.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--network", "unett"], "did you mean 'unet'"),
        (["--style", "nope.png"], "no photos were given"),
        ([], "no painting was given"),
        (["--crop", "100"], "not a multiple of 16"),
        (["--style", "nope.png", "--content", ".", "--start", "unett"], "did you mean 'unet'"),
    ],
)
def test_the_command_answers_mistakes_in_one_sentence(arguments, sentence):
    done = subprocess.run(run(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr.lower()
    assert "Traceback" not in done.stderr
