"""Formulas written as operators: ``f.add(f.mul(x, 2.0), 1.0)`` emits MUL and ADD.

Kernels differ in the number types they take. What a method promises holds for float32, int32 and int64 unless it
says otherwise; for the narrow types :meth:`Formula.widened` computes in int32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.lines import emit_binary

Operand = Tensor | float
# TFLite reads these as quantized numbers: kernels of arithmetic misread or, without a scale, end the process.
NARROW = (np.uint8, np.int8)


class Formula:
    """Elementwise operators over tensors and numbers, with NumPy's broadcasting."""

    def __init__(self, context: Lowering) -> None:
        self._context, self._builder = context, context.builder

    def tensor(self, operand: Operand, dtype: Any = np.float32) -> Tensor:
        """A number as a scalar constant; a tensor as it is."""
        return operand if isinstance(operand, Tensor) else self._builder.constant(np.asarray(operand, dtype))

    def unary(self, code: str, x: Tensor, **options: Any) -> Tensor:
        """``code`` applied to each element."""
        return self._builder.emit(code, [x], x.shape, like=x, **options)

    def binary(self, code: str, a: Operand, b: Operand, dtype: Any = None) -> Tensor:
        """``code`` applied to each pair of elements; ``dtype`` is the result's (the first tensor's by default)."""
        kind = next(o.dtype for o in (a, b) if isinstance(o, Tensor))
        a, b = self.tensor(a, kind), self.tensor(b, kind)
        shape = np.broadcast_shapes(a.shape, b.shape)
        return emit_binary(self._context, code, a, b, shape, kind if dtype is None else dtype)

    def widened(self, formula: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """``formula(*tensors)``, for 8-bit whole numbers computed in int32 and cast back, which wraps as ONNX does."""
        kind = next((t.dtype for t in tensors if t.dtype != np.bool_), tensors[0].dtype)
        if kind not in NARROW:
            return formula(*tensors)
        y = formula(*(self.cast(t, np.int32) if t.dtype == kind else t for t in tensors))
        return self.cast(y, kind) if y.dtype == np.int32 else y

    def cast(self, x: Tensor, dtype: Any) -> Tensor:
        """``x`` as ``dtype``; fractions are cut off on the way to whole numbers."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        if x.data is not None:
            return self._builder.constant(x.data.astype(dtype))
        return self._builder.emit("CAST", [x], x.shape, dtype=dtype, inDataType=x.dtype, outDataType=dtype)

    def select(self, condition: Tensor, a: Operand, b: Operand) -> Tensor:
        """``a`` where ``condition`` is true, ``b`` elsewhere; any type."""
        kind = next(o.dtype for o in (a, b) if isinstance(o, Tensor))
        a, b = self.tensor(a, kind), self.tensor(b, kind)
        shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        return self._builder.emit("SELECT_V2", [condition, a, b], shape, dtype=kind)

    def add(self, a: Operand, b: Operand) -> Tensor:
        """``a + b``."""
        return self.binary("ADD", a, b)

    def sub(self, a: Operand, b: Operand) -> Tensor:
        """``a - b``."""
        return self.binary("SUB", a, b)

    def mul(self, a: Operand, b: Operand) -> Tensor:
        """``a * b``; multiplying by one writes nothing."""
        if isinstance(b, float) and b == 1.0:
            return self.tensor(a)
        return self.binary("MUL", a, b)

    def div(self, a: Operand, b: Operand) -> Tensor:
        """``a / b``, float32 only; of whole numbers see :mod:`export.tflite.ops.integers`."""
        return self.binary("DIV", a, b)

    def maximum(self, a: Operand, b: Operand) -> Tensor:
        """The larger of the two."""
        return self.binary("MAXIMUM", a, b)

    def minimum(self, a: Operand, b: Operand) -> Tensor:
        """The smaller of the two."""
        return self.binary("MINIMUM", a, b)

    def less(self, a: Operand, b: Operand) -> Tensor:
        """Whether ``a < b``."""
        return self.binary("LESS", a, b, dtype=np.bool_)

    def equal(self, a: Operand, b: Operand) -> Tensor:
        """Whether ``a == b``."""
        return self.binary("EQUAL", a, b, dtype=np.bool_)

    def neg(self, x: Tensor) -> Tensor:
        """``-x``."""
        return self.unary("NEG", x)

    def abs(self, x: Tensor) -> Tensor:
        """``|x|``; ABS has no int64 kernel."""
        return self.maximum(x, self.neg(x)) if x.dtype == np.int64 else self.unary("ABS", x)

    def sign(self, x: Tensor) -> Tensor:
        """-1, 0 or 1; SIGN has no int64 kernel."""
        if x.dtype != np.int64:
            return self.unary("SIGN", x)
        above, below = (self.cast(truth, x.dtype) for truth in (self.less(0, x), self.less(x, 0)))
        return self.sub(above, below)

    def reversed(self, x: Tensor) -> Tensor:
        """Numbers in the opposite order: ``-x``, and ``-1 - x`` for whole numbers, which cannot overflow."""
        return self.neg(x) if x.dtype == np.float32 else self.sub(-1, x)
