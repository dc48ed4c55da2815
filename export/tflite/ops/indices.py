"""Indices as places in a flattened tensor: what Gather and Scatter have in common.

An index is an int32 tensor, or an array where it is known at compile time. A negative one counts from the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering, Perm, plain
from export.tflite.ops.formula import Formula
from export.tflite.registry import unsupported

Index = Tensor | np.ndarray
MAX_PLACES = 2**31 - 1


def index_of(
    context: Lowering, node: ir.Node, place: int, lengths: np.ndarray | int, perm: Perm | None = None
) -> Index:
    """The node's input ``place`` as non-negative indices into axes of ``lengths``, axes in the order ``perm``.

    Raises ``UnsupportedError`` for a constant that points outside.
    """
    value = node.inputs[place]
    perm = plain(len(value.shape)) if perm is None else perm
    known = context.constant(value)
    lengths = np.asarray(lengths)
    if known is not None:
        known = known.astype(np.int64).transpose(perm)
        if np.any(known < -lengths) or np.any(known >= lengths):
            raise unsupported(node, "an index lies outside the axis.")
        return np.where(known < 0, known + lengths, known).astype(np.int32)
    f = Formula(context)
    index = f.cast(context.get(value, perm), np.int32)
    turned = f.add(index, f.tensor(lengths, np.int32))
    return f.select(f.less(index, 0), turned, index)


def as_tensor(context: Lowering, index: Index) -> Tensor:
    """The index as a tensor."""
    return index if isinstance(index, Tensor) else context.builder.constant(index.astype(np.int32))


def strides_of(shape: Sequence[int]) -> list[int]:
    """How many elements a step along each axis of a contiguous tensor is."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def along_axis(context: Lowering, node: ir.Node, index: Index, shape: Sequence[int], axis: int) -> Index:
    """Flat places in a tensor of ``shape``, where ``index`` replaces the coordinate of ``axis`` only.

    ``place = index * stride[axis] + sum of coordinate * stride over the other axes``
    """
    _check(node, shape)
    strides, own = strides_of(shape), index.shape
    others = sum(
        np.arange(d).reshape([-1 if j == i else 1 for j in range(len(own))]) * strides[i]
        for i, d in enumerate(own)
        if i != axis
    )
    return _offset(context, index, strides[axis], np.asarray(others))


def of_tuples(context: Lowering, node: ir.Node, index: Index, shape: Sequence[int], batch: int) -> Index:
    """Flat places for index tuples along the last axis of ``index``.

    They point into the axes of ``shape`` after the first ``batch``, which they share with the index tensor; the axes
    that follow those are rows and do not count.
    """
    depth, stack = index.shape[-1], tuple(index.shape[:batch])
    pointed = tuple(shape[batch : batch + depth])
    _check(node, (*stack, *pointed))
    strides = np.asarray(strides_of(pointed), np.int32)
    first = np.arange(math.prod(stack)).reshape(stack + (1,) * (len(index.shape) - 1 - batch)) * math.prod(pointed)
    if isinstance(index, np.ndarray):
        return (index.astype(np.int64) @ strides + first).astype(np.int32)
    f = Formula(context)
    if depth > 1:
        steps = f.mul(index, context.builder.constant(strides))
        flat = context.builder.emit(
            "SUM", [steps, context.builder.ints([index.rank - 1])], index.shape[:-1], dtype=np.int32, keepDims=False
        )
    else:
        flat = context.reshape(index, index.shape[:-1])
    return _offset(context, flat, 1, first)


def _offset(context: Lowering, index: Index, stride: int, offset: np.ndarray) -> Index:
    if isinstance(index, np.ndarray):
        return (index.astype(np.int64) * stride + offset).astype(np.int32)
    f = Formula(context)
    y = index if stride == 1 else f.mul(index, stride)
    return y if not offset.any() else f.add(y, f.tensor(offset, np.int32))


def _check(node: ir.Node, shape: Sequence[int]) -> None:
    if math.prod(shape) > MAX_PLACES:
        raise unsupported(node, "the tensor has more than 2^31 places, which 32-bit indices cannot name.")
