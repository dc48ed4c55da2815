"""Running totals along an axis: CumSum."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering
from export.tflite.registry import lowering


@lowering("CumSum", 14)
def cum_sum(context: Lowering, node: ir.Node) -> None:
    """The sum of all elements up to each one, which ``exclusive`` leaves out; ``reverse`` sums from the end."""
    placed = context.place(node.inputs[0])
    axis = int(context.need_constant(node, 1, "axis").reshape(-1)[0]) % len(placed.perm)
    inputs = [placed.tensor, context.builder.constant(np.int32(placed.perm.index(axis)))]
    exclusive, reverse = (bool(context.attribute(node, name, 0)) for name in ("exclusive", "reverse"))
    y = context.builder.emit(
        "CUMSUM", inputs, placed.tensor.shape, like=placed.tensor, exclusive=exclusive, reverse=reverse
    )
    context.bind(node.outputs[0], y, placed.perm)
