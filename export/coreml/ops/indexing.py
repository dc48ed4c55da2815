"""Entries along one axis by constant indices, for the lowerings that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.mil import mb


def take(x: Any, index: np.ndarray, axis: int) -> Any:
    """Entries ``index``, none of them negative, along ``axis``: a slice where they are evenly spaced, else a gather."""
    index = np.asarray(index)
    size = int(x.shape[axis])
    if np.array_equal(index, np.arange(size)):
        return x
    steps = np.unique(np.diff(index)) if len(index) > 1 else np.array([1])
    if len(steps) == 1 and steps[0] > 0:
        begin, end, stride = [0] * x.rank, [int(n) for n in x.shape], [1] * x.rank
        begin[axis], end[axis], stride[axis] = int(index[0]), int(index[-1]) + 1, int(steps[0])
        return mb.slice_by_index(x=x, begin=begin, end=end, stride=stride)
    if is_bool(x):  # gather takes numbers only
        return mb.cast(x=take(mb.cast(x=x, dtype="int32"), index, axis), dtype="bool")
    return mb.gather(x=x, indices=index.astype(np.int32), axis=axis)


def is_bool(x: Any) -> bool:
    """Whether a MIL variable holds truth values."""
    from coremltools.converters.mil.mil import types

    return types.is_bool(x.dtype)


def as_planes(x: Any, axis: int) -> Any:
    """``x`` seen as ``(everything before axis, axis, everything after)``, of rank 3."""
    before, after = (int(np.prod(part, dtype=np.int64)) for part in (x.shape[:axis], x.shape[axis + 1 :]))
    return mb.reshape(x=x, shape=(before, int(x.shape[axis]), after))
