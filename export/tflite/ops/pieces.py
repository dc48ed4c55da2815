"""Taking a tensor apart along an axis and putting it together again, in pieces that XNNPACK accepts."""

from __future__ import annotations

from collections.abc import Sequence

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering

MAX_CONCATENATED = 4  # XNNPACK leaves a CONCATENATION of more inputs to the built-in kernel


def take(context: Lowering, x: Tensor, axis: int, start: int, length: int) -> Tensor:
    """``length`` lines of ``x`` from ``start`` along ``axis``."""
    if start == 0 and length == x.shape[axis]:
        return x
    begin, size = [0] * x.rank, list(x.shape)
    begin[axis], size[axis] = start, length
    ints = context.builder.ints
    return context.builder.emit("SLICE", [x, ints(begin), ints(size)], size, like=x)


def concatenate(context: Lowering, parts: Sequence[Tensor], axis: int) -> Tensor:
    """The parts one after the other along ``axis``, at most :data:`MAX_CONCATENATED` at a time.

    The smallest neighbors are joined first, so that a large part is copied once.
    """
    parts = list(parts)
    while len(parts) > MAX_CONCATENATED:
        sums = [sum(p.shape[axis] for p in parts[i : i + MAX_CONCATENATED]) for i in range(len(parts) - 3)]
        i = sums.index(min(sums))
        parts[i : i + MAX_CONCATENATED] = [_join(context, parts[i : i + MAX_CONCATENATED], axis)]
    return parts[0] if len(parts) == 1 else _join(context, parts, axis)


def _join(context: Lowering, parts: Sequence[Tensor], axis: int) -> Tensor:
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return context.builder.emit("CONCATENATION", list(parts), shape, like=parts[0], axis=axis)
