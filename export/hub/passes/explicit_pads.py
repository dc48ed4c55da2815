"""auto_pad = SAME means pads of (out − 1)·stride + (kernel − 1)·dilation + 1 − in, halved: so they are written out.

The odd one goes to the end for SAME_UPPER and to the beginning for SAME_LOWER; VALID means none. Convolutions,
transposed convolutions and poolings. Of a transposed convolution (in − 1)·stride + (kernel − 1)·dilation + 1 +
output_padding − out rows are cut; there SAME_UPPER puts the odd one at the end too, and all else at the beginning.
VALID cuts nothing unless an output_shape is given, which cuts as NOTSET does.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, dims

WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def explicit_pads(model: ir.Model) -> int:
    """Replace ``auto_pad`` by the pads that it means; returns how often."""
    return sum(make_explicit(node) for node in model.graph if node.op_type in WINDOWED)


def make_explicit(node: ir.Node) -> bool:
    """Replace a node's ``auto_pad``; ``False`` if it has none, or one that ONNX Runtime reads differently."""
    mode = attribute(node, "auto_pad", "NOTSET")
    x, y = dims(node.inputs[0]), dims(node.outputs[0])
    if mode == "NOTSET" or x is None or y is None or len(x) != len(y):
        return False
    spatial = len(x) - 2
    kernel = attribute(node, "kernel_shape") or dims(node.inputs[1])[2:]
    strides = attribute(node, "strides", (1,) * spatial)
    dilations = attribute(node, "dilations", (1,) * spatial)
    narrow, wide = (y[2:], x[2:]) if node.op_type != "ConvTranspose" else (x[2:], y[2:])
    output_padding = attribute(node, "output_padding", (0,) * spatial)
    shaped = attribute(node, "output_shape") is not None
    if any(output_padding) and mode != "VALID" and not shaped:
        return False  # ONNX Runtime's output is smaller by output_padding than ONNX's shape inference says
    if mode != "VALID" and node.op_type.endswith("Pool"):
        counts = [-(-size // stride) for size, stride in zip(wide, strides, strict=True)]
        reaches = [(count - 1) * stride + k for count, stride, k in zip(counts, strides, kernel, strict=True)]
        if (
            max(dilations) > 1
            or tuple(counts) != tuple(narrow)
            or any(r < n for r, n in zip(reaches, wide, strict=True))
        ):
            return False  # ONNX Runtime forgets dilation and ceil_mode here, and pads by negative numbers
    if mode != "VALID" and node.op_type == "Conv" and _leaves_gaps(narrow, wide, strides, kernel, dilations):
        return False
    begins, ends, extra = [], [], []
    for axis in range(spatial):
        reach = (narrow[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        total = 0 if mode == "VALID" and not shaped else max(reach + output_padding[axis] - wide[axis], 0)
        small, large = total // 2, total - total // 2
        upper = mode == "SAME_UPPER" or (mode == "VALID" and not shaped)
        begins.append(small if upper else large)
        ends.append(large if upper else small)
        extra.append(max(wide[axis] - reach + total, 0))
    if node.op_type == "ConvTranspose":
        node.attributes.pop("output_shape", None)
        node.attributes["output_padding"] = ir.AttrInt64s("output_padding", extra)
    node.attributes.pop("auto_pad")
    node.attributes["pads"] = ir.AttrInt64s("pads", begins + ends)
    return True


def _leaves_gaps(narrow: Sequence[int], wide: Sequence[int], *window: Sequence[int]) -> bool:
    """Whether a convolution leaves two lines or more at the end unread, where ONNX Runtime pads by negative numbers."""
    return any(
        size - ((count - 1) * stride + (k - 1) * dilation + 1) > 1
        for count, size, stride, k, dilation in zip(narrow, wide, *window, strict=True)
    )
