"""Average pooling, and pooling over whole planes."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.windows import Window, interleave, read_window
from export.coreml.registry import lowers


@lowers("AveragePool", since=19)
def average_pool(call: Call) -> Any:
    """The mean of each window, with or without the padding (``count_include_pad``).

    What ``ceil_mode`` makes a window hang over beyond the padding never counts. So padding that counts is written out
    where there is such an overrun, and the overrun becomes padding that does not count.
    """
    window, include = read_window(call, call.attr("kernel_shape")), bool(call.attr("count_include_pad", 0))
    sides = (*zip(window.kernel, window.before, strict=True), *zip(window.kernel, window.ends, strict=True))
    if max(window.dilations) > 1 or any(pad >= k for k, pad in sides):
        return _as_convolution(call, window, include)
    x, before, after = call.var(0), window.before, window.ends
    if include and any(window.overrun):
        x = mb.pad(x=x, pad=[0] * 4 + interleave(before, window.after), mode="constant", constant_val=0.0)
        before, after, include = [0] * len(before), window.overrun, False
    return mb.avg_pool(
        x=x,
        kernel_sizes=window.kernel,
        strides=window.strides,
        pad_type="custom",
        pad=interleave(before, after),
        exclude_padding_from_average=not include,
    )


@lowers("GlobalAveragePool", since=1)
def global_average_pool(call: Call) -> Any:
    """The mean of each channel's plane."""
    return mb.reduce_mean(x=call.var(0), axes=_spatial(call), keep_dims=True)


@lowers("GlobalMaxPool", since=1)
def global_max_pool(call: Call) -> Any:
    """The greatest value of each channel's plane."""
    return mb.reduce_max(x=call.var(0), axes=_spatial(call), keep_dims=True)


def _spatial(call: Call) -> list[int]:
    if call.rank < 3:
        raise call.unsupported("an input without spatial dimensions")
    return list(range(2, call.rank))


def _as_convolution(call: Call, window: Window, include: bool) -> Any:
    """Averages by a depthwise convolution with 1/K, K being the kernel's size, times K over the number that counts."""
    channels, kernel = call.shape(0)[1], window.kernel
    taps = int(np.prod(kernel))
    mean = mb.conv(
        x=call.var(0),
        weight=np.full((channels, 1, *kernel), 1 / taps, np.float32),
        strides=window.strides,
        dilations=window.dilations,
        groups=channels,
        pad_type="custom",
        pad=interleave(window.before, window.ends),
    )
    factor = np.ones([1] * call.rank, np.float32)
    for axis, out in enumerate(call.out_shape()[2:]):
        count = _count(call, window, axis, out, include)
        column = [1] * call.rank
        column[2 + axis] = -1
        factor = factor * (np.float32(kernel[axis]) / count).reshape(column)
    return mean if np.all(factor == 1) else mb.mul(x=mean, y=factor.astype(np.float32))


def _count(call: Call, window: Window, axis: int, out: int, include: bool) -> np.ndarray:
    """How many taps of each of ``out`` windows along ``axis`` count."""
    size, before, after = call.shape(0)[2 + axis], window.before[axis], window.after[axis]
    taps = np.arange(window.kernel[axis]) * window.dilations[axis]
    places = np.arange(out)[:, None] * window.strides[axis] + taps - before
    inside = (places >= -before) & (places < size + after) if include else (places >= 0) & (places < size)
    count = inside.sum(axis=1)
    if not count.all():
        raise call.unsupported("a window that lies in the padding alone")
    return count
