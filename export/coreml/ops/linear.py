"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.quantize import scaled_for_fp16, stored_weight
from export.coreml.registry import lowers


@lowers("MatMul", since=13)
def matmul(call: Call) -> Any:
    """NumPy's ``matmul``; a vector counts as a matrix of one row or column, a constant matrix is MIL's ``linear``."""
    x, y, weight = call.var(0), call.var(1), call.array(1)
    stored = call.is_float() and stored_weight(call) is not None
    if call.is_float() and len(y.shape) == 2 and call.rank in (2, 3) and x.val is None:
        if weight is not None:
            return mb.linear(x=x, weight=np.ascontiguousarray(weight.T))
        if stored:
            x, weight = scaled_for_fp16(call, transposed=True)
            return mb.linear(x=x, weight=weight)
    if stored:
        x, y = scaled_for_fp16(call)
    if len(x.shape) == 1:
        x = reshaped(x, (1, *x.shape))
    if len(y.shape) == 1:
        y = reshaped(y, (*y.shape, 1))
    product = mb.matmul(x=x, y=y)
    return product if tuple(product.shape) == call.out_shape() else reshaped(product, call.out_shape())


@lowers("Gemm", since=13)
def gemm(call: Call) -> Any:
    """``alpha·A'·B' + beta·C``; constant ``B`` and a bias row become MIL's ``linear``."""
    alpha, beta = call.attr("alpha", 1.0), call.attr("beta", 1.0)
    trans_a, trans_b = bool(call.attr("transA", 0)), bool(call.attr("transB", 0))
    a, b, c = call.var(0), call.array(1), call.array(2)
    if c is None and call.has(2):
        c = call.var(2).val  # a bias of 32 bits behind DequantizeLinear
    if not call.is_float() and (alpha != 1.0 or beta != 1.0):
        raise call.unsupported(f"integers scaled by alpha={alpha:g} and beta={beta:g}")
    stored = call.is_float() and stored_weight(call) is not None
    is_row = not call.has(2) or (c is not None and (c.ndim < 2 or c.shape[0] == 1))
    if call.is_float() and not trans_a and is_row and (b is not None or (stored and alpha > 0)):
        if b is not None:
            weight = np.ascontiguousarray(b if trans_b else b.T) * np.float32(alpha)
        else:
            a, weight = scaled_for_fp16(call, transposed=not trans_b, alpha=alpha)
        row = np.zeros(1, np.float32) if c is None else c * np.float32(beta)
        bias = np.ascontiguousarray(np.broadcast_to(row.reshape(-1), weight.shape[0]))
        return mb.linear(x=a, weight=weight, bias=bias)
    b = call.var(1)
    if stored:
        a, b = scaled_for_fp16(call)
    y = mb.matmul(x=a, y=b, transpose_x=trans_a, transpose_y=trans_b)
    if alpha != 1.0:
        y = mb.mul(x=y, y=alpha)
    if not call.has(2):
        return y
    return mb.add(x=y, y=call.var(2) if beta == 1.0 else mb.mul(x=call.var(2), y=beta))
