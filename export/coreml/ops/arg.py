"""Positions of the largest and smallest values."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.arrange import reshaped
from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


def _argument(op_type: str, extreme: str, doc: str) -> None:
    """Register ArgMax or ArgMin.

    MIL's own operators leave open which of several equal values they find. ONNX wants the first, or the last with
    ``select_last_index``: the place of greatest rank, counted from the end (the beginning), that holds the extreme.
    """

    def lower(call: Call) -> Any:
        axis, x = call.axis(0), call.var(0)
        count = call.shape(0)[axis]
        places = np.arange(count, dtype=np.int32)
        last = bool(call.attr("select_last_index", 0))
        ranks = (places + 1 if last else count - places).reshape([count if a == axis else 1 for a in range(call.rank)])
        found = mb.equal(x=x, y=getattr(mb, extreme)(x=x, axes=[axis], keep_dims=True))
        ranked = mb.mul(x=mb.cast(x=found, dtype="int32"), y=ranks.astype(np.int32))
        best = mb.reduce_max(x=ranked, axes=[axis], keep_dims=True)
        if last:
            place = mb.maximum(x=mb.sub(x=best, y=np.int32(1)), y=np.int32(0))  # the bounds matter for NaN alone
        else:
            place = mb.minimum(x=mb.sub(x=np.int32(count), y=best), y=np.int32(count - 1))
        return reshaped(place, call.out_shape())

    lower.__name__, lower.__doc__ = op_type.lower(), doc
    lowers(op_type, 13)(lower)


_argument("ArgMax", "reduce_max", "The position of the largest value along an axis.")
_argument("ArgMin", "reduce_min", "The position of the smallest value along an axis.")
