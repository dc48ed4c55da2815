"""Cast: another number type."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.ops.activation import result, source
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported

TYPES = (np.float32, np.int32, np.int64, np.bool_, np.uint8, np.int8)


@lowering("Cast", 13, 19, 21)
def cast(context: Lowering, node: ir.Node) -> None:
    """Another number type; fractions are cut off on the way to whole numbers, as in ONNX."""
    target = node.outputs[0].dtype or ir.DataType(context.attribute(node, "to"))
    try:
        kind = np.dtype(target.numpy())
    except (TypeError, ValueError) as error:
        raise unsupported(node, f"TFLite has no counterpart of the type {target.name.lower()}.") from error
    kind = np.dtype(np.float32) if kind == np.float64 else kind
    x = source(context, node)
    if kind not in TYPES:
        raise unsupported(node, f"a cast to {kind} is not supported; use {', '.join(np.dtype(t).name for t in TYPES)}.")
    if x.dtype == np.float32 and kind in (np.uint8, np.int8):  # over int32, as CAST clamps where ONNX Runtime wraps
        x = Formula(context).cast(x, np.int32)
    result(context, node, Formula(context).cast(x, kind))
