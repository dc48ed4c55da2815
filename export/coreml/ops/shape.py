"""Operators that move whole tensors without computing: reshaping, permuting, copying, joining, cutting."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.arrange import broadcast, reshaped, transposed
from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("Constant", since=19)
def constant(call: Call) -> Any:
    """A constant that is an output of the model, such as a folded Shape; all others are initializers in a hub."""
    return call.constant_output()


@lowers("Reshape", since=14)
@lowers("Flatten", since=13)
@lowers("Squeeze", since=13)
@lowers("Unsqueeze", since=13)
def reshape(call: Call) -> Any:
    """The same elements in the output's static shape."""
    return reshaped(call.var(0), call.out_shape())


@lowers("Transpose", since=13)
def transpose(call: Call) -> Any:
    """Permuted dimensions, reversed by default."""
    if call.rank < 2:
        return mb.identity(x=call.var(0))
    return transposed(call.var(0), call.shape(0), call.attr("perm", range(call.rank)[::-1]))


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
    values = call.vars()
    return mb.concat(values=values, axis=call.axis(0)) if len(values) > 1 else mb.identity(x=values[0])


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
    x = call.var(0)
    if (begin, end, stride) != ([0] * call.rank, list(call.shape(0)), [1] * call.rank):
        x = mb.slice_by_index(x=x, begin=begin, end=end, stride=stride)
    return mb.reverse(x=x, axes=flipped) if flipped else mb.identity(x=x)


def _stop(stop: int, step: int) -> int | None:
    """ONNX ends a backward slice that includes element 0 with a very negative number, Python with ``None``."""
    return None if step < 0 and stop <= np.iinfo(np.int32).min + 1 else stop


@lowers("Expand", since=13)
def expand(call: Call) -> Any:
    """Copies along the dimensions of size one."""
    return mb.identity(x=broadcast(call.var(0), call.out_shape()))


@lowers("Tile", since=13)
def tile(call: Call) -> Any:
    """Copies side by side."""
    reps = [int(count) for count in call.required(1, "repeats")]
    return mb.tile(x=call.var(0), reps=reps) if any(count != 1 for count in reps) else mb.identity(x=call.var(0))


@lowers("ReverseSequence", since=10)
def reverse_sequence(call: Call) -> Any:
    """The first ``lengths[i]`` elements of each sequence ``i`` backwards, the others as they are."""
    return mb.reverse_sequence(
        x=call.var(0), lengths=call.var(1), seq_axis=call.attr("time_axis", 0), batch_axis=call.attr("batch_axis", 1)
    )
