"""Reductions over any axes."""

from __future__ import annotations

import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering, Perm
from export.tflite.ops.formula import Formula
from export.tflite.ops.plane import plane_mean
from export.tflite.registry import lowering


def _axes(context: Lowering, node: ir.Node) -> list[int] | None:
    """The hub axes to reduce; None where the node is told to change nothing."""
    rank = len(node.inputs[0].shape)
    listed = context.input(node, 1)
    axes = context.attribute(node, "axes") if listed is None else context.need_constant(node, 1, "list of axes")
    if axes is None or len(axes) == 0:
        return None if context.attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted({int(axis) % rank for axis in axes})


def reduce(context: Lowering, node: ir.Node, code: str, before: str = "", after: str = "") -> None:
    """Writes a reduction; ``before`` and ``after`` name functions applied to each element on either side of it."""
    f = Formula(context)
    placed = context.place(node.inputs[0])
    axes = _axes(context, node)
    x = placed.tensor
    x = f.unary(before, x) if before else x
    if axes is not None:
        x, perm = reduce_axes(context, x, placed.perm, axes, code, bool(context.attribute(node, "keepdims", 1)))
    else:
        perm = placed.perm
        x = context.reshape(x, x.shape)
    context.bind(node.outputs[0], f.unary(after, x) if after else x, perm)


def reduce_axes(
    context: Lowering, x: Tensor, perm: Perm, axes: list[int], code: str, keepdims: bool
) -> tuple[Tensor, Perm]:
    """Reduces the hub axes of a tensor that lies as ``perm``; the result and how it lies."""
    builder = context.builder
    physical = sorted(perm.index(axis) for axis in axes)
    kept = tuple(1 if i in physical else d for i, d in enumerate(x.shape))
    if code == "MEAN" and perm == NHWC and physical == [1, 2]:
        y = plane_mean(context, x)
    else:
        y = builder.emit(code, [x, builder.ints(physical)], kept, like=x, keepDims=True)
    if keepdims:
        return y, perm
    left = [axis for axis in perm if axis not in axes]
    numbers = {axis: i for i, axis in enumerate(sorted(left))}
    shape = tuple(d for i, d in enumerate(x.shape) if i not in physical)
    return context.reshape(y, shape), tuple(numbers[axis] for axis in left)


@lowering("ReduceMean", 18)
def reduce_mean(context: Lowering, node: ir.Node) -> None:
    """The mean."""
    reduce(context, node, "MEAN")


@lowering("ReduceSum", 13)
def reduce_sum(context: Lowering, node: ir.Node) -> None:
    """The sum."""
    reduce(context, node, "SUM")


@lowering("ReduceMax", 18, 20)
def reduce_max(context: Lowering, node: ir.Node) -> None:
    """The largest element."""
    reduce(context, node, "REDUCE_MAX")


@lowering("ReduceMin", 18, 20)
def reduce_min(context: Lowering, node: ir.Node) -> None:
    """The smallest element."""
    reduce(context, node, "REDUCE_MIN")


@lowering("ReduceProd", 18)
def reduce_prod(context: Lowering, node: ir.Node) -> None:
    """The product."""
    reduce(context, node, "REDUCE_PROD")


@lowering("ReduceL1", 18)
def reduce_l1(context: Lowering, node: ir.Node) -> None:
    """The sum of absolute values."""
    reduce(context, node, "SUM", before="ABS")


@lowering("ReduceL2", 18)
def reduce_l2(context: Lowering, node: ir.Node) -> None:
    """The Euclidean length."""
    reduce(context, node, "SUM", before="SQUARE", after="SQRT")


@lowering("ReduceSumSquare", 18)
def reduce_sum_square(context: Lowering, node: ir.Node) -> None:
    """The sum of squares."""
    reduce(context, node, "SUM", before="SQUARE")


@lowering("ReduceLogSum", 18)
def reduce_log_sum(context: Lowering, node: ir.Node) -> None:
    """The logarithm of the sum."""
    reduce(context, node, "SUM", after="LOG")


@lowering("ReduceLogSumExp", 18)
def reduce_log_sum_exp(context: Lowering, node: ir.Node) -> None:
    """``log(sum(exp(x)))`` as ``m + log(sum(exp(x - m)))`` with the largest element ``m``, which does not overflow."""
    f = Formula(context)
    placed = context.place(node.inputs[0])
    axes, perm = _axes(context, node), placed.perm
    keepdims = bool(context.attribute(node, "keepdims", 1))
    if axes is None:
        context.bind(node.outputs[0], context.reshape(placed.tensor, placed.tensor.shape), perm)
        return
    largest, _ = reduce_axes(context, placed.tensor, perm, axes, "REDUCE_MAX", keepdims=True)
    total, _ = reduce_axes(context, f.unary("EXP", f.sub(placed.tensor, largest)), perm, axes, "SUM", keepdims=True)
    y = f.add(f.unary("LOG", total), largest)
    if not keepdims:
        left = [axis for axis in perm if axis not in axes]
        numbers = {axis: i for i, axis in enumerate(sorted(left))}
        y = context.reshape(y, [d for d, axis in zip(y.shape, perm, strict=True) if axis not in axes])
        perm = tuple(numbers[axis] for axis in left)
    context.bind(node.outputs[0], y, perm)
