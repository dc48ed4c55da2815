"""View(InstanceNormalization(View(x))) = InstanceNormalization(x), if the views keep the channels apart.

A norm over (1, C, H·W) computes the same C means and variances as one over (1, C, H, W). And for one picture,
BatchNormalization in training mode normalizes each channel by that picture's own statistics: the same norm, and
what PyTorch once wrote for it. A norm over groups of channels stays as it is.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, dims, only_used_by, produced_by, replace

VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")


def unwrap_norm(model: ir.Model) -> int:
    """Turn instance norms in another op's clothes, or between two reshapes, into plain ones; returns how many."""
    count = 0
    for node in list(model.graph):
        if node.op_type == "BatchNormalization":
            count += _unwrap_batch_norm(node)
        elif node.op_type in VIEWS:
            count += _unwrap_view(node)
    return count


def _unwrap_batch_norm(node: ir.Node) -> bool:
    shape = dims(node.inputs[0])
    statistics_used = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    if not attribute(node, "training_mode", 0) or statistics_used or shape is None or shape[0] != 1 or len(shape) < 3:
        return False
    epsilon = attribute(node, "epsilon", 1e-5)
    node.resize_outputs(1)
    replace(node, lambda tape: tape.op("InstanceNormalization", list(node.inputs[:3]), {"epsilon": epsilon}))
    return True


def _unwrap_view(node: ir.Node) -> bool:
    norm = produced_by(node.inputs[0], "InstanceNormalization")
    view = None if norm is None else produced_by(norm.inputs[0], *VIEWS)
    if view is None or not only_used_by(node.inputs[0], node):
        return False
    x, inside, outside = dims(view.inputs[0]), dims(norm.inputs[0]), dims(node.outputs[0])
    if x is None or inside is None or x != outside or x[:2] != inside[:2] or len(x) < 3:
        return False
    inputs = [view.inputs[0], *norm.inputs[1:]]
    replace(node, lambda tape: tape.op("InstanceNormalization", inputs, dict(norm.attributes), name=norm.name))
    return True
