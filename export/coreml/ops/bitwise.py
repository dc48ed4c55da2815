"""Bit by bit logic of integers, which MIL has none of: by arithmetic on each of the 31 bits, and by the sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from export.coreml.arrange import MAX_RANK, reshaped
from export.coreml.call import Call
from export.coreml.integers import ZERO
from export.coreml.mil import mb
from export.coreml.registry import lowers

_POWERS = (1 << np.arange(31)).astype(np.int32)
_SIGN = np.int32(np.iinfo(np.int32).min)
"""What the sign bit of two's complement is worth."""


@lowers("BitwiseNot", since=18)
def bitwise_not(call: Call) -> Any:
    """Every bit of a signed integer turned: ``−1 − x``."""
    return mb.sub(x=np.int32(-1), y=call.var(0))


def _bitwise(op_type: str, combine: Callable[[Any, Any], Any], doc: str) -> None:
    """Register an operator that ``combine`` computes from two bits, given as 0 and 1."""

    def lower(call: Call) -> Any:
        if len(call.out_shape()) >= MAX_RANK:
            raise call.unsupported(f"it takes an axis for the bits, beyond Core ML's {MAX_RANK}")
        x, y = call.var(0), call.var(1)
        bits = combine(*(_bits(value) for value in (x, y)))
        low = mb.reduce_sum(x=mb.mul(x=bits, y=_POWERS), axes=[len(bits.shape) - 1], keep_dims=False)
        sign = combine(*(mb.cast(x=mb.less(x=value, y=ZERO), dtype="int32") for value in (x, y)))
        return mb.add(x=low, y=mb.mul(x=sign, y=_SIGN))

    lower.__name__, lower.__doc__ = op_type.lower(), doc
    lowers(op_type, 18)(lower)


def _bits(x: Any) -> Any:
    """The lowest 31 bits of ``x`` along a new last axis: ``⌊x/2ᵏ⌋ mod 2``."""
    column = reshaped(x, (*x.shape, 1))
    return mb.mod(x=mb.floor_div(x=column, y=_POWERS), y=np.int32(2))


_bitwise("BitwiseAnd", lambda x, y: mb.mul(x=x, y=y), "The bits that both have.")
_bitwise("BitwiseOr", lambda x, y: mb.maximum(x=x, y=y), "The bits that either has.")
_bitwise("BitwiseXor", lambda x, y: mb.abs(x=mb.sub(x=x, y=y)), "The bits that one of both has.")
