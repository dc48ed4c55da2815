"""Batch, channels and any number of spatial axes as the four axes that TFLite's window kernels take.

``[N, C, S1, .., Sk]`` lies channels last, ``[N, S1, .., Sk, C]``. One spatial axis is a picture of height 1; of three,
the first goes into the batch for an operator over the other two, and the rest into the width for one over the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering, Perm
from export.tflite.ops.pieces import take
from export.tflite.registry import unsupported

MAX_SPATIAL_AXES = 3
MAX_PAD_AXES = 5  # of TFLite's PAD and PADV2


def channels_last(rank: int) -> Perm:
    """The axis order ``N, S1, .., Sk, C`` of a hub value ``N, C, S1, .., Sk``."""
    return (0, *range(2, rank), 1) if rank > 1 else (0,)


def read_spatial(context: Lowering, node: ir.Node, index: int = 0) -> Tensor:
    """The node's input with its channels last; an error unless it has one to three spatial axes."""
    value = node.inputs[index]
    rank = len(value.shape)
    if not 1 <= rank - 2 <= MAX_SPATIAL_AXES:
        raise unsupported(node, f"inputs of rank {rank} are not supported, only those of rank 3, 4 and 5.")
    return context.get(value, channels_last(rank))


def bind_spatial(context: Lowering, value: ir.Value, tensor: Tensor) -> None:
    """``value`` is what ``tensor`` holds channels last, whatever way its spatial axes are folded."""
    perm = channels_last(len(value.shape))
    shape = context.shape(value)
    context.bind(value, context.reshape(tensor, [shape[axis] for axis in perm]), perm)


def as_picture(context: Lowering, x: Tensor) -> Tensor:
    """A channels-last tensor of any rank as ``[N, H, W, C]``: missing axes have length 1, surplus ones are height."""
    inner = x.shape[1:-1]
    height = int(np.prod(inner[:-1])) if inner else 1
    return context.reshape(x, (x.shape[0], height, inner[-1] if inner else 1, x.shape[-1]))


def pad_axes(
    context: Lowering, x: Tensor, before: Sequence[int], after: Sequence[int], fill: Tensor | np.ndarray | None = None
) -> Tensor:
    """``x`` with lines before and after along each axis: zeros (the real zero, if ``x`` is quantized) or ``fill``.

    A tensor of more axes than PAD takes is padded one axis after the other.
    """
    if not any(before) and not any(after):
        return x
    if isinstance(fill, np.ndarray):
        fill = context.builder.constant(fill, quantization=x.quantization)
    padded = [axis for axis in range(x.rank) if before[axis] or after[axis]]
    if x.rank <= MAX_PAD_AXES:
        return _pad(context, x, before, after, fill)
    for axis in padded:
        head, tail = x.shape[:axis], x.shape[axis + 1 :]
        folded = context.reshape(x, (int(np.prod(head)), x.shape[axis], int(np.prod(tail))))
        y = _pad(context, folded, (0, before[axis], 0), (0, after[axis], 0), fill)
        x = context.reshape(y, (*head, y.shape[1], *tail))
    return x


def _pad(context: Lowering, x: Tensor, before: Sequence[int], after: Sequence[int], fill: Tensor | None) -> Tensor:
    pads = context.builder.constant(np.stack([before, after], 1).astype(np.int32))
    shape = [d + b + a for d, b, a in zip(x.shape, before, after, strict=True)]
    if fill is None:
        return context.builder.emit("PAD", [x, pads], shape, like=x)
    return context.builder.emit("PADV2", [x, pads, fill], shape, like=x)


def pad_spatial(
    context: Lowering, x: Tensor, before: Sequence[int], after: Sequence[int], fill: np.ndarray | None = None
) -> Tensor:
    """As :func:`pad_axes`, for the axes between batch and channels."""
    return pad_axes(context, x, (0, *before, 0), (0, *after, 0), fill)


def lines(context: Lowering, x: Tensor, axis: int, start: int, count: int, step: int = 1) -> Tensor:
    """Every ``step``-th line of ``x`` along ``axis``, ``count`` of them from ``start`` on."""
    if step == 1 or count == 1:
        return take(context, x, axis, start, count)
    begin, end, steps = [0] * x.rank, list(x.shape), [1] * x.rank
    begin[axis], end[axis], steps[axis] = start, min(start + (count - 1) * step + 1, x.shape[axis]), step
    shape = [count if i == axis else d for i, d in enumerate(x.shape)]
    limits = [context.builder.ints(values) for values in (begin, end, steps)]
    return context.builder.emit("STRIDED_SLICE", [x, *limits], shape, like=x)


def crop(context: Lowering, x: Tensor, axis: int, start: int, length: int) -> Tensor:
    """``length`` lines along ``axis`` from ``start`` on, which may lie outside: there they are zeros."""
    low, high = max(start, 0), min(start + length, x.shape[axis])
    if low >= high:
        line = take(context, x, axis, 0, 1)
        x = context.builder.emit("MUL", [line, context.builder.constant(np.float32(0))], line.shape)
        low, high, start = 0, 1, 0
    before, after = [0] * x.rank, [0] * x.rank
    before[axis] = low - start
    after[axis] = length - before[axis] - (high - low)
    return pad_axes(context, take(context, x, axis, low, high - low), before, after)


def spread(context: Lowering, x: Tensor, axis: int, step: int) -> Tensor:
    """``step - 1`` lines of zeros after each line along ``axis``."""
    if step == 1:
        return x
    head, tail = x.shape[:axis], x.shape[axis + 1 :]
    folded = context.reshape(x, (int(np.prod(head)) * x.shape[axis], 1, int(np.prod(tail))))
    y = pad_axes(context, folded, (0, 0, 0), (0, step - 1, 0))
    return context.reshape(y, (*head, x.shape[axis] * step, *tail))
