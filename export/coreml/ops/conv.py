"""Convolution over one to three spatial dimensions."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.quantize import scaled_for_fp16
from export.coreml.ops.windows import pad_arguments, read_window, stretch
from export.coreml.registry import lowers


@lowers("Conv", since=1)
def conv(call: Call) -> Any:
    """Weights ``(C_out, C_in/group, *K)``: MIL's own layout.

    A weight that the model computes may not be dilated in MIL, so it is stretched with zeros instead.
    """
    window = read_window(call, call.shape(1)[2:])
    x, weight = scaled_for_fp16(call)
    dilations = window.dilations
    if not weight.is_descendant_of_const:
        for axis, dilation in enumerate(dilations):
            weight = stretch(weight, 2 + axis, dilation)
        dilations = [1] * len(dilations)
    y, bias = call.var(2), None
    if y is not None and y.is_descendant_of_const:
        bias, y = y, None
    result = mb.conv(
        x=x, weight=weight, bias=bias, strides=window.strides, dilations=dilations, groups=call.attr("group", 1),
        **pad_arguments(window.before, window.after),
    )  # fmt: skip
    return result if y is None else add_bias(result, y)


def add_bias(x: Any, bias: Any) -> Any:
    """``x`` plus a computed ``bias`` of shape ``(C,)`` along the channels; MIL's own bias is a constant."""
    return mb.add(x=x, y=mb.reshape(x=bias, shape=(1, -1) + (1,) * (len(x.shape) - 2)))
