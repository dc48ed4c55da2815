"""Running sums."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("CumSum", since=14)
def cumsum(call: Call) -> Any:
    """The sum of the elements up to each one along an axis, itself left out where ``exclusive``."""
    (axis,) = call.required(1, "axis").reshape(-1)
    return mb.cumsum(
        x=call.var(0),
        axis=int(axis) % call.rank,
        exclusive=bool(call.attr("exclusive", 0)),
        reverse=bool(call.attr("reverse", 0)),
    )
