"""Maximum over windows, and where it was found."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.indexing import take
from export.coreml.ops.windows import Window, interleave, read_window
from export.coreml.registry import lowers


@lowers("MaxPool", since=12)
def max_pool(call: Call) -> Any:
    """The greatest value of each window; padding never wins. ``ceil_mode`` becomes padding at the end.

    Dilated windows are the maximum of shifted copies, axis by axis. 8-bit integers, which are all exact in fp16, are
    pooled as floats.
    """
    window = read_window(call, call.attr("kernel_shape"))
    x = call.var(0)
    if not call.is_float():
        if call.dtype(0).name not in ("INT8", "UINT8"):
            raise call.unsupported("integers wider than 8 bits")
        x = mb.cast(x=x, dtype="fp32")
    indices = len(call.node.outputs) > 1 and call.node.outputs[1]
    if indices and (indices.uses() or indices.is_graph_output()):
        y, where = _with_indices(call, x, window)
    else:
        y, where = _greatest(call, x, window), None
    y = y if call.is_float() else mb.cast(x=y, dtype="int32")
    return y if where is None else (y, where)


def _greatest(call: Call, x: Any, window: Window) -> Any:
    sides = (*zip(window.kernel, window.before, strict=True), *zip(window.kernel, window.ends, strict=True))
    if max(window.dilations) == 1 and all(pad < k for k, pad in sides):
        return mb.max_pool(
            x=x,
            kernel_sizes=window.kernel,
            strides=window.strides,
            pad_type="custom",
            pad=interleave(window.before, window.ends),
        )
    for axis, places in enumerate(_places(call, window)):
        taps = [take(x, column, 2 + axis) for column in np.unique(places, axis=1).T]
        x = taps[0]
        for other in taps[1:]:
            x = mb.maximum(x=x, y=other)
    return x


def _with_indices(call: Call, x: Any, window: Window) -> tuple[Any, Any]:
    """Maxima, and the position in the flat input of the first that is as great (MIL's argmax promises none of several).

    Taps are visited from the last to the first, so that the first one stays.
    """
    shape, places = call.shape(0), _places(call, window)
    if np.prod(shape) > np.iinfo(np.int32).max:
        raise call.unsupported("indices beyond 32 bits")
    spatial, order = shape[2:], "F" if call.attr("storage_order", 0) else "C"
    flat = np.arange(np.prod(spatial), dtype=np.int32).reshape(spatial, order=order)
    planes = np.arange(shape[0] * shape[1], dtype=np.int32) * np.int32(np.prod(spatial))
    planes = planes.reshape(*shape[:2], *[1] * len(spatial))
    y, where = _greatest(call, x, window), None
    for taps in itertools.product(*(range(k - 1, -1, -1) for k in window.kernel)):
        columns = [axis_places[:, tap] for axis_places, tap in zip(places, taps, strict=True)]
        value = x
        for axis, column in enumerate(columns):
            value = take(value, column, 2 + axis)
        index = np.broadcast_to(flat[np.ix_(*columns)] + planes, call.out_shape()).astype(np.int32)
        found = mb.equal(x=value, y=y)
        where = mb.const(val=index) if where is None else mb.select(cond=found, a=mb.const(val=index), b=where)
    return y, where


def _places(call: Call, window: Window) -> list[np.ndarray]:
    """For each spatial axis, ``(outputs, taps)``: where each tap reads.

    A tap in the padding reads where its window's nearest tap inside does, so that it cannot win alone.
    """
    result = []
    for axis, (size, out) in enumerate(zip(call.shape(0)[2:], call.out_shape()[2:], strict=True)):
        taps = np.arange(window.kernel[axis]) * window.dilations[axis]
        places = np.arange(out)[:, None] * window.strides[axis] + taps - window.before[axis]
        inside = (places >= 0) & (places < size)
        if not inside.any(axis=1).all():
            raise call.unsupported("a window that lies in the padding alone")
        first = np.where(inside, places, size).min(axis=1, keepdims=True)
        last = np.where(inside, places, -1).max(axis=1, keepdims=True)
        result.append(np.clip(places, first, last))
    return result
