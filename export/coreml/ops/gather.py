"""Elements picked by index; negative indices count from the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.integers import ZERO, as_integers
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("Gather", since=13)
def gather(call: Call) -> Any:
    """Entries of ``x`` along one axis."""
    axis = call.axis(0)
    indices = counted_from_front(call, 1, call.shape(0)[axis])
    return as_integers(lambda x: mb.gather(x=x, indices=indices, axis=axis), call.var(0), _is_bool(call))


@lowers("GatherElements", since=13)
def gather_elements(call: Call) -> Any:
    """One element of ``x`` for each index, which replaces its own position along one axis.

    Indices may cover less of ``x`` in the other axes; MIL wants all of it, so the rest is cut off.
    """
    axis, shape, wanted = call.axis(0), call.shape(0), call.shape(1)
    indices = counted_from_front(call, 1, shape[axis])
    ends = [have if a == axis else want for a, (have, want) in enumerate(zip(shape, wanted, strict=True))]
    x = call.var(0)
    if tuple(ends) != shape:
        x = mb.slice_by_index(x=x, begin=[0] * len(ends), end=ends)
    return as_integers(lambda x: mb.gather_along_axis(x=x, indices=indices, axis=axis), x, _is_bool(call))


@lowers("GatherND", since=13)
def gather_nd(call: Call) -> Any:
    """The part of ``x`` at each tuple of indices, separately for each of the first ``batch_dims`` axes."""
    batch = call.attr("batch_dims", 0)
    depth = call.shape(1)[-1]
    indices = counted_from_front(call, 1, call.shape(0)[batch : batch + depth])
    if len(indices.shape) == 1:
        indices = reshaped(indices, (1, depth))
    result = as_integers(lambda x: mb.gather_nd(x=x, indices=indices, batch_dims=batch), call.var(0), _is_bool(call))
    return reshaped(result, call.out_shape())


def counted_from_front(call: Call, index: int, sizes: int | Sequence[int]) -> Any:
    """Input ``index``, which indexes axes of these ``sizes``, without negative indices, as a MIL variable."""
    sizes = np.asarray(sizes, np.int32)
    constant = call.array(index)
    if constant is not None:
        constant = np.where(constant < 0, constant + sizes, constant).astype(np.int32)
        if (constant < 0).any() or (constant >= sizes).any():
            raise call.unsupported("an index that lies outside")
        return mb.const(val=constant if constant.ndim else np.int32(constant))
    indices = call.var(index)
    below = mb.cast(x=mb.less(x=indices, y=ZERO), dtype="int32")
    return mb.add(x=indices, y=mb.mul(x=below, y=sizes if sizes.ndim else np.int32(sizes)))


def _is_bool(call: Call) -> bool:
    return call.dtype(0).name == "BOOL"
