"""Reshaping, permuting and slicing: no value changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from validate.coreml.graph import Graph, constant_value, param, shape_of, unsupported
from validate.coreml.registry import mil_op

_BEFORE_FIRST = -(2**31)
"""ONNX's end of a backward slice that includes element 0."""


@mil_op("reshape", "expand_dims", "squeeze", "flatten2d", "reshape_like", exact=True)
def reshape(graph: Graph, op: Any) -> str:
    """The same elements under the result's shape, which MIL has worked out (0, -1 and axes included)."""
    return graph.reshape(graph.tensor(op.x), shape_of(op.outputs[0]))


@mil_op("identity", exact=True)
def identity(graph: Graph, op: Any) -> str:
    """X."""
    return graph.tensor(op.x)


@mil_op("transpose", exact=True)
def transpose(graph: Graph, op: Any) -> str:
    """Permute axes."""
    rank = len(op.x.shape)
    return graph.transpose(graph.tensor(op.x), [int(axis) % rank for axis in param(op, "perm")])


@mil_op("reverse", exact=True)
def reverse(graph: Graph, op: Any) -> str:
    """Turn axes around, all of them when none are given."""
    axes = param(op, "axes")
    axes = list(range(len(op.x.shape))) if axes is None else [int(axis) for axis in axes]
    count = len(axes)
    starts, ends, steps = (graph.ints([value] * count) for value in (-1, _BEFORE_FIRST, -1))
    return graph.node("Slice", graph.tensor(op.x), starts, ends, graph.ints(axes), steps)


@mil_op("reverse_sequence", exact=True)
def reverse_sequence(graph: Graph, op: Any) -> str:
    """The first ``lengths[i]`` elements along ``seq_axis`` turned around, for each entry ``i`` of ``batch_axis``."""
    rank = len(op.x.shape)
    batch, time = int(param(op, "batch_axis")) % rank, int(param(op, "seq_axis")) % rank
    to_front = [batch, time, *(axis for axis in range(rank) if axis not in (batch, time))]
    lengths = graph.node("Cast", graph.tensor(op.lengths), to=TensorProto.INT64)
    turned = graph.node(
        "ReverseSequence", graph.transpose(graph.tensor(op.x), to_front), lengths, batch_axis=0, time_axis=1
    )
    return graph.transpose(turned, [to_front.index(axis) for axis in range(rank)])


def index_slices(op: Any) -> list[slice]:
    """The Python slices that ``begin``, ``end``, ``stride`` and the masks of ``op`` stand for."""
    shape = shape_of(op.x)
    rank = len(shape)
    begin, end = param(op, "begin"), param(op, "end")
    stride = param(op, "stride", [1] * rank)
    begin_mask, end_mask, squeeze_mask = (
        param(op, name, [False] * rank) for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    slices = []
    for axis in range(rank):
        if squeeze_mask[axis]:
            at = int(begin[axis])
            at = at + shape[axis] if at < 0 else at
            slices.append(slice(at, at + 1, 1))
        else:
            first = None if begin_mask[axis] else int(begin[axis])
            last = None if end_mask[axis] else int(end[axis])
            slices.append(slice(first, last, int(stride[axis])))
    return slices


@mil_op("slice_by_index", exact=True)
def slice_by_index(graph: Graph, op: Any) -> str:
    """x[begin:end:stride, ...], with masks for open ends and for axes to drop."""
    shape, wanted = shape_of(op.x), shape_of(op.outputs[0])
    bounds = [s.indices(n) for s, n in zip(index_slices(op), shape, strict=True)]
    lengths = [len(range(*bound)) for bound in bounds]
    if int(np.prod(lengths)) != int(np.prod(wanted)):
        raise unsupported(op, f"it is said to give {list(wanted)} but selects {lengths}")
    starts, ends, steps = ([bound[i] for bound in bounds] for i in range(3))
    ends = [_BEFORE_FIRST if end < 0 else end for end in ends]
    axes = [axis for axis, bound in enumerate(bounds) if bound != (0, shape[axis], 1)]
    result = graph.tensor(op.x)
    if axes:
        picked = (graph.ints([values[axis] for axis in axes]) for values in (starts, ends, range(len(shape)), steps))
        result = graph.node("Slice", result, *picked)
    return result if tuple(lengths) == wanted else graph.reshape(result, wanted)


@mil_op("slice_by_size", exact=True)
def slice_by_size(graph: Graph, op: Any) -> str:
    """``size`` elements from ``begin`` on, which the program may compute."""
    shape, wanted = shape_of(op.x), shape_of(op.outputs[0])
    begin, axes = constant_value(op.begin), graph.ints(range(len(shape)))
    if begin is not None:
        starts = [int(b) + n if b < 0 else int(b) for b, n in zip(begin, shape, strict=True)]
        ends = [start + count for start, count in zip(starts, wanted, strict=True)]
        return graph.node("Slice", graph.tensor(op.x), graph.ints(starts), graph.ints(ends), axes)
    start = graph.tensor(op.begin)
    sizes = np.asarray(shape, np.int32)
    start = graph.node("Where", graph.node("Less", start, np.int32(0)), graph.node("Add", start, sizes), start)
    end = graph.node("Add", start, np.asarray(wanted, np.int32))
    return graph.node("Slice", graph.tensor(op.x), start, end, graph.cast(axes, "i"))


@mil_op("slice_update", exact=True)
def slice_update(graph: Graph, op: Any) -> str:
    """A copy of x with the slice replaced by ``update`` (iOS 18)."""
    shape = shape_of(op.x)
    positions = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)[tuple(index_slices(op))].reshape(-1)
    flat = graph.reshape(graph.tensor(op.x), (-1,))
    update = graph.reshape(graph.tensor(op.update), (-1,))
    return graph.reshape(graph.node("ScatterElements", flat, graph.ints(positions), update, axis=0), shape)


