"""f(x, Expand(y)) = f(x, y) where f broadcasts y as far by itself.

Squeeze and excitation is often written ``x * w.expand_as(x)``; the copy is as large as the picture. An operand of f
goes without its Expand if the others still give the result its shape. Up to rank 4, where every kernel of both targets
broadcasts.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.push_rules import BROADCASTING
from export.hub.passes.rewrite import dims, produced_by

MAX_RANK = 4


def drop_expand(model: ir.Model) -> int:
    """Take Expand from operands that are broadcast anyway; returns how many."""
    return sum(_drop(node, i) for node in model.graph if node.op_type in BROADCASTING for i in range(len(node.inputs)))


def _drop(node: ir.Node, index: int) -> bool:
    expand = produced_by(node.inputs[index], "Expand")
    if expand is None or node.op_type == "PRelu":  # which broadcasts in one direction only
        return False
    shapes = [dims(expand.inputs[0] if i == index else value) for i, value in enumerate(node.inputs)]
    shape = dims(node.outputs[0])
    if shape is None or None in shapes or len(shape) > MAX_RANK or np.broadcast_shapes(*shapes) != shape:
        return False
    node.replace_input_with(index, expand.inputs[0])
    return True
