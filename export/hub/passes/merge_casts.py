"""Cast(Cast(x: a → b) → c) = Cast(x: a → c), where b holds every number of a exactly.

So bool → int64 → float is bool → float, and bool → float → bool is nothing at all. float → int32 → float rounds
and stays; and so does a narrow last step, which runtimes do not all cut off in the same way.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.merge_moves import bypass_to
from export.hub.passes.rewrite import attribute, produced_by, replace

T = ir.DataType
EXACT = {  # what holds every number of the type
    T.BOOL: {T.UINT8, T.INT8, T.INT16, T.INT32, T.INT64, T.FLOAT16, T.FLOAT, T.DOUBLE},
    T.UINT8: {T.INT16, T.UINT16, T.INT32, T.INT64, T.FLOAT16, T.FLOAT, T.DOUBLE},
    T.INT8: {T.INT16, T.INT32, T.INT64, T.FLOAT16, T.FLOAT, T.DOUBLE},
    T.INT16: {T.INT32, T.INT64, T.FLOAT, T.DOUBLE},
    T.UINT16: {T.INT32, T.INT64, T.FLOAT, T.DOUBLE},
    T.INT32: {T.INT64, T.DOUBLE},
    T.FLOAT: {T.DOUBLE},
}


def merge_casts(model: ir.Model) -> int:
    """Shorten chains of Casts that lose nothing on the way; returns how many went."""
    return sum(_merge(node) for node in list(model.graph) if node.op_type == "Cast")


def _merge(node: ir.Node) -> bool:
    inner = produced_by(node.inputs[0], "Cast")
    if inner is None:
        return False
    x, between, last = inner.inputs[0], node.inputs[0].dtype, node.outputs[0].dtype
    if x.dtype is None or between not in EXACT.get(x.dtype, ()):
        return False
    if last is x.dtype:
        return bypass_to(node, x)
    if last is not T.BOOL and last not in EXACT[x.dtype]:
        return False
    replace(node, lambda tape: tape.op("Cast", [x], {"to": attribute(node, "to")}))
    return True
