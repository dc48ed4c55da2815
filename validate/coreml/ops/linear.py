"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from validate.coreml.graph import Graph, constant_value, param, shape_of, unsupported
from validate.coreml.registry import mil_op


def _swapped(graph: Graph, value: str, rank: int) -> str:
    """The last two axes exchanged."""
    return graph.transpose(value, [*range(rank - 2), rank - 1, rank - 2])


@mil_op("linear")
def linear(graph: Graph, op: Any) -> str:
    """X @ weightᵀ + bias; ``weight`` [D_out, D_in]."""
    weight = constant_value(op.weight)
    if weight is None:
        transposed = graph.transpose(graph.tensor(op.weight), [1, 0])
    else:
        transposed = graph.constant(np.asarray(weight, np.float32).T)
    product = graph.node("MatMul", graph.tensor(op.x), transposed)
    return product if op.bias is None else graph.node("Add", product, graph.tensor(op.bias))


@mil_op("matmul")
def matmul(graph: Graph, op: Any) -> str:
    """Batched matrix product, either operand optionally transposed."""
    operands = []
    for var, flag in ((op.x, "transpose_x"), (op.y, "transpose_y")):
        value, rank = graph.tensor(var), len(var.shape)
        operands.append(_swapped(graph, value, rank) if param(op, flag) and rank > 1 else value)
    return graph.node("MatMul", *operands)


@mil_op("einsum")
def einsum(graph: Graph, op: Any) -> str:
    """``nchw,nwhu->nchu`` or ``chw,whr->chr``: a matrix product for each n and h, which may broadcast."""
    x, y = op.values
    rank = len(x.shape)
    if rank not in (3, 4):
        raise unsupported(op, f"operands of rank {rank} are not defined for it")
    to_matrix = [1, 0, 2] if rank == 3 else [0, 2, 1, 3]
    product = graph.node(
        "MatMul",
        graph.transpose(graph.tensor(x), to_matrix),
        graph.transpose(graph.tensor(y), to_matrix),
    )
    return graph.transpose(product, to_matrix)


@mil_op("scaled_dot_product_attention")
def scaled_dot_product_attention(graph: Graph, op: Any) -> str:
    """softmax(query @ keyᵀ / sqrt(E) + mask) @ value; a bool mask keeps the keys that are true."""
    query, key, value = (graph.tensor(var) for var in (op.query, op.key, op.value))
    shape = shape_of(op.query)
    scaled = graph.node("Mul", query, 1.0 / float(np.sqrt(shape[-1])))
    scores = graph.node("MatMul", scaled, _swapped(graph, key, len(shape)))
    if op.attn_mask is not None:
        mask = graph.tensor(op.attn_mask)
        if "bool" in str(op.attn_mask.dtype.__type_info__()):
            scores = graph.node("Where", mask, scores, -np.inf)
        else:
            scores = graph.node("Add", scores, mask)
    return graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
