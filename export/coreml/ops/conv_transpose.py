"""Transposed convolution over one to three spatial dimensions.

The full result has ``(n - 1)·stride + (k - 1)·dilation + 1`` elements along an axis. ONNX trims ``pads`` off it and
adds ``output_padding`` at its end; MIL only trims.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.conv import add_bias
from export.coreml.ops.quantize import scaled_for_fp16
from export.coreml.ops.windows import MAX_AXES, pad_arguments, stretch
from export.coreml.registry import lowers


@lowers("ConvTranspose", since=1)
def conv_transpose(call: Call) -> Any:
    """Weights ``(C_in, C_out/group, *K)``: MIL's own layout.

    Where the end is lengthened by more than what is trimmed there, the kernel gets zero taps at its end, which
    lengthen the full result without changing a value. MIL wants constant weights; computed ones become the
    convolution of the stretched input with the turned kernel, which is the same sum.
    """
    kernel = list(call.shape(1)[2:])
    if not 1 <= len(kernel) <= MAX_AXES:
        raise call.unsupported(f"{len(kernel)} spatial dimensions; one to three are supported")
    if len(call.out_shape()) != call.rank:
        raise call.unsupported("an output_shape smaller than its input, where ONNX does not infer the shape")
    strides, dilations = (list(call.attr(name, [1] * len(kernel))) for name in ("strides", "dilations"))
    sizes = zip(call.shape(0)[2:], kernel, strides, dilations, strict=True)
    full = [s * (n - 1) + (k - 1) * d + 1 for n, k, s, d in sizes]
    begins = _begins(call, full)
    ends = [f - b - out for f, b, out in zip(full, begins, call.out_shape()[2:], strict=True)]
    x, weight = scaled_for_fp16(call)
    y, bias = call.var(2), None
    if y is not None and y.is_descendant_of_const:
        bias, y = y, None
    if weight.is_descendant_of_const:
        extra = [max(0, -(end // d)) for end, d in zip(ends, dilations, strict=True)]
        if any(extra):
            taps = call.required(1, "weight (with output_padding beyond the kernel)")
            weight = np.pad(taps, [(0, 0), (0, 0), *((0, count) for count in extra)])
            ends = [end + count * d for end, count, d in zip(ends, extra, dilations, strict=True)]
        result = mb.conv_transpose(
            x=x, weight=weight, bias=bias, strides=strides, dilations=dilations, groups=call.attr("group", 1),
            **pad_arguments(begins, ends),
        )  # fmt: skip
    else:
        for axis, (stride, dilation) in enumerate(zip(strides, dilations, strict=True), start=2):
            x, weight = stretch(x, axis, stride), stretch(weight, axis, dilation)
        result = _as_convolution(x, weight, bias, begins, ends, call.attr("group", 1))
    return result if y is None else add_bias(result, y)


def _begins(call: Call, full: list[int]) -> list[int]:
    """How much of the full result is trimmed at the start; the end follows from the static output shape.

    Raises:
        UnsupportedError: negative pads, or a combination that ONNX Runtime and ONNX's shape inference read differently.
    """
    auto, none = call.attr("auto_pad", "NOTSET"), [0] * len(full)
    given = call.attr("output_shape")
    if given is None and auto in ("NOTSET", "VALID"):
        pads = none * 2 if auto == "VALID" else list(call.attr("pads", none * 2))
        if min(pads) < 0:
            raise call.unsupported("negative pads")
        return pads[: len(full)]
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise call.unsupported(f"auto_pad={auto!r}")
    output_padding = call.attr("output_padding", none)
    if given is None and any(output_padding):
        raise call.unsupported(f"auto_pad={auto!r} with output_padding, whose size ONNX Runtime sees differently")
    # ONNX splits the trim itself; SAME_UPPER and everything else differ in which side takes the odd one.
    sizes = zip(full, output_padding, call.out_shape()[2:], strict=True)
    totals = [max(0, f + extra - out) for f, extra, out in sizes]
    return [total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals]


def _as_convolution(x: Any, weight: Any, bias: Any, begins: list[int], ends: list[int], groups: int) -> Any:
    """The transposed convolution of stride and dilation 1, as the convolution with its kernel turned around."""
    inputs, outputs, *kernel = (int(size) for size in weight.shape)
    weight = mb.reshape(x=weight, shape=(groups, inputs // groups, outputs, -1))
    weight = mb.reshape(
        x=mb.transpose(x=weight, perm=[0, 2, 1, 3]), shape=(groups * outputs, inputs // groups, *kernel)
    )
    weight = mb.reverse(x=weight, axes=list(range(2, 2 + len(kernel))))
    before, after = ([k - 1 - trim for k, trim in zip(kernel, trims, strict=True)] for trims in (begins, ends))
    if min(*before, *after) < 0:  # more is trimmed than the kernel reaches: the input's edge has no part in it
        start, stop = [0, 0], [int(size) for size in x.shape]
        for axis, (b, a) in enumerate(zip(before, after, strict=True), start=2):
            start.append(max(0, -b))
            stop[axis] -= max(0, -a)
        x = mb.slice_by_index(x=x, begin=start, end=stop)
        before, after = ([max(0, pad) for pad in pads] for pads in (before, after))
    return mb.conv(x=x, weight=weight, bias=bias, groups=groups, **pad_arguments(before, after))
