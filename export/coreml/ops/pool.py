"""Pooling over windows and over whole planes."""

from __future__ import annotations

from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.conv import conv_pads
from export.coreml.registry import lowers


@lowers("MaxPool", since=12)
def max_pool(call: Call) -> Any:
    """The greatest value of each window; padding never wins. ``ceil_mode`` becomes padding at the end."""
    call.only_first_output()
    kernel, strides, begins, ends, _ = _window(call)
    return mb.max_pool(
        x=call.var(0), kernel_sizes=kernel, strides=strides, pad_type="custom", pad=_interleave(begins, ends)
    )


@lowers("AveragePool", since=19)
def average_pool(call: Call) -> Any:
    """The mean of each window, with or without the padding (``count_include_pad``)."""
    kernel, strides, begins, ends, overrun = _window(call)
    include = bool(call.attr("count_include_pad", 0))
    if include and any(overrun):
        raise call.unsupported("ceil_mode with count_include_pad, where a window runs beyond the padding")
    return mb.avg_pool(
        x=call.var(0),
        kernel_sizes=kernel,
        strides=strides,
        pad_type="custom",
        pad=_interleave(begins, ends),
        exclude_padding_from_average=not include,
    )


@lowers("GlobalAveragePool", since=1)
def global_average_pool(call: Call) -> Any:
    """The mean of each channel's plane."""
    return mb.reduce_mean(x=call.var(0), axes=list(range(2, call.rank)), keep_dims=True)


@lowers("GlobalMaxPool", since=1)
def global_max_pool(call: Call) -> Any:
    """The greatest value of each channel's plane."""
    return mb.reduce_max(x=call.var(0), axes=list(range(2, call.rank)), keep_dims=True)


def _window(call: Call) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """Kernel, strides, padding before and after, and how far ``ceil_mode`` runs beyond the given padding."""
    kernel = list(call.attr("kernel_shape"))
    if len(kernel) not in (1, 2):
        raise call.unsupported(f"{len(kernel)} spatial dimensions; one or two are supported")
    strides = list(call.attr("strides", [1] * len(kernel)))
    if set(call.attr("dilations", [1])) != {1}:
        raise call.unsupported("dilations")
    begins, ends = conv_pads(call, kernel, strides, [1] * len(kernel))
    overrun = []
    for axis, size in enumerate(call.shape(0)[2:]):
        needed = (call.out_shape()[2 + axis] - 1) * strides[axis] + kernel[axis]
        overrun.append(max(0, needed - size - begins[axis] - ends[axis]))
        ends[axis] += overrun[axis]
    return kernel, strides, begins, ends, overrun


def _interleave(begins: list[int], ends: list[int]) -> list[int]:
    return [side for pair in zip(begins, ends, strict=True) for side in pair]
