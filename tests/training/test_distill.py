import numpy as np
import pytest
import torch

from tests.training.hubs import painter
from training.distill import distill
from training.hub_batches import HubBatches
from training.hub_network import HubNetwork
from training.likeness import Likeness
from validate.errors import BrushportError


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx")


@pytest.fixture(scope="module")
def batches(hub):
    random = np.random.default_rng(0)
    photos = [random.integers(0, 255, (8, 8, 3), np.uint8).repeat(4, 0).repeat(4, 1) for _ in range(3)]
    return HubBatches(hub.inputs, photos, None, 2)


def networks(hub):
    """The teacher, and a student whose weights are off."""
    teacher, student = HubNetwork(hub.model).requires_grad_(False), HubNetwork(hub.model)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape))
    return teacher, student


def run(hub, batches, steps=12, teacher=None, **options):
    own, student = networks(hub)
    losses = distill(
        student, teacher or own, batches, Likeness(hub.outputs), steps=steps, learning_rate=3e-3, every=4, **options
    )
    return student, losses


def weights(student):
    return torch.cat([parameter.detach().flatten() for parameter in student.parameters()])


def test_the_student_comes_to_paint_what_the_teacher_paints(hub, batches):
    told = []
    _, losses = run(hub, batches, 60, watch=lambda done, loss: told.append((done, loss)))
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:5])
    assert [done for done, _ in told] == list(range(1, 61))
    assert told[-1][1] == pytest.approx(np.mean(losses[-50:]))


def test_frozen_parameters_and_the_teacher_stay(hub, batches):
    teacher, student = networks(hub)
    frozen = {name: p.clone() for name, p in student.named_parameters() if not p.requires_grad}
    before = weights(teacher)
    distill(student, teacher, batches, Likeness(hub.outputs), steps=2, learning_rate=1e-2)
    assert frozen
    assert all(torch.equal(p, frozen[name]) for name, p in student.named_parameters() if name in frozen)
    assert torch.equal(weights(teacher), before)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(hub, batches, tmp_path):
    whole, losses = run(hub, batches)
    teacher, calls = networks(hub)[0], []

    def fails_at_step_7(*inputs):
        calls.append(inputs)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return teacher(*inputs)

    with pytest.raises(KeyboardInterrupt):
        run(hub, batches, teacher=fails_at_step_7, checkpoint=tmp_path / "c.pt")
    told, seen = [], []

    def noting(step):
        seen.append(step)
        return batches(step)

    resumed, again = run(hub, noting, checkpoint=tmp_path / "c.pt", watch=lambda done, loss: told.append(done))
    assert seen == list(range(4, 12))
    assert told == list(range(5, 13))
    assert again == losses
    assert torch.equal(weights(resumed), weights(whole))
    assert run(hub, batches, checkpoint=tmp_path / "c.pt", watch=told.append)[1] == losses  # nothing is left to do


def test_what_is_no_checkpoint_of_this_run_is_named(hub, batches, tmp_path):
    path = tmp_path / "c.pt"
    run(hub, batches, 4, checkpoint=path)
    with pytest.raises(BrushportError, match="of a run of 4 steps, not 6"):
        run(hub, batches, 6, checkpoint=path)
    torch.save({"student": {}}, path)
    with pytest.raises(BrushportError, match="of another run"):
        run(hub, batches, 4, checkpoint=path)
    path.write_bytes(b"broken")
    with pytest.raises(BrushportError, match="no checkpoint of this program"):
        run(hub, batches, 4, checkpoint=path)


def test_a_loss_that_is_no_number_ends_the_run(hub, batches):
    teacher = networks(hub)[0]
    with pytest.raises(BrushportError, match="came apart at step 1, "):
        run(hub, batches, teacher=lambda *inputs: teacher(*inputs) * torch.nan)
