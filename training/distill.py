"""Distillation: a network learns to paint what another paints, on photos without labels; can be interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from training.hub_batches import HubBatches
from training.hub_network import HubNetwork
from training.likeness import Likeness
from validate.errors import BrushportError
from validate.files import replacing

LARGEST_GRADIENT = 1.0  # norm that gradients are clipped to
SMOOTHED = 50  # losses that the one reported is the mean of
WARM_UP = 20  # steps at which the learning rate rises
Watch = Callable[[int, float], None]


def distill(
    student: HubNetwork,
    teacher: Callable[..., torch.Tensor],
    batches: HubBatches,
    likeness: Likeness,
    *,
    steps: int,
    learning_rate: float,
    groups: list[dict] | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
    watch: Watch = lambda done, loss: None,
) -> list[float]:
    """Train ``student`` in place to give what ``teacher`` gives for ``batches``; the loss of every step.

    ``groups`` are Adam's, for parameters of other rates than ``learning_rate``; all that can be trained by default.
    Adam, its rate rising for ``WARM_UP`` steps and then falling to zero as a cosine. ``checkpoint`` is a file that
    every ``every`` steps replaces: where it exists already, the run goes on from there, with the batches that an
    uninterrupted one would have seen. ``watch`` is told, after every step, how many are done and the mean of
    the latest losses. Raises :class:`BrushportError` when the loss is no longer a number, or the checkpoint is one of
    another run.
    """
    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(groups or parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, total_iters=min(WARM_UP, steps)),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - WARM_UP)),
        ],
        milestones=[min(WARM_UP, steps)],
    )
    losses = _resume(checkpoint, student, optimizer, schedule, steps) if checkpoint else []
    saved = time.monotonic()
    while len(losses) < steps:
        inputs = batches(len(losses))
        with torch.no_grad():
            wanted = teacher(*inputs)
        loss = likeness(student(*inputs), wanted)
        if not torch.isfinite(loss):
            raise BrushportError(
                f"Training came apart at step {len(losses) + 1}, the loss is no longer a number: "
                "use the model without --prune and --learn."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        watch(len(losses), _recent(losses))
        if checkpoint and (len(losses) % every == 0 or len(losses) == steps or time.monotonic() - saved > 120):
            _save(checkpoint, student, optimizer, schedule, losses, steps)
            saved = time.monotonic()
    return losses


def _recent(losses: list[float]) -> float:
    recent = losses[-SMOOTHED:]
    return sum(recent) / len(recent)


def _save(path: Path, student, optimizer, schedule, losses: list[float], steps: int) -> None:
    state = {
        "student": student.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "losses": losses,
        "steps": steps,
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _resume(path: Path, student, optimizer, schedule, steps: int) -> list[float]:
    if not path.is_file():
        return []
    state = load_checkpoint(path)
    try:
        student.load_state_dict(state["student"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        same, losses = state["steps"] == steps, state["losses"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise BrushportError(f"'{path}' is the checkpoint of another run; remove it to begin anew.") from error
    if not same:
        raise BrushportError(
            f"'{path}' is the checkpoint of a run of {state['steps']} steps, not {steps}; "
            "give that number, or remove it to begin anew."
        )
    return losses


def load_checkpoint(path: Path) -> dict:
    """What :func:`distill` stored; raises :class:`BrushportError` for a file that is no checkpoint."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises what pickle, zip and its own reader raise
        raise BrushportError(f"'{path}' is no checkpoint of this program; remove it to begin anew.") from error
