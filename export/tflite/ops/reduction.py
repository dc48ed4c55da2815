"""Reductions over any axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering, Perm
from export.tflite.ops.formula import Formula
from export.tflite.ops.plane import plane_mean
from export.tflite.registry import lowering, unsupported

Function = Callable[[Formula, Tensor], Tensor]
FINITE = float(np.finfo(np.float32).max)


def _axes(context: Lowering, node: ir.Node) -> list[int] | None:
    """The hub axes to reduce; None where the node is told to change nothing."""
    rank = len(node.inputs[0].shape)
    listed = context.input(node, 1)
    axes = context.attribute(node, "axes") if listed is None else context.need_constant(node, 1, "list of axes")
    if axes is None or len(axes) == 0:
        return None if context.attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted({int(axis) % rank for axis in axes})


def reduce(
    context: Lowering, node: ir.Node, code: str, before: Function | None = None, after: Function | None = None
) -> None:
    """Writes a reduction; ``before`` and ``after`` are applied to each element on either side of it."""
    placed, f = context.place(node.inputs[0]), Formula(context)
    axes, keepdims = _axes(context, node), bool(context.attribute(node, "keepdims", 1))
    perm = placed.perm if axes is None else reduced_perm(placed.perm, axes, keepdims)

    def formula(x: Tensor) -> Tensor:
        x = x if before is None else before(f, x)
        if axes is None:
            x = context.reshape(x, x.shape)
        else:
            x, _ = reduce_axes(context, x, placed.perm, axes, code, keepdims)
        return x if after is None else after(f, x)

    context.bind(node.outputs[0], f.widened(formula, placed.tensor), perm)


def reduce_axes(
    context: Lowering, x: Tensor, perm: Perm, axes: list[int], code: str, keepdims: bool
) -> tuple[Tensor, Perm]:
    """Reduces the hub axes of a tensor that lies as ``perm``; the result and how it lies."""
    builder = context.builder
    physical = sorted(perm.index(axis) for axis in axes)
    kept = tuple(1 if i in physical else d for i, d in enumerate(x.shape))
    if not physical:
        y = context.reshape(x, x.shape)
    elif code == "MEAN" and perm == NHWC and physical == [1, 2] and x.dtype == np.float32:
        y = plane_mean(context, x)
    else:
        y = builder.emit(code, [x, builder.ints(physical)], kept, like=x, keepDims=True)
    if not keepdims:
        y = context.reshape(y, [d for i, d in enumerate(x.shape) if i not in physical])
    return y, reduced_perm(perm, axes, keepdims)


def reduced_perm(perm: Perm, axes: list[int], keepdims: bool) -> Perm:
    """How a tensor lies that lay as ``perm`` before these hub axes were reduced."""
    if keepdims:
        return perm
    left = [axis for axis in perm if axis not in axes]
    numbers = {axis: i for i, axis in enumerate(sorted(left))}
    return tuple(numbers[axis] for axis in left)


def _absolute(f: Formula, x: Tensor) -> Tensor:
    return f.abs(x)


def _square(f: Formula, x: Tensor) -> Tensor:
    return f.unary("SQUARE", x) if x.dtype == np.float32 else f.mul(x, x)


def _root(f: Formula, x: Tensor) -> Tensor:
    return f.unary("SQRT", x)


def _logarithm(f: Formula, x: Tensor) -> Tensor:
    return f.unary("LOG", x)


def _need_float(context: Lowering, node: ir.Node) -> None:
    if context.place(node.inputs[0]).tensor.dtype != np.float32:
        raise unsupported(node, "of whole numbers it is not exact in float32; cast its input to float.")


@lowering("ReduceMean", 18)
def reduce_mean(context: Lowering, node: ir.Node) -> None:
    """The mean."""
    reduce(context, node, "MEAN")


@lowering("ReduceSum", 13)
def reduce_sum(context: Lowering, node: ir.Node) -> None:
    """The sum."""
    reduce(context, node, "SUM")


def _is_bool(node: ir.Node) -> bool:
    return node.inputs[0].dtype == ir.DataType.BOOL


@lowering("ReduceMax", 18, 20)
def reduce_max(context: Lowering, node: ir.Node) -> None:
    """The largest element; of truth values whether any is true."""
    reduce(context, node, "REDUCE_ANY" if _is_bool(node) else "REDUCE_MAX")


@lowering("ReduceMin", 18, 20)
def reduce_min(context: Lowering, node: ir.Node) -> None:
    """The smallest element; of truth values whether all are true."""
    reduce(context, node, "REDUCE_ALL" if _is_bool(node) else "REDUCE_MIN")


@lowering("ReduceProd", 18)
def reduce_prod(context: Lowering, node: ir.Node) -> None:
    """The product."""
    reduce(context, node, "REDUCE_PROD")


@lowering("ReduceL1", 18)
def reduce_l1(context: Lowering, node: ir.Node) -> None:
    """The sum of absolute values."""
    reduce(context, node, "SUM", before=_absolute)


@lowering("ReduceL2", 18)
def reduce_l2(context: Lowering, node: ir.Node) -> None:
    """The Euclidean length."""
    _need_float(context, node)
    reduce(context, node, "SUM", before=_square, after=_root)


@lowering("ReduceSumSquare", 18)
def reduce_sum_square(context: Lowering, node: ir.Node) -> None:
    """The sum of squares."""
    reduce(context, node, "SUM", before=_square)


@lowering("ReduceLogSum", 18)
def reduce_log_sum(context: Lowering, node: ir.Node) -> None:
    """The logarithm of the sum."""
    _need_float(context, node)
    reduce(context, node, "SUM", after=_logarithm)


@lowering("ReduceLogSumExp", 18)
def reduce_log_sum_exp(context: Lowering, node: ir.Node) -> None:
    """``log(sum(exp(x)))`` as ``m + log(sum(exp(x - m)))`` with the largest element ``m``, which does not overflow."""
    _need_float(context, node)
    f, placed = Formula(context), context.place(node.inputs[0])
    x, perm, axes = placed.tensor, placed.perm, _axes(context, node)
    if axes is None:
        context.bind(node.outputs[0], context.reshape(x, x.shape), perm)
        return
    largest, _ = reduce_axes(context, x, perm, axes, "REDUCE_MAX", keepdims=True)
    largest = f.minimum(f.maximum(largest, -FINITE), FINITE)  # of infinities the difference is not a number
    total, _ = reduce_axes(context, f.unary("EXP", f.sub(x, largest)), perm, axes, "SUM", keepdims=True)
    y = f.add(f.unary("LOG", total), largest)
    if not context.attribute(node, "keepdims", 1):
        y = context.reshape(y, [d for d, axis in zip(y.shape, perm, strict=True) if axis not in axes])
        perm = reduced_perm(perm, axes, keepdims=False)
    context.bind(node.outputs[0], y, perm)