@mil_op("pixel_shuffle", exact=True)
def pixel_shuffle(graph: Graph, op: Any) -> str:
    """[N, C·f², H, W] → [N, C, H·f, W·f], channel-major, as PyTorch's."""
    return graph.node("DepthToSpace", graph.tensor(op.x), blocksize=int(param(op, "upscale_factor")), mode="CRD")


@mil_op("pixel_unshuffle", exact=True)
def pixel_unshuffle(graph: Graph, op: Any) -> str:
    """[N, C, H, W] → [N, C·f², H/f, W/f], channel-major, as PyTorch's."""
    n, c, h, w = shape_of(op.x)
    f = int(param(op, "downscale_factor"))
    blocks = graph.reshape(graph.tensor(op.x), (n, c, h // f, f, w // f, f))
    return graph.reshape(graph.transpose(blocks, [0, 1, 3, 5, 2, 4]), (n, c * f * f, h // f, w // f))


@mil_op("depth_to_space", exact=True)
def depth_to_space(graph: Graph, op: Any) -> str:
    """[N, b²·C, H, W] → [N, C, H·b, W·b], block-major, as TensorFlow's."""
    return graph.node("DepthToSpace", graph.tensor(op.x), blocksize=int(param(op, "block_size")), mode="DCR")


@mil_op("space_to_depth", exact=True)
def space_to_depth(graph: Graph, op: Any) -> str:
    """[N, C, H, W] → [N, b²·C, H/b, W/b], block-major, as TensorFlow's."""
    return graph.node("SpaceToDepth", graph.tensor(op.x), blocksize=int(param(op, "block_size")))


@mil_op("space_to_batch", exact=True)
def space_to_batch(graph: Graph, op: Any) -> str:
    """Pad with zeros, then move the positions within each block into the batch, as TensorFlow does."""
    n, c, h, w = shape_of(op.x)
    (top, bottom), (left, right) = np.asarray(param(op, "paddings"), int)
    bh, bw = (int(b) for b in param(op, "block_shape"))
    x = graph.node("Pad", graph.tensor(op.x), graph.ints([0, 0, top, left, 0, 0, bottom, right]))
    rows, columns = (h + top + bottom) // bh, (w + left + right) // bw
    blocks = graph.transpose(graph.reshape(x, (n, c, rows, bh, columns, bw)), [3, 5, 0, 1, 2, 4])
    return graph.reshape(blocks, (n * bh * bw, c, rows, columns))


@mil_op("batch_to_space", exact=True)
def batch_to_space(graph: Graph, op: Any) -> str:
    """Undo :func:`space_to_batch`, then crop."""
    n, c, h, w = shape_of(op.x)
    (top, bottom), (left, right) = np.asarray(param(op, "crops"), int)
    bh, bw = (int(b) for b in param(op, "block_shape"))
    blocks = graph.reshape(graph.tensor(op.x), (bh, bw, n // (bh * bw), c, h, w))
    whole = graph.reshape(graph.transpose(blocks, [2, 3, 4, 0, 5, 1]), (n // (bh * bw), c, h * bh, w * bw))
    ends = graph.ints([h * bh - bottom, w * bw - right])
    return graph.node("Slice", whole, graph.ints([top, left]), ends, graph.ints([2, 3]))
