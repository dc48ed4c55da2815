"""Copies of a tensor with elements replaced at given indices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.integers import to_bool
from export.coreml.mil import mb
from export.coreml.ops.gather import counted_from_front
from export.coreml.registry import lowers

_MODES = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


@lowers("ScatterND", since=18)
def scatter_nd(call: Call) -> Any:
    """``data`` with the parts at the tuples of ``indices`` replaced by, or combined with, ``updates``."""
    depth = call.shape(1)[-1]
    indices = counted_from_front(call, 1, call.shape(0)[:depth])
    updates = call.var(2)
    if len(indices.shape) == 1:
        indices = reshaped(indices, (1, depth))
        updates = reshaped(updates, (1, *call.shape(2)))
    return _scatter(call, indices, updates)


@lowers("ScatterElements", since=18)
def scatter_elements(call: Call) -> Any:
    """``data`` with single elements replaced: each update goes to its own position but for one axis.

    The positions are spelled out, one tuple for each update, since MIL's own operator wants updates that cover
    ``data`` in all other axes.
    """
    axis, shape = call.axis(0), call.shape(1)
    given = counted_from_front(call, 1, call.shape(0)[axis])
    places = [
        given if a == axis else mb.const(val=np.ascontiguousarray(np.broadcast_to(own, shape)))
        for a, own in enumerate(np.indices(shape, np.int32, sparse=True))
    ]
    columns = [reshaped(place, (prod(shape), 1)) for place in places]
    indices = mb.concat(values=columns, axis=1) if len(columns) > 1 else columns[0]
    return _scatter(call, indices, reshaped(call.var(2), (prod(shape),)))


def _scatter(call: Call, indices: Any, updates: Any) -> Any:
    mode = _MODES.get(call.attr("reduction", "none"))
    if mode is None:
        raise call.unsupported(f"reduction={call.attr('reduction')!r} is not among {', '.join(_MODES)}")
    data = call.var(0)
    if call.dtype(0).name != "BOOL":
        return mb.scatter_nd(data=data, indices=indices, updates=updates, mode=mode)
    if mode != "update":
        raise call.unsupported(f"truth values with reduction={call.attr('reduction')!r}")
    data, updates = (mb.cast(x=x, dtype="int32") for x in (data, updates))
    return to_bool(mb.scatter_nd(data=data, indices=indices, updates=updates, mode=mode))
