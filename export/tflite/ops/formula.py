"""Float formulas written as operators: ``f.add(f.mul(x, 2.0), 1.0)`` emits MUL and ADD."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering

Operand = Tensor | float


class Formula:
    """Elementwise operators over tensors and numbers, with NumPy's broadcasting."""

    def __init__(self, context: Lowering) -> None:
        self._builder = context.builder

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
        return self._builder.emit(code, [a, b], shape, dtype=kind if dtype is None else dtype)

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
        """``a / b``."""
        return self.binary("DIV", a, b)

    def maximum(self, a: Operand, b: Operand) -> Tensor:
        """The larger of the two."""
        return self.binary("MAXIMUM", a, b)

    def minimum(self, a: Operand, b: Operand) -> Tensor:
        """The smaller of the two."""
        return self.binary("MINIMUM", a, b)
