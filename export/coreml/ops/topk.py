"""The largest or smallest values along an axis, and where they are."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

MAX_COMPARISONS = 1 << 22
"""How many numbers the search for the positions may compare (16 MB as int32)."""


@lowers("TopK", since=11)
def topk(call: Call) -> Any:
    """The ``k`` largest (smallest) values, sorted, and their positions; of equal values the first come first.

    MIL leaves the order of equal values open, so its positions are not taken: with ``v`` the values that it finds,
    position ``j`` is that of the element which equals ``v[j]`` and has as many equal ones before it as ``v[j]`` has.
    """
    axis, count = call.axis(-1), int(call.required(1, "k").reshape(-1)[0])
    shape = call.shape(0)
    x = call.var(0)
    values, _ = mb.topk(x=x, k=count, axis=axis, ascending=not call.attr("largest", 1))
    if not _is_used(call.node.outputs):
        return values
    length = shape[axis]
    before, after = prod(shape[:axis]), prod(shape[axis + 1 :])
    if before * after * length * count > MAX_COMPARISONS:
        raise call.unsupported(
            f"the positions of {count} of {length} values, {before * after} times; Core ML leaves the order of equal "
            "values open"
        )
    row = reshaped(x, (before, 1, length, after))
    column = reshaped(values, (before, count, 1, after))
    same = mb.cast(x=mb.equal(x=column, y=row), dtype="int32")
    earlier = mb.cumsum(x=same, axis=2, exclusive=True)
    twins = mb.cast(x=mb.equal(x=column, y=reshaped(values, (before, 1, count, after))), dtype="int32")
    triangle = np.tri(count, k=-1, dtype=np.int32).reshape(1, count, count, 1)
    rank = mb.reduce_sum(x=mb.mul(x=twins, y=triangle), axes=[2], keep_dims=True)
    found = mb.mul(x=same, y=mb.cast(x=mb.equal(x=earlier, y=rank), dtype="int32"))
    places = np.arange(length, dtype=np.int32).reshape(1, 1, length, 1)
    indices = mb.reduce_sum(x=mb.mul(x=found, y=places), axes=[2], keep_dims=False)
    return values, reshaped(indices, call.out_shape(1))


def _is_used(outputs: Any) -> bool:
    return len(outputs) > 1 and bool(outputs[1].uses() or outputs[1].is_graph_output())
