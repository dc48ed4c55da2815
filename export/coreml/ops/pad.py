"""Padding and, by negative amounts, cropping."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.indexing import as_planes, take
from export.coreml.registry import lowers

_MODES = {"reflect": "reflect", "edge": "replicate"}
"""MIL's names; it pads the last two axes in these modes."""


@lowers("Pad", since=13)
def pad(call: Call) -> Any:
    """Padding of any axes by a constant, a mirror image, the edge or the other side; after cropping, as in ONNX.

    Floats take MIL's own operation, which in the modes that copy pads the last two axes: another one becomes the
    middle one of three. Whole numbers and truth values, and the other side, are joined from slices.
    """
    mode = call.attr("mode", "constant")
    if mode not in ("constant", "wrap", *_MODES):
        raise call.unsupported(f"mode={mode!r}")
    before, after = _amounts(call)
    x = _crop(call, before, after)
    before, after = ([max(0, amount) for amount in amounts] for amounts in (before, after))
    if not any(before) and not any(after):
        return mb.identity(x=x)
    axes = [axis for axis in range(call.rank) if before[axis] or after[axis]]
    if mode == "reflect" and any(max(before[axis], after[axis]) >= x.shape[axis] for axis in axes):
        raise call.unsupported("reflection by the size of the dimension or more, which ONNX Runtime refuses")
    if mode == "constant":
        return _constant(call, x, before, after)
    if mode == "wrap" or not call.is_float():
        join = _joined if call.is_float() else take  # coremltools makes its reflection, of floats, of joined slices
        for axis in axes:
            x = join(x, _source(mode, int(x.shape[axis]), before[axis], after[axis]), axis)
        return x
    return _copied(x, mode, before, after)


def _amounts(call: Call) -> tuple[list[int], list[int]]:
    """What to add before and after every axis."""
    amounts = [int(amount) for amount in call.required(1, "pads")]
    axes = [int(axis) % call.rank for axis in call.required(3, "axes")] if call.has(3) else list(range(call.rank))
    before, after = [0] * call.rank, [0] * call.rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = amounts[position], amounts[position + len(axes)]
    return before, after


def _crop(call: Call, before: list[int], after: list[int]) -> Any:
    if min(*before, *after) >= 0:
        return call.var(0)
    start = [max(0, -b) for b in before]
    stop = [size - max(0, -a) for size, a in zip(call.shape(0), after, strict=True)]
    if any(b >= e for b, e in zip(start, stop, strict=True)):
        raise call.unsupported("negative pads that leave nothing")
    return mb.slice_by_index(x=call.var(0), begin=start, end=stop)


def _constant(call: Call, x: Any, before: list[int], after: list[int]) -> Any:
    value = call.array(2) if call.has(2) else np.zeros((), np.float32)
    if value is None:
        return _computed_constant(call, x, before, after)
    if call.is_float():
        first = next(axis for axis in range(call.rank) if before[axis] or after[axis])
        amounts = [side for axis in range(first, call.rank) for side in (before[axis], after[axis])]
        return mb.pad(x=x, pad=amounts, mode="constant", constant_val=float(value.item()))
    dtype = np.bool_ if call.dtype(0).name == "BOOL" else np.int32
    for axis, counts in enumerate(zip(before, after, strict=True)):
        shape = [int(size) for size in x.shape]
        front, back = (
            [np.full([*shape[:axis], count, *shape[axis + 1 :]], value.item(), dtype)] if count else []
            for count in counts
        )
        if front or back:
            x = mb.concat(values=[*front, x, *back], axis=axis)
    return x


def _computed_constant(call: Call, x: Any, before: list[int], after: list[int]) -> Any:
    """Padding by a value that the model computes: selected where the padding is."""
    if not call.is_float():
        raise call.unsupported("whole numbers padded with a value that the model computes")
    padded = mb.pad(
        x=x, pad=[side for pair in zip(before, after, strict=True) for side in pair], mode="constant", constant_val=0.0
    )
    outside = np.ones(call.out_shape(), bool)
    outside[tuple(slice(b, b + int(n)) for b, n in zip(before, x.shape, strict=True))] = False
    value = mb.reshape(x=call.var(2), shape=[1] * call.rank)
    return mb.select(cond=outside, a=mb.tile(x=value, reps=call.out_shape()), b=padded)


def _copied(x: Any, mode: str, before: list[int], after: list[int]) -> Any:
    """Reflection or edge padding of floats. MIL's edge padding adds no more than the axis has, so it is repeated."""
    rank = len(before)
    while any(before) or any(after):
        most = [int(size) for size in x.shape]
        now = [min(amount, n) for amount, n in zip(before, most, strict=True)]
        then = [min(amount, n) for amount, n in zip(after, most, strict=True)]
        before, after = (
            [amount - done for amount, done in zip(wanted, step, strict=True)]
            for wanted, step in ((before, now), (after, then))
        )
        for axis in range(max(0, rank - 2)):
            if now[axis] or then[axis]:
                shape = [int(size) for size in x.shape]
                shape[axis] += now[axis] + then[axis]
                planes = mb.pad(x=as_planes(x, axis), pad=[now[axis], then[axis], 0, 0], mode=_MODES[mode])
                x = mb.reshape(x=planes, shape=shape)
        last = range(max(0, rank - 2), rank)  # Core ML pads height and width together
        if any(now[axis] or then[axis] for axis in last):
            x = mb.pad(x=x, pad=[side for axis in last for side in (now[axis], then[axis])], mode=_MODES[mode])
    return x


def _source(mode: str, size: int, before: int, after: int) -> np.ndarray:
    """The input index of every element along an axis."""
    index = np.arange(-before, size + after)
    if mode == "wrap":
        return index % size
    if mode == "reflect":
        index = np.abs(index)
        return np.where(index >= size, 2 * (size - 1) - index, index)
    return np.clip(index, 0, size - 1)


def _joined(x: Any, index: np.ndarray, axis: int) -> Any:
    """Entries ``index`` along ``axis``: slices of neighbors in rising order, joined; a gather where those are many."""
    cuts = np.flatnonzero(np.diff(index) != 1) + 1
    parts = np.split(index, cuts)
    if len(parts) > 2 * x.rank:
        return take(x, index, axis)
    pieces = [take(x, part, axis) for part in parts]
    return pieces[0] if len(pieces) == 1 else mb.concat(values=pieces, axis=axis)
