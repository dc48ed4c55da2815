"""Learned rounding: a quantized hub is trained, as it is rounded, to paint what the float hub paints.

What is trained are the numbers before they are rounded, weights and biases, and the float constants that are left
(norms, conditional norms); scales and zero points stay. (Quantization-aware distillation: Polino, Pascanu and
Alistarh, "Model compression via distillation and quantization", ICLR 2018.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from rich.progress import Progress

from training.distill import distill
from training.hub_batches import HubBatches, Photos
from training.hub_network import HubNetwork
from training.hub_rounding import RoundedConstant
from training.likeness import Likeness, Score, compare
from validate.errors import BrushportError
from validate.ports import Port
from validate.sessions import cpu_session

STEPS = 200
BATCH = 1
CROP = 256
LEARNING_RATE = 0.03  # of what is rounded, in steps of its rounding
FLOAT_SHARE = 0.02  # of it for float constants, in their own units


@dataclass(frozen=True)
class Learned:
    """A quantized hub after learning, ``before`` and ``after``: its likeness to the float hub, in ONNX Runtime.

    Where learning did not help, ``model`` is the one that was given, and ``kept`` is false.
    """

    model: ir.Model = field(repr=False)
    before: Score
    after: Score
    judged: int
    kept: bool


def learn_rounding(
    quantized: ir.Model,
    dense: ir.Model,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    *,
    photos: Path | None = None,
    steps: int = STEPS,
    crop: int = CROP,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    report: Callable[[str], None] = lambda step: None,
) -> Learned:
    """Train ``quantized``, a hub with Q/DQ nodes, to give what ``dense`` gives; the same graph comes back.

    ``inputs`` and ``outputs`` are the ports of both. ``photos`` is a folder to learn on, scikit-image's own for None; a
    few of them are only judged by. ``checkpoint`` is a file from which an interrupted run goes on. Raises
    :class:`BrushportError` for a hub without Q/DQ nodes, and what :func:`training.distill.distill` raises.
    """
    report("reading the networks")
    teacher, student = HubNetwork(dense).requires_grad_(False), HubNetwork(quantized)
    if not any(isinstance(module, RoundedConstant) for module in student.modules()):
        raise BrushportError("This model holds no quantized weights, so there is no rounding to learn.")
    known = Photos.of(photos, next((port.shape[2:] for port in inputs if port.is_image), (1, 1)))
    batches = HubBatches(inputs, known.learned, crop, batch, seed)
    report("judging the rounded network")
    judged = list(batches.whole(known.judged, styles=False))
    expected = _Session(dense)
    before = compare(expected, _Session(quantized), outputs, judged)
    report(f"learning, {steps} steps")
    units = [module.steps for module in student.modules() if isinstance(module, RoundedConstant)]
    held = {id(unit) for unit in units}
    rest = [p for p in student.parameters() if p.requires_grad and id(p) not in held]
    distill(
        student,
        teacher,
        batches,
        Likeness(outputs),
        steps=steps,
        learning_rate=learning_rate,
        groups=[{"params": units}, {"params": rest, "lr": learning_rate * FLOAT_SHARE}],
        checkpoint=checkpoint,
        progress=progress,
        what="learning",
    )
    report("judging what was learned")
    model = student.to_model()
    after = compare(expected, _Session(model), outputs, judged)
    better = after.psnr > before.psnr if after.ssim is None else after.ssim > before.ssim
    return Learned(model if better else quantized, before, after, len(known.judged), better)


class _Session:
    """A graph in ONNX Runtime, called as the network is; what is rounded is rounded, the rest runs in float."""

    def __init__(self, model: ir.Model):
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self.session = cpu_session(ir.to_proto(model).SerializeToString(), options)
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        feed = {name: np.ascontiguousarray(x.numpy()) for name, x in zip(self.names, inputs, strict=True)}
        return tuple(torch.from_numpy(result) for result in self.session.run(None, feed))
