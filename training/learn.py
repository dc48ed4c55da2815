"""Learned rounding: a quantized hub is trained, as it is rounded, to paint what the float hub paints.

What is trained are the numbers before they are rounded, weights and biases, and the scales of activations. What is
float stays: style tables and norms set the colors, and a step that helps roundings is too long for them (training them
along took the zoo's MobileNetV3 from 34.8 to 29.0 dB, leaving them to 35.8). (Quantization-aware distillation: Polino,
Pascanu and Alistarh, "Model compression via distillation and quantization", ICLR 2018.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from training.distill import Watch, distill
from training.hub_batches import HubBatches
from training.hub_network import HubNetwork
from training.hub_rounding import RoundedConstant, train_scales
from training.likeness import Likeness
from validate.errors import BrushportError
from validate.ports import Port

BATCH = 1
CROP = 256
LEARNING_RATE = 0.05  # of weights and biases, in steps of their rounding
SCALE_SHARE = 0.2  # of it for scales, as factors


def learn_rounding(
    quantized: ir.Model,
    dense: ir.Model,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    photos: Sequence[Path | np.ndarray],
    *,
    steps: int,
    crop: int = CROP,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    checkpoint: Path | None = None,
    watch: Watch = lambda done, loss: None,
) -> ir.Model:
    """``quantized``, a hub with Q/DQ nodes, trained for ``steps`` to give what ``dense`` gives: the same graph.

    ``inputs`` and ``outputs`` are the ports of both. ``photos`` are paths, or uint8 HxWx3 of the hub's size.
    ``checkpoint`` is a file from which an interrupted run goes on, ``watch`` is told of every step. Raises
    :class:`BrushportError` for a hub without quantized weights, :class:`UnsupportedError` for one that cannot be
    trained, and what :func:`training.distill.distill` raises.
    """
    teacher, student = HubNetwork(dense).requires_grad_(False), HubNetwork(quantized)
    rounded = [module.steps for module in student.modules() if isinstance(module, RoundedConstant)]
    if not rounded:
        raise BrushportError("This model holds no quantized weights, so there is no rounding to learn.")
    scales = train_scales(student.graph_nodes())
    student.requires_grad_(False)
    groups = [{"params": rounded}, {"params": scales, "lr": learning_rate * SCALE_SHARE}]
    for parameter in (*rounded, *scales):
        parameter.requires_grad_(True)
    distill(
        student,
        teacher,
        HubBatches(inputs, photos, crop, batch, seed),
        Likeness(outputs),
        steps=steps,
        learning_rate=learning_rate,
        groups=[group for group in groups if group["params"]],
        checkpoint=checkpoint,
        watch=watch,
    )
    return student.to_model()


def require_trainable(model: ir.Model, inputs: Sequence[Port]) -> None:
    """Raise :class:`UnsupportedError` for a float hub whose quantized form :func:`learn_rounding` cannot train."""
    HubNetwork(model)
    HubBatches(inputs, (), CROP, BATCH)
