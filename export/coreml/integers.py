"""Whole numbers and truth values in MIL, where its operators differ from ONNX's or leave a type out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from export.coreml.call import mil_dtype
from export.coreml.mil import mb

ZERO, ONE = np.int32(0), np.int32(1)


def truncated_div(x: Any, y: Any) -> Any:
    """``x/y`` of int32 rounded towards zero: MIL's ``floor_div``, plus one where it went below a negative quotient."""
    below = mb.floor_div(x=x, y=y)
    rest = mb.sub(x=x, y=mb.mul(x=below, y=y))
    return mb.add(x=below, y=mb.cast(x=_signs_differ(x, y, rest), dtype="int32"))


def truncated_mod(x: Any, y: Any) -> Any:
    """The remainder of int32 with the sign of ``x``, as in C: MIL's has the sign of ``y``, as in Python."""
    rest = mb.mod(x=x, y=y)
    return mb.sub(x=rest, y=mb.mul(x=mb.cast(x=_signs_differ(x, y, rest), dtype="int32"), y=y))


def _signs_differ(x: Any, y: Any, rest: Any) -> Any:
    opposite = mb.logical_xor(x=mb.less(x=x, y=ZERO), y=mb.less(x=y, y=ZERO))
    return mb.logical_and(x=opposite, y=mb.not_equal(x=rest, y=ZERO))


def as_integers(move: Callable[[Any], Any], x: Any, is_bool: bool) -> Any:
    """``move(x)`` for an operator that MIL has for numbers only: truth values go through int32, as 0 and 1."""
    if not is_bool:
        return move(x)
    return to_bool(move(mb.cast(x=x, dtype="int32")))


def to_bool(x: Any) -> Any:
    """Whether numbers differ from zero; not MIL's ``cast``, which coremltools merges with a cast to int32 before it."""
    return mb.not_equal(x=x, y=ZERO if mil_dtype(x) == "int32" else np.float32(0))
