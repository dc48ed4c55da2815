"""Reshape(InstanceNormalization(Reshape(x; 1, G, …))) = GroupNormalization(x; G): how exporters write a group norm.

A row of the view (1, G, C/G·H·W) is a group of C/G neighboring channels. The row's scale and bias are those of each
of its channels. And with as many groups as channels, GroupNormalization is InstanceNormalization.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.fuse_layer_norm import picture_behind
from export.hub.passes.rewrite import attribute, constant, dims, float_constant, only_used_by, produced_by, replace
from export.hub.passes.statistics import VIEWS


def fuse_group_norm(model: ir.Model) -> int:
    """Fuse group norms that are spelled as instance norms of a view; returns how many nodes were written."""
    count = 0
    for node in list(model.graph):
        if node.op_type in VIEWS:
            count += _fuse(node)
        elif node.op_type == "GroupNormalization":
            count += _one_channel_groups(node)
    return count


def _fuse(node: ir.Node) -> bool:
    norm = produced_by(node.inputs[0], "InstanceNormalization")
    rows = None if norm is None else dims(norm.inputs[0])
    if rows is None or rows[0] != 1 or not only_used_by(node.inputs[0], node):
        return False
    x, (scale, bias) = picture_behind(norm.inputs[0], rows[1]), (constant(value) for value in norm.inputs[1:3])
    if x is None or scale is None or bias is None or dims(node.outputs[0]) != dims(x) or dims(x)[1] == rows[1]:
        return False
    each = dims(x)[1] // rows[1]
    inputs = [x, *(float_constant(node.graph, np.repeat(a, each), "group_norm") for a in (scale, bias))]
    attributes = {"num_groups": rows[1], "epsilon": attribute(norm, "epsilon", 1e-5)}
    replace(node, lambda tape: tape.op("GroupNormalization", inputs, attributes, name=norm.name))
    return True


def _one_channel_groups(node: ir.Node) -> bool:
    shape = dims(node.inputs[0])
    if shape is None or len(shape) != 4 or attribute(node, "num_groups") != shape[1]:
        return False
    attributes = {"epsilon": attribute(node, "epsilon", 1e-5)}
    replace(node, lambda tape: tape.op("InstanceNormalization", list(node.inputs), attributes, name=node.name))
    return True
