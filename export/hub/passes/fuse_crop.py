"""Slice(ConvTranspose(x; pads p)) = ConvTranspose(x; pads p + q): the crop that a transposed convolution makes itself.

The pads of a transposed convolution are rows and columns that it does not return. So cutting q more of them off
its borders, as TensorFlow's SAME does with Slice, means larger pads. Output padding adds rows at the end; cut
ones are taken from it first.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, only_used_by, produced_by, replace


def fuse_crop(model: ir.Model) -> int:
    """Merge crops into the transposed convolutions before them; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type == "Slice")


def _fuse(node: ir.Node) -> bool:
    conv = produced_by(node.inputs[0], "ConvTranspose")
    if conv is None or not only_used_by(node.inputs[0], node):
        return False
    if attribute(conv, "auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in conv.attributes:
        return False
    cut = read_crop(node)
    if cut is None or any(cut[axis] != (0, 0) for axis in (0, 1)):
        return False
    spatial = len(cut) - 2
    pads = list(attribute(conv, "pads", (0,) * (2 * spatial)))
    extra = list(attribute(conv, "output_padding", (0,) * spatial))
    for axis, (begin, end) in enumerate(cut[2:]):
        from_extra = min(end, extra[axis])
        extra[axis] -= from_extra
        pads[axis] += begin
        pads[axis + spatial] += end - from_extra
    attributes = dict(conv.attributes)
    attributes.pop("auto_pad", None)
    attributes["pads"] = ir.AttrInt64s("pads", pads)
    attributes["output_padding"] = ir.AttrInt64s("output_padding", extra)
    inputs = list(conv.inputs)
    replace(node, lambda tape: tape.op("ConvTranspose", inputs, attributes, name=conv.name))
    return True


def read_crop(node: ir.Node) -> list[tuple[int, int]] | None:
    """For each axis, how much a Slice cuts off at the beginning and at the end; ``None`` if it does more than crop."""
    shape = dims(node.inputs[0])
    starts, ends = constant(node.inputs[1]), constant(node.inputs[2])
    axes, steps = (node.inputs[i] if len(node.inputs) > i else None for i in (3, 4))
    if shape is None or starts is None or ends is None:
        return None
    cut_axes = range(len(starts)) if axes is None else constant(axes)
    step_values = np.ones(len(starts)) if steps is None else constant(steps)
    if cut_axes is None or step_values is None or np.any(step_values != 1):
        return None
    cut = [(0, 0)] * len(shape)
    for axis, start, end in zip(cut_axes, starts, ends, strict=True):
        size = shape[int(axis)]
        first, last, _ = slice(int(start), int(end)).indices(size)
        if last <= first:
            return None
        cut[int(axis) % len(shape)] = (first, size - last)
    return cut
