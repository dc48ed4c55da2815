"""auto_pad = SAME means pads of (out − 1)·stride + (kernel − 1)·dilation + 1 − in, halved: so they are written out.

The odd one goes to the end for SAME_UPPER and to the beginning for SAME_LOWER; VALID means none. Convolutions,
transposed convolutions (where (in − 1)·stride + (kernel − 1)·dilation + 1 − out rows are cut) and poolings.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, dims

WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def explicit_pads(model: ir.Model) -> int:
    """Replace ``auto_pad`` by the pads that it means; returns how often."""
    return sum(_make_explicit(node) for node in model.graph if node.op_type in WINDOWED)


def _make_explicit(node: ir.Node) -> bool:
    mode = attribute(node, "auto_pad", "NOTSET")
    x, y = dims(node.inputs[0]), dims(node.outputs[0])
    if mode == "NOTSET" or x is None or y is None:
        return False
    spatial = len(x) - 2
    kernel = attribute(node, "kernel_shape") or dims(node.inputs[1])[2:]
    strides = attribute(node, "strides", (1,) * spatial)
    dilations = attribute(node, "dilations", (1,) * spatial)
    narrow, wide = (y[2:], x[2:]) if node.op_type != "ConvTranspose" else (x[2:], y[2:])
    begins, ends, extra = [], [], []
    for axis in range(spatial):
        reach = (narrow[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        total = 0 if mode == "VALID" else max(reach - wide[axis], 0)
        small, large = total // 2, total - total // 2
        begins.append(small if mode != "SAME_LOWER" else large)
        ends.append(large if mode != "SAME_LOWER" else small)
        extra.append(max(wide[axis] - reach + total, 0))
    if node.op_type == "ConvTranspose":
        node.attributes.pop("output_shape", None)
        node.attributes["output_padding"] = ir.AttrInt64s("output_padding", extra)
    node.attributes.pop("auto_pad")
    node.attributes["pads"] = ir.AttrInt64s("pads", begins + ends)
    return True
