import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from export.hub import load_hub
from quantize import count_macs
from tests.export.painter import save_painter
from tests.training.hubs import in_onnxruntime, painter
from training.hub_network import HubNetwork
from training.shrink import clear, prune_hub
from validate.errors import BrushportError


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx")


def weights(model):
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


def test_the_pruned_hub_is_smaller_and_paints_what_the_dense_one_does(hub, photos, tmp_path):
    told, untrained = [], []
    before = prune_hub(hub, 0.4, tmp_path / "a", photos=photos, steps=1, watch=lambda *_: untrained.append(1))
    result = prune_hub(hub, 0.4, tmp_path / "b", photos=photos, steps=60, report=told.append)
    work = sum(count_macs(result.model).values())
    assert (result.macs_after, result.macs_before) == (work, sum(count_macs(hub.model).values()))
    assert 0.3 < work / result.macs_before <= 0.4
    assert told == [
        "reading the network",
        *(f"measuring and removing channels, round {turn} of 4" for turn in (1, 2, 3, 4)),
        "distilling, 60 steps",
        "judging",
    ]
    assert result.judged == len(untrained) == 1
    assert result.score.ssim > before.score.ssim + 0.01
    sample = [np.random.default_rng(0).random((1, 3, 32, 32), np.float32), np.array([[1, 0]], np.float32)]
    with torch.no_grad():
        expected = HubNetwork(result.model)(*map(torch.from_numpy, sample)).numpy()
    np.testing.assert_allclose(in_onnxruntime(result.model, sample)[0], expected, atol=1e-5)


def test_the_last_steps_and_all_of_a_students_see_crops_of_twice_the_side(hub, photos, tmp_path, monkeypatch):
    seen = []

    def watched(student, teacher, batches, likeness, *, steps, **_):
        seen.extend(batches(step)[0].shape[2:] for step in range(steps))

    monkeypatch.setattr("training.shrink.distill", watched)
    first = prune_hub(hub, 0.4, tmp_path / "run", photos=photos, steps=10, crop=16)
    assert seen == [(16, 16)] * 6 + [(32, 32)] * 4
    seen.clear()
    ir.save(first.model, tmp_path / "first.onnx")
    student = load_hub(tmp_path / "first.onnx")
    prune_hub(hub, 0.4, tmp_path / "on", student=student, photos=photos, steps=5, crop=16)
    assert seen == [(32, 32)] * 5


def test_a_student_learns_on_and_loses_no_more_channels(hub, photos, tmp_path):
    first = prune_hub(hub, 0.4, tmp_path / "first", photos=photos, steps=40)
    ir.save(first.model, tmp_path / "first.onnx")
    student = load_hub(tmp_path / "first.onnx")
    told = []
    second = prune_hub(hub, 0.4, tmp_path / "second", student=student, photos=photos, steps=40, report=told.append)
    assert told == ["reading the network", "distilling, 40 steps", "judging"]
    assert (second.macs_before, second.macs_after) == (first.macs_before, first.macs_after)
    assert second.score.psnr > first.score.psnr
    with pytest.raises(BrushportError, match=r"more than --prune 0.2; leave --student out"):
        prune_hub(hub, 0.2, tmp_path / "further", student=student, photos=photos, steps=1)
    save_painter(tmp_path / "other.onnx", size=(64, 64))
    with pytest.raises(BrushportError, match="so it is no student"):
        prune_hub(hub, 0.4, tmp_path / "other", student=load_hub(tmp_path / "other.onnx"), photos=photos, steps=1)


def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(hub, photos, tmp_path):
    settings = {"photos": photos, "steps": 24, "checkpoint_every": 8}
    whole = prune_hub(hub, 0.6, tmp_path / "whole", **settings)
    program = (
        "import sys, torch; from pathlib import Path; from export.hub import load_hub; "
        "from training.shrink import prune_hub; _, model, photos, folder = sys.argv; torch.set_num_threads(1); "
        "prune_hub(load_hub(model, check=False), 0.6, Path(folder), photos=Path(photos), steps=24, checkpoint_every=8)"
    )
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", program, hub.source, str(photos), str(folder)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not (folder / "checkpoint.pt").exists():  # after 8 steps
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = []
    resumed = prune_hub(hub, 0.6, folder, **settings, watch=lambda done, _: seen.append(done))
    assert seen
    assert seen == list(range(seen[0], 25))
    assert seen[0] in (9, 17)  # the first step after a checkpoint
    assert resumed.thinned == whole.thinned
    for name, expected in weights(whole.model).items():
        np.testing.assert_array_equal(weights(resumed.model)[name], expected, err_msg=name)
    clear(folder)
    assert not folder.exists()


def test_a_folder_of_another_run_is_named(hub, photos, tmp_path):
    prune_hub(hub, 0.7, tmp_path, photos=photos, steps=1)
    for other in ({"share": 0.6}, {"steps": 2}, {"seed": 1}):
        settings = {"share": 0.7, "steps": 1, **other}
        with pytest.raises(BrushportError, match="holds a run with other settings; remove it"):
            prune_hub(hub, settings.pop("share"), tmp_path, photos=photos, **settings)
    (tmp_path / "facts.json").write_text(json.dumps([1]))
    with pytest.raises(BrushportError, match="cannot be read; remove the folder"):
        prune_hub(hub, 0.7, tmp_path, photos=photos, steps=1)


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, float("nan")])
def test_a_share_is_between_0_and_1(hub, tmp_path, share):
    with pytest.raises(BrushportError, match="between 0 and 1"):
        prune_hub(hub, share, tmp_path, steps=1)


def test_other_things_in_the_folder_stay(hub, photos, tmp_path):
    (tmp_path / "mine").write_text("kept")
    prune_hub(hub, 0.7, tmp_path, photos=photos, steps=1)
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_size_that_was_open_is_open_again(photos, tmp_path):
    hub = load_hub(save_painter(tmp_path / "open.onnx"), check=False)
    result = prune_hub(hub, 0.9, tmp_path / "run", photos=photos, steps=1)
    ir.save(result.model, tmp_path / "pruned.onnx")
    onnx.checker.check_model(str(tmp_path / "pruned.onnx"), full_check=True)
    model = onnx.load(tmp_path / "pruned.onnx")
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]] == ["height", "width"]
    for size in ((64, 64), (48, 80)):
        again = load_hub(tmp_path / "pruned.onnx", size=size, check=False)
        assert again.inputs[0].shape == again.outputs[0].shape == (1, 3, *size)
        assert again.styles == ("dawn", "dusk")
