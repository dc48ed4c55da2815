"""Operators that move elements without computing: reshaping, slicing, joining, gathering."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("Reshape", since=14)
@lowers("Flatten", since=13)
@lowers("Squeeze", since=13)
@lowers("Unsqueeze", since=13)
def reshape(call: Call) -> Any:
    """The same elements in the output's static shape."""
    if not call.out_shape():
        return mb.squeeze(x=call.var(0), axes=list(range(call.rank)))
    return mb.reshape(x=call.var(0), shape=call.out_shape())


@lowers("Transpose", since=13)
def transpose(call: Call) -> Any:
    """Permuted dimensions, reversed by default."""
    return mb.transpose(x=call.var(0), perm=list(call.attr("perm", range(call.rank)[::-1])))


@lowers("Identity", since=14)
@lowers("Dropout", since=13)
def identity(call: Call) -> Any:
    """The input itself; Dropout does nothing outside training."""
    if call.has(2) and call.required(2, "training mode").any():
        raise call.unsupported("training_mode=1")
    call.only_first_output()
    return mb.identity(x=call.var(0))


@lowers("Concat", since=13)
def concat(call: Call) -> Any:
    """The inputs joined along one axis."""
    return mb.concat(values=call.vars(), axis=call.axis(0))


@lowers("Split", since=18)
def split(call: Call) -> Any:
    """Pieces along one axis, of the outputs' static sizes."""
    axis = call.axis(0)
    sizes = [call.out_shape(index)[axis] for index in range(len(call.node.outputs))]
    if len(sizes) == 1:
        return mb.identity(x=call.var(0))
    return mb.split(x=call.var(0), split_sizes=sizes, axis=axis)


@lowers("Slice", since=13)
def slice_(call: Call) -> Any:
    """A strided block; a negative step takes the same elements forwards and reverses them."""
    starts, stops = call.required(1, "starts"), call.required(2, "ends")
    axes = call.required(3, "axes") if call.has(3) else np.arange(len(starts))
    steps = call.required(4, "steps") if call.has(4) else np.ones(len(starts), np.int32)
    begin, end, stride, flipped = [0] * call.rank, list(call.shape(0)), [1] * call.rank, []
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        axis = int(axis) % call.rank  # noqa: PLW2901
        taken = range(call.shape(0)[axis])[slice(int(start), _stop(int(stop), int(step)), int(step))]
        if len(taken) == 0:
            raise call.unsupported("an empty slice")
        if step < 0:
            taken = taken[::-1]
            flipped.append(axis)
        begin[axis], end[axis], stride[axis] = taken[0], taken[-1] + 1, taken.step
    x = mb.slice_by_index(x=call.var(0), begin=begin, end=end, stride=stride)
    return mb.reverse(x=x, axes=flipped) if flipped else x


def _stop(stop: int, step: int) -> int | None:
    """ONNX ends a backward slice that includes element 0 with a very negative number, Python with ``None``."""
    return None if step < 0 and stop <= np.iinfo(np.int32).min + 1 else stop


@lowers("Expand", since=13)
def expand(call: Call) -> Any:
    """Copies along the dimensions of size one."""
    return broadcast(call.var(0), call.out_shape())


@lowers("Tile", since=13)
def tile(call: Call) -> Any:
    """Copies side by side."""
    return mb.tile(x=call.var(0), reps=[int(count) for count in call.required(1, "repeats")])


@lowers("Gather", since=13)
def gather(call: Call) -> Any:
    """Entries of ``x`` along one axis, by constant indices."""
    axis = call.axis(0)
    indices = call.required(1, "indices")
    indices = np.where(indices < 0, indices + call.shape(0)[axis], indices).astype(np.int32)
    return mb.gather(x=call.var(0), indices=indices if indices.ndim else np.int32(indices), axis=axis)


def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` copied along its dimensions of size one to ``shape``, or ``x`` itself where it has that shape."""
    if tuple(x.shape) == tuple(shape):
        return x
    aligned = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
    if x.val is not None:
        return mb.const(val=np.ascontiguousarray(np.broadcast_to(x.val, shape)))
    if aligned != tuple(x.shape):
        x = mb.reshape(x=x, shape=aligned)
    reps = [wanted // have for wanted, have in zip(shape, aligned, strict=True)]
    return mb.tile(x=x, reps=reps) if any(rep > 1 for rep in reps) else x
