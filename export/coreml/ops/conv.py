"""Convolution and transposed convolution, over one or two spatial dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.quantize import scaled_for_fp16
from export.coreml.registry import lowers


@lowers("Conv", since=1)
def conv(call: Call) -> Any:
    """Weights ``(C_out, C_in/group, *K)``: MIL's own layout."""
    kernel, strides, dilations = _windows(call)
    begins, ends = conv_pads(call, kernel, strides, dilations)
    x, weight = scaled_for_fp16(call)
    return mb.conv(
        x=x, weight=weight, bias=call.var(2), strides=strides, dilations=dilations, groups=call.attr("group", 1),
        **_pad_arguments(begins, ends),
    )  # fmt: skip


@lowers("ConvTranspose", since=1)
def conv_transpose(call: Call) -> Any:
    """Weights ``(C_in, C_out/group, *K)``: MIL's own layout.

    ONNX trims ``pads`` off the full output and adds ``output_padding`` at its end; MIL only trims. A negative trim
    at the end becomes trimming nothing there and padding zeros plus the bias, so it is folded into the weights:
    the kernel is extended by zero taps at its end, which lengthens the full output without changing any value.
    """
    kernel, strides, dilations = _windows(call)
    spatial_in, spatial_out = call.shape(0)[2:], call.out_shape()[2:]
    full = [s * (n - 1) + (k - 1) * d + 1 for s, n, k, d in zip(strides, spatial_in, kernel, dilations, strict=True)]
    begins = _transpose_begins(call, full, spatial_out)
    ends = [f - b - out for f, b, out in zip(full, begins, spatial_out, strict=True)]
    if min(begins) < 0:
        raise call.unsupported("negative padding at the start")
    x, weight = scaled_for_fp16(call)
    extra = [max(0, -(end // d)) for end, d in zip(ends, dilations, strict=True)]
    if any(extra):
        taps = call.required(1, "weight (with output_padding beyond the kernel)")
        weight = np.pad(taps, [(0, 0), (0, 0), *((0, count) for count in extra)])
        ends = [end + count * d for end, count, d in zip(ends, extra, dilations, strict=True)]
    return mb.conv_transpose(
        x=x, weight=weight, bias=call.var(2), strides=strides, dilations=dilations, groups=call.attr("group", 1),
        **_pad_arguments(begins, ends),
    )  # fmt: skip


def conv_pads(call: Call, kernel: list[int], strides: list[int], dilations: list[int]) -> tuple[list[int], list[int]]:
    """Padding before and after each spatial dimension, from ``pads`` or ``auto_pad`` (of Conv and the pools)."""
    auto = call.attr("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = list(call.attr("pads", [0] * 2 * len(kernel)))
        return pads[: len(kernel)], pads[len(kernel) :]
    if auto == "VALID":
        return [0] * len(kernel), [0] * len(kernel)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise call.unsupported(f"auto_pad={auto!r}")
    begins, ends = [], []
    for size, k, s, d in zip(call.shape(0)[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        small, large = total // 2, total - total // 2
        begins.append(small if auto == "SAME_UPPER" else large)
        ends.append(large if auto == "SAME_UPPER" else small)
    return begins, ends


def _transpose_begins(call: Call, full: list[int], out: tuple[int, ...]) -> list[int]:
    """How much of the full output is trimmed at the start; the end follows from the static output shape."""
    auto = call.attr("auto_pad", "NOTSET")
    if auto == "NOTSET" and call.attr("output_shape") is None:
        return list(call.attr("pads", [0] * 2 * len(full)))[: len(full)]
    # With output_shape or SAME_*, ONNX (and ONNX Runtime) split the trim themselves; SAME_UPPER and SAME_LOWER
    # differ in which side takes the odd one.
    output_padding = call.attr("output_padding", [0] * len(full))
    totals = [f + extra - o for f, extra, o in zip(full, output_padding, out, strict=True)]
    if auto == "VALID":
        return [0] * len(full)
    if min(totals) < 0:
        raise call.unsupported("an output_shape larger than the full convolution")
    return [total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals]


def _windows(call: Call) -> tuple[list[int], list[int], list[int]]:
    """Kernel size, strides and dilations along each spatial dimension."""
    kernel = list(call.shape(1)[2:])
    if len(kernel) not in (1, 2):
        raise call.unsupported(f"{len(kernel)} spatial dimensions; one or two are supported")
    return kernel, list(call.attr("strides", [1] * len(kernel))), list(call.attr("dilations", [1] * len(kernel)))


def _pad_arguments(begins: list[int], ends: list[int]) -> dict[str, Any]:
    if not any(begins) and not any(ends):
        return {"pad_type": "valid"}
    if min(*begins, *ends) < 0:
        raise ValueError("negative padding")
    return {"pad_type": "custom", "pad": [side for pair in zip(begins, ends, strict=True) for side in pair]}
