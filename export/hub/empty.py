"""Tensors without elements, as exporters leave them behind: what a Concat joins or a Split gives beside all the rest.

[x, nothing] = [x], and a part of length 0 that nobody reads need not be split off.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, new_constant


def drop_empty(model: ir.Model) -> int:
    """Leave empty tensors out of every Concat, and out of every Split where nothing reads them; returns how often."""
    count = 0
    for node in list(model.graph):
        if node.op_type == "Concat":
            count += _join_less(node)
        elif node.op_type == "Split":
            count += _split_less(node)
    return count


def _is_empty(value: ir.Value | None) -> bool:
    return value is not None and 0 in (dims(value) or ())


def _join_less(node: ir.Node) -> bool:
    full = [value for value in node.inputs if not _is_empty(value)]
    if len(full) == len(node.inputs) or not full:
        return False
    joined = ir.node("Concat", full, {"axis": attribute(node, "axis")}, name=node.name)
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], [joined], node.outputs, joined.outputs)
    return True


def _split_less(node: ir.Node) -> bool:
    empty = [_is_empty(v) and not v.uses() and not v.is_graph_output() for v in node.outputs]
    sizes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if not any(empty) or all(empty) or sizes is None:
        return False
    full = [value for value, drop in zip(node.outputs, empty, strict=True) if not drop]
    kept = np.asarray([size for size, drop in zip(sizes, empty, strict=True) if not drop], np.int64)
    if len(full) == 1:
        part = ir.node("Identity", [node.inputs[0]], name=node.name)
    else:
        lengths = new_constant(node.graph, kept, f"{full[0].name}_sizes")
        settings = {"axis": attribute(node, "axis", 0)}
        part = ir.node("Split", [node.inputs[0], lengths], settings, num_outputs=len(full), name=node.name)
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], [part], full, part.outputs)
    return True
