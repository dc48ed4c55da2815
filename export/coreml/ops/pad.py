"""Padding."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


@lowers("Pad", since=13)
def pad(call: Call) -> Any:
    """Constant padding of any dimension; reflection and edge padding of the last two, as Core ML has it.

    Negative amounts crop, by a slice before the padding.
    """
    mode = call.attr("mode", "constant")
    if mode not in _MODES:
        raise call.unsupported(f"mode={mode!r}; supported are {', '.join(_MODES)}")
    rank = call.rank
    amounts = [int(amount) for amount in call.required(1, "pads")]
    axes = [int(axis) % rank for axis in call.required(3, "axes")] if call.has(3) else list(range(rank))
    begins, ends = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        begins[axis], ends[axis] = amounts[position], amounts[position + len(axes)]
    x = _crop(call, begins, ends)
    begins, ends = [max(0, b) for b in begins], [max(0, e) for e in ends]
    if not any(begins) and not any(ends):
        return mb.identity(x=x)
    first = next(axis for axis in range(rank) if begins[axis] or ends[axis])
    arguments = {}
    if mode == "constant":
        arguments["constant_val"] = float(call.required(2, "constant value").item()) if call.has(2) else 0.0
    else:
        if first < rank - 2:
            raise call.unsupported(f"{mode} padding of another dimension than the last two")
        first = max(0, rank - 2)  # Core ML pads height and width together
        if mode == "reflect":
            for axis in range(first, rank):
                if max(begins[axis], ends[axis]) >= x.shape[axis]:
                    raise call.unsupported("reflection by the size of the dimension or more")
    amounts = [side for axis in range(first, rank) for side in (begins[axis], ends[axis])]
    return mb.pad(x=x, pad=amounts, mode=_MODES[mode], **arguments)


def _crop(call: Call, begins: list[int], ends: list[int]) -> Any:
    if min(*begins, *ends) >= 0:
        return call.var(0)
    start = [max(0, -b) for b in begins]
    stop = [size - max(0, -e) for size, e in zip(call.shape(0), ends, strict=True)]
    return mb.slice_by_index(x=call.var(0), begin=start, end=stop)
