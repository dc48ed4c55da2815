"""Pools whose ``ceil_mode`` would add a window that starts in the padding: that window does not exist.

ONNX says so since opset 22 and ONNX Runtime always did, but ONNX's shape inference for older opsets counts it. Along
an axis of ``n`` numbers with pads ``b`` and ``a``, reach ``k`` and stride ``s``, the last of ``o = ceil((n + b + a - k)
/ s) + 1`` windows starts at ``(o - 1) s``; from ``n + b`` on there is nothing in it. Without it the pool is one of
floors, whose end is padded until the windows that do exist fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import onnx_ir as ir

from export.hub.passes.rewrite import attribute
from export.hub.shapes import SHAPED_LIKE, forget_shapes

POOLS = ("AveragePool", "LpPool", "MaxPool")


def settle_ceil_mode(model: ir.Model) -> int:
    """Rewrite such pools as ones without ``ceil_mode``; returns how many.

    A pool whose input's size is open, or whose end cannot be padded because pads count in its mean, stays.
    """
    settled = 0
    pools = [node for node in model.graph if node.op_type in POOLS and attribute(node, "ceil_mode", 0)]
    while pools:
        shapes = _inferred_shapes(model)
        changed = [node for node in pools if _settle(node, shapes.get(node.inputs[0].name))]
        if not changed:
            break
        forget_shapes(model)
        settled += len(changed)
        pools = [node for node in pools if node not in changed]
    return settled


def _inferred_shapes(model: ir.Model) -> Mapping[str, Sequence[int] | None]:
    proto = ir.to_proto(model)
    for node in proto.graph.node:
        node.op_type = SHAPED_LIKE.get(node.op_type, node.op_type)
    graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    shapes: dict[str, Sequence[int] | None] = {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        dims = info.type.tensor_type.shape.dim
        shapes[info.name] = [d.dim_value for d in dims] if all(d.HasField("dim_value") for d in dims) else None
    return shapes


def _settle(node: ir.Node, shape: Sequence[int] | None) -> bool:
    kernel = attribute(node, "kernel_shape")
    axes = len(kernel)
    if shape is None or len(shape) != axes + 2 or attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return False
    pads = list(attribute(node, "pads", [0] * (2 * axes)))
    strides = attribute(node, "strides", [1] * axes)
    dilations = attribute(node, "dilations", [1] * axes)
    dropped = False
    for i, (n, k, s, d) in enumerate(zip(shape[2:], kernel, strides, dilations, strict=True)):
        reach = (k - 1) * d + 1
        windows = -(-(n + pads[i] + pads[i + axes] - reach) // s) + 1
        if (windows - 1) * s >= n + pads[i]:
            dropped = True
            continue
        missing = (windows - 1) * s + reach - (n + pads[i] + pads[i + axes])
        if missing > 0 and attribute(node, "count_include_pad", 0):
            return False
        pads[i + axes] += max(missing, 0)
    if not dropped:
        return False
    node.attributes["pads"] = ir.AttrInt64s("pads", pads)
    node.attributes["ceil_mode"] = ir.AttrInt64("ceil_mode", 0)
    return True
