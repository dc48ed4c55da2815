"""Which values the pictures that a model takes have, judged by what it does with them first.

Networks normalize their input: y = s·x + t per channel, in one operator or several. What x becomes tells what x was:
pixels of 0..255 are divided by 255, or a gray of about 120 becomes 0; in pictures of 0..1 a gray of about 0.45 does
(0.5 in 2x − 1; 0.485, 0.456 and 0.406 in ImageNet's mean); pictures of -1..1 become (x + 1)/2. The graph must not be
simplified yet: the passes fold all this into the first convolution, where nobody can see it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from export.hub.passes.fold_affine import read_affine
from export.hub.passes.rewrite import constant, scalar

Range = tuple[float, float]
UNIT, BYTES, SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)
MIDDLE_GRAYS = {UNIT: (0.3, 0.6), BYTES: (80.0, 155.0)}  # what may become 0: the mean of photos, or half of white
ABOUT_255 = (250.0, 260.0)  # 255, and 256 where somebody was in a hurry
FROM_SIGNED = (0.5, 127.5)  # the scale of (x + 1)/2, and of the same in 0..255
CLOSE = 0.02
MAX_CHANNELS = 3
MAX_DEPTH = 8  # operators between the picture and the last of its normalization
MOVING_OPS = (
    "Identity", "Cast", "Dropout", "Pad", "Resize", "Slice", "Split", "Gather", "Transpose", "Reshape", "Squeeze",
    "Unsqueeze", "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip


def find_input_range(inputs: list[ir.Value]) -> tuple[Range, str] | None:
    """The range of the pictures ``inputs`` and the reason, or ``None`` without a sign, or if signs contradict."""
    found: dict[Range, str] = {}
    for value in inputs:
        for value_range, why in _signs(value, np.ones(1), np.zeros(1)):
            found.setdefault(value_range, why)
    return next(iter(found.items())) if len(found) == 1 else None


def _signs(
    value: ir.Value, scale: np.ndarray, shift: np.ndarray, depth: int = MAX_DEPTH
) -> Iterator[tuple[Range, str]]:
    """What each user of ``value``, which is ``scale · picture + shift``, says about the picture."""
    if depth == 0:
        return
    for node in dict.fromkeys(use.node for use in value.uses() if use.idx == 0 or len(use.node.inputs) == 2):
        after = (scale, shift)
        if node.op_type == "Clip":
            sign = _judge_limits(node, scale, shift)
        elif node.op_type in MOVING_OPS and node.inputs[0] is value:
            sign = None
        elif (after := _normalized(node, value, scale, shift)) is not None:
            sign = _judge(*after)
        else:
            continue
        if sign is not None:
            yield sign
            continue
        for output in node.outputs:
            yield from _signs(output, *after, depth - 1)


def _normalized(
    node: ir.Node, value: ir.Value, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and shift after ``node``, or ``None`` if it does more than scale and shift, for example a convolution."""
    step = _step(node, value)
    sizes = {1, scale.size, *(() if step is None else (step[0].size, step[1].size))}
    if step is None or len(sizes) > 2:  # channels were taken apart in between
        return None
    return scale * step[0], shift * step[0] + step[1]


def _step(node: ir.Node, value: ir.Value) -> tuple[np.ndarray, np.ndarray] | None:
    if node.op_type == "BatchNormalization":
        affine = read_affine(node)
        return None if affine is None or affine.x is not value else (affine.scale, affine.shift)
    if node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    swapped = node.inputs[1] is value
    array = constant(node.inputs[0 if swapped else 1])
    if array is None or not 0 < array.size <= MAX_CHANNELS:
        return None
    c = array.reshape(-1).astype(np.float64)  # one number, or one per channel on whatever axis channels are
    one, zero = np.ones(1), np.zeros(1)
    if node.op_type == "Add":
        return one, c
    if node.op_type == "Mul":
        return c, zero
    if node.op_type == "Sub":
        return (-one, c) if swapped else (one, -c)
    return None if swapped or not np.all(c) else (1 / c, zero)


def _judge(scale: np.ndarray, shift: np.ndarray) -> tuple[Range, str] | None:
    if not np.all(np.isfinite(scale) & np.isfinite(shift) & (scale > 0)):
        return None
    if not np.any(shift):
        if _all_between(1 / scale, ABOUT_255):
            return BYTES, f"it is divided by {np.mean(1 / scale):.4g} first"
        if _all_between(scale, ABOUT_255):
            return UNIT, f"it is multiplied by {np.mean(scale):.4g} first"
        return None
    becomes_zero = -shift / scale
    for value_range, grays in MIDDLE_GRAYS.items():
        if _all_between(becomes_zero, grays):
            return value_range, f"its normalization turns {np.mean(becomes_zero):.4g} into 0"
    if np.all(np.abs(becomes_zero + 1) < CLOSE) and any(np.all(np.abs(scale / s - 1) < CLOSE) for s in FROM_SIGNED):
        return SIGNED, "its normalization turns -1 into 0"
    return None


def _judge_limits(node: ir.Node, scale: np.ndarray, shift: np.ndarray) -> tuple[Range, str] | None:
    """A Clip of the picture, as it came, to a range that pictures have."""
    limits = [scalar(limit) for limit in [*node.inputs[1:], None, None][:2]]
    if np.any(scale != 1) or np.any(shift) or tuple(limits) not in (UNIT, BYTES, SIGNED):
        return None
    return tuple(limits), f"it is clipped to {limits[0]:g}..{limits[1]:g} first"


def _all_between(values: np.ndarray, limits: tuple[float, float]) -> bool:
    return bool(np.all((limits[0] <= values) & (values <= limits[1])))
