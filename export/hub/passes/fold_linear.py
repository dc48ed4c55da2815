"""s·(xA + c) + t = x(A·s) + (s·c + t), and (s·x + t)A + c = x(sA) + (tA + c), for matrices A of constants.

Scales and shifts along the columns, in front of or behind a MatMul or Gemm, go into its weights: BatchNormalization
of vectors, Mul, Div, Add, Sub and Neg. A shift makes the MatMul of a matrix a Gemm; of a stack of matrices there is
none, and the shift stays.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.fold_affine import Affine, only_user, read_affine
from export.hub.passes.fuse_matmul import read_linear
from export.hub.passes.rewrite import dims, fits_float32, float_constant, only_used_by, produced_by, replace

LINEAR = ("MatMul", "Gemm")


def fold_linear(model: ir.Model) -> int:
    """Fold scales and shifts into the matrix products before or after them; returns how many."""
    count = 0
    for node in list(model.graph):
        shape = dims(node.outputs[0]) if node.outputs else None
        affine = None if node.graph is None or not shape or len(shape) < 2 else read_affine(node, len(shape) - 1)
        if affine is not None:
            count += _fold_into_producer(node, affine) or _fold_into_user(node, affine)
    return count


def _fold_into_producer(node: ir.Node, affine: Affine) -> bool:
    linear = produced_by(affine.x, *LINEAR)
    read = None if linear is None else read_linear(linear)
    if read is None or not only_used_by(affine.x, node):
        return False
    matrix, row = read
    row = np.zeros(1) if row is None else row
    return _write(node, linear, linear.inputs[0], matrix * affine.scale, row * affine.scale + affine.shift)


def _fold_into_user(node: ir.Node, affine: Affine) -> bool:
    linear = only_user(node.outputs[0])
    read = read_linear(linear) if linear is not None and linear.op_type in LINEAR else None
    if read is None:
        return False
    matrix, row = read
    row = affine.shift @ matrix + (0 if row is None else row)
    if not _write(linear, linear, affine.x, matrix * affine.scale[:, None], row):
        return False
    node.graph.remove(node, safe=True)
    return True


def _write(node: ir.Node, linear: ir.Node, x: ir.Value, matrix: np.ndarray, row: np.ndarray) -> bool:
    """Put x·matrix + row in the place of ``node``, if there is an operator for it."""
    if not fits_float32(matrix, row) or (np.any(row) and len(dims(x)) != 2):
        return False
    graph, hint = node.graph, linear.inputs[1].name
    inputs = [x, float_constant(graph, matrix, hint)]
    if not np.any(row):
        replace(node, lambda tape: tape.op("MatMul", inputs, name=linear.name))
        return True
    bias = np.broadcast_to(row.reshape(-1), matrix.shape[1:])
    inputs.append(float_constant(graph, bias, f"{hint}_bias"))
    replace(node, lambda tape: tape.op("Gemm", inputs, name=linear.name))
    return True
