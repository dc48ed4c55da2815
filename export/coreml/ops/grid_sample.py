"""Sampling a picture at given places."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

_LINEAR = ("linear", "bilinear")
_PADDING = {"zeros": "constant", "border": "border"}


@lowers("GridSample", since=16)
def grid_sample(call: Call) -> Any:
    """Bilinear samples of ``(N, C, H, W)`` at the (x, y) of ``(N, H_out, W_out, 2)``, by MIL's ``resample``.

    Reflection excludes the edge pixels where corners are aligned and repeats them where they are not, which are MIL's
    ``reflection`` and ``symmetric``.
    """
    mode, padding, align = (
        call.attr("mode", "linear"),
        call.attr("padding_mode", "zeros"),
        call.attr("align_corners", 0),
    )
    if call.rank != 4:
        raise call.unsupported(f"an input of rank {call.rank}; Core ML samples pictures")
    if mode not in _LINEAR:
        raise call.unsupported(
            f"mode={mode!r}; Core ML samples bilinearly, and does not say how it rounds to the nearest"
        )
    if padding == "reflection":
        padding = "reflection" if align else "symmetric"
    elif padding in _PADDING:
        padding = _PADDING[padding]
    else:
        raise call.unsupported(f"padding_mode={padding!r}")
    return mb.resample(
        x=call.var(0),
        coordinates=call.var(1),
        sampling_mode="bilinear",
        padding_mode=padding,
        padding_value=0.0,
        coordinates_mode="normalized_minus_one_to_one",
        align_corners=bool(align),
    )
