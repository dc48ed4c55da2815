"""Matrix products: FULLY_CONNECTED for constant weights, BATCH_MATMUL for the rest."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

MAX_PRODUCTS = 2**24  # of whole numbers, one tensor element each: 64 MB


@lowering("MatMul", 13)
def matmul(context: Lowering, node: ir.Node) -> None:
    """``a @ b`` as NumPy defines it: vectors, matrices, and stacks of matrices with broadcasting."""
    a, b = node.inputs
    weights = context.constant(b)
    if weights is not None and weights.ndim == 2 and len(a.shape) >= 2 and weights.dtype == np.float32:
        y = fully_connected(context, context.plain(a), np.ascontiguousarray(weights.T), None)
    else:
        y = _product(context, node, context.plain(a), context.plain(b))
        y = context.reshape(y, context.shape(node.outputs[0]))
    context.bind(node.outputs[0], y)


@lowering("Gemm", 13)
def gemm(context: Lowering, node: ir.Node) -> None:
    """``alpha * A' @ B' + beta * C`` for matrices, transposed where the attributes say so; C is broadcast."""
    a, b = node.inputs[:2]
    c = context.input(node, 2)
    alpha, beta = context.attribute(node, "alpha", 1.0), context.attribute(node, "beta", 1.0)
    flip_a, flip_b = context.attribute(node, "transA", 0), context.attribute(node, "transB", 0)
    f = Formula(context)
    x = context.get(a, (1, 0)) if flip_a else context.plain(a)
    if x.dtype != np.float32 and (alpha, beta) != (1.0, 1.0):
        raise unsupported(node, "whole numbers are multiplied exactly only with alpha and beta 1.")
    weights = context.constant(b)
    bias = context.constant(c)
    fused = False
    if weights is not None and weights.dtype == np.float32:
        weights = weights if flip_b else weights.T
        fused = bias is not None and bias.size in (1, weights.shape[0]) and (bias.ndim < 2 or bias.shape[0] == 1)
        vector = np.broadcast_to(beta * bias.reshape(-1), weights.shape[:1]).astype(np.float32) if fused else None
        y = fully_connected(context, x, np.ascontiguousarray(alpha * weights).astype(np.float32), vector)
    else:
        y = f.mul(_product(context, node, x, context.plain(b), flip_b=bool(flip_b)), float(alpha))
    if c is not None and not fused and beta != 0:
        y = f.widened(lambda y, c: f.add(y, f.mul(c, float(beta))), y, context.plain(c))
    context.bind(node.outputs[0], y)


def fully_connected(
    context: Lowering, x: Tensor, weights: np.ndarray, bias: np.ndarray | None, activation: str = "NONE"
) -> Tensor:
    """``x @ weights.T + bias`` along the last axis of ``x``; ``weights`` are ``[out, in]``."""
    builder = context.builder
    inputs = [x, builder.constant(weights)]
    inputs.append(builder.constant(np.zeros(weights.shape[0], np.float32) if bias is None else bias))
    return builder.emit(
        "FULLY_CONNECTED", inputs, (*x.shape[:-1], weights.shape[0]),
        keepNumDims=x.rank > 2, fusedActivationFunction=activation,
    )  # fmt: skip


def _product(context: Lowering, node: ir.Node, a: Tensor, b: Tensor, flip_b: bool = False) -> Tensor:
    """The product of two stacks of matrices, with axes of length 1 where the operands have fewer."""
    if a.rank == 1:
        a = context.reshape(a, (1, *a.shape))
    if b.rank == 1:
        b = context.reshape(b, (*b.shape, 1))
    rank = max(a.rank, b.rank)
    a, b = (context.reshape(t, (1,) * (rank - t.rank) + t.shape) for t in (a, b))
    if a.dtype != np.float32:
        return Formula(context).widened(lambda a, b: _whole_product(context, node, a, b, flip_b), a, b)
    columns = b.shape[-2 if flip_b else -1]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return context.builder.emit("BATCH_MATMUL", [a, b], (*stack, a.shape[-2], columns), adjX=False, adjY=flip_b)


def _whole_product(context: Lowering, node: ir.Node, a: Tensor, b: Tensor, flip_b: bool) -> Tensor:
    """Of int32 or int64, which BATCH_MATMUL does not take: every product of two elements, then their sums."""
    if not flip_b:
        b = context.transpose(b, (*range(b.rank - 2), b.rank - 1, b.rank - 2))
    rows, columns = a.shape[-2], b.shape[-2]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    elements = int(np.prod((*stack, rows, columns, a.shape[-1])))
    if elements > MAX_PRODUCTS:
        raise unsupported(node, f"TFLite multiplies no matrices of whole numbers, and {elements:,} products are many.")
    wide = [
        context.reshape(t, (int(np.prod(t.shape[:-2])), *tail))
        for t, tail in ((_stretched(context, a, stack), (rows, 1, a.shape[-1])),
                        (_stretched(context, b, stack), (1, columns, a.shape[-1])))
    ]  # fmt: skip
    products = Formula(context).mul(*wide)
    y = context.builder.emit(
        "SUM", [products, context.builder.ints([3])], products.shape[:3], like=products, keepDims=False
    )
    return context.reshape(y, (*stack, rows, columns))


def _stretched(context: Lowering, t: Tensor, stack: tuple[int, ...]) -> Tensor:
    """A stack of matrices repeated to the stack's shape."""
    shape = (*stack, *t.shape[-2:])
    if t.shape == shape:
        return t
    return context.builder.emit("BROADCAST_TO", [t, context.builder.ints(shape)], shape, like=t)
