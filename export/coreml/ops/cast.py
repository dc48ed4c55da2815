"""Casts between element types."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from export.coreml.call import Call, mil_dtype
from export.coreml.integers import to_bool
from export.coreml.mil import mb
from export.coreml.registry import lowers

_DTYPES = {"FLOAT": "fp32", "DOUBLE": "fp32", "FLOAT16": "fp32", "INT32": "int32", "INT64": "int32", "BOOL": "bool"}
"""MIL types by ONNX type. fp16 is not forced here: the compute precision decides."""

_WIDTHS = {"INT8": (8, True), "UINT8": (8, False), "INT16": (16, True), "UINT16": (16, False)}
"""Bits of the integers that are carried as int32, and whether they have a sign."""


@lowers("Cast", since=13)
def cast(call: Call) -> Any:
    """Between floats, integers and bool; towards zero, and small integers keep their lowest bits, as in C.

    Integers are int32 in MIL, whatever their width. A number is true where it differs from zero.
    """
    to = ir.DataType(call.node.attributes["to"].value).name
    x = call.var(0)
    source, dtype = mil_dtype(x), "int32" if to in _WIDTHS else _DTYPES.get(to)
    if dtype is None:
        raise call.unsupported(f"a cast to {to}")
    if dtype == "bool":
        return mb.identity(x=x) if source == "bool" else to_bool(x)
    if dtype != source:
        x = mb.cast(x=x, dtype=dtype)
    if to in _WIDTHS and call.dtype(0).name not in (to, "BOOL"):
        return wrapped(x, *_WIDTHS[to])
    return mb.identity(x=x)


def wrapped(x: Any, bits: int, signed: bool) -> Any:
    """int32 ``x`` as what its lowest ``bits`` are worth."""
    span, low = np.int32(1 << bits), np.int32(1 << (bits - 1)) if signed else np.int32(0)
    if not signed:
        return mb.mod(x=x, y=span)
    return mb.sub(x=mb.mod(x=mb.add(x=x, y=low), y=span), y=low)
