"""(xA)B = x(AB): two multiplications by constants are one, if the product is not larger than what it replaces.

So the selection matrix of a network's styles disappears into each norm's own table. Gemm is the same with a
bias: α(xA)B + βc = x(αAB) + βc, and (αxA + βc)B = x(αAB) + βcB.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, float_constant, produced_by, replace


def fuse_matmul(model: ir.Model) -> int:
    """Fuse MatMul and Gemm nodes with constant matrices that follow each other; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type in ("MatMul", "Gemm"))


def _fuse(node: ir.Node) -> bool:
    inner = produced_by(node.inputs[0], "MatMul", "Gemm")
    first, second = (
        read_linear(n) if n is not None and len(dims(n.inputs[0]) or ()) == 2 else None for n in (inner, node)
    )
    if first is None or second is None:
        return False
    (a, c), (b, d) = first, second
    product = a @ b
    if product.size > b.size + (a.size if len(node.inputs[0].uses()) == 1 else 0):
        return False
    offset = None
    if c is not None or d is not None:
        offset = (0 if c is None else c @ b) + (0 if d is None else d)
    graph = node.graph
    matrix = float_constant(graph, product, f"{node.inputs[1].name}_product")
    if offset is None:
        replace(node, lambda tape: tape.op("MatMul", [inner.inputs[0], matrix]))
    else:
        bias = float_constant(graph, offset.reshape(-1), f"{matrix.name}_bias")
        replace(node, lambda tape: tape.op("Gemm", [inner.inputs[0], matrix, bias]))
    return True


def read_linear(node: ir.Node) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(A, c) if ``node`` computes xA + c of matrices x, in float64; c is a row or ``None``."""
    if len(dims(node.inputs[0]) or ()) < 2 or attribute(node, "transA", 0):
        return None
    matrix = constant(node.inputs[1])
    if matrix is None or matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    matrix = matrix.astype(np.float64)
    if node.op_type == "MatMul":
        return matrix, None
    matrix = (matrix.T if attribute(node, "transB", 0) else matrix) * attribute(node, "alpha", 1.0)
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return matrix, None
    row = constant(node.inputs[2])
    if row is None or row.size not in (1, matrix.shape[1]) or (row.ndim > 1 and row.shape[0] != 1):
        return None
    row = np.broadcast_to(row.reshape(1, -1), (1, matrix.shape[1])).astype(np.float64)
    return matrix, row * attribute(node, "beta", 1.0)
