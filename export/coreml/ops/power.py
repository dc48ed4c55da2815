"""Powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

MAX_PRODUCT, MAX_ROUNDED = 16, 4
"""The largest whole exponents that are spelled out as products: of integers, and of floats, which round each."""


@lowers("Pow", since=15)
def power(call: Call) -> Any:
    """``x^y``, of ``x``'s type; the exponents 1/2, −1 and small whole numbers have operations of their own."""
    x, exponent = call.var(0), call.array(1)
    if exponent is not None and exponent.size == 1 and call.out_shape() == call.shape(0):
        value = float(exponent.item())
        if value == int(value) and 1 <= value <= (MAX_ROUNDED if call.is_float() else MAX_PRODUCT):
            return product(x, int(value))
        special: dict[float, Callable[[], Any]] = {
            0.5: lambda: mb.sqrt(x=x),
            -1.0: lambda: mb.real_div(x=1.0, y=x),
        }
        if call.is_float() and value in special:
            return special[value]()
    if call.is_float():
        y = call.var(1) if call.is_float(1) else mb.cast(x=call.var(1), dtype="fp32")
        return mb.pow(x=x, y=y)
    if not call.is_float(1):
        return mb.pow(x=x, y=call.var(1))
    if exponent is None or (exponent != np.round(exponent)).any() or (np.abs(exponent) > np.iinfo(np.int32).max).any():
        raise call.unsupported("powers of integers to exponents that may be fractions")
    return mb.pow(x=x, y=exponent.astype(np.int32))


def product(x: Any, count: int) -> Any:
    """``x^count`` by repeated squaring."""
    if count == 1:
        return mb.identity(x=x)
    half = product(x, count // 2) if count > 3 else x
    square = mb.square(x=half)
    return mb.mul(x=square, y=x) if count % 2 else square
