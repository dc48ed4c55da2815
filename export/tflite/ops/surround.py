"""What surrounds a convolution in the hub: whether it is plain, and how its input is padded."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import Lowering

ONE_LINE = [1, 1]


def is_plain(context: Lowering, node: ir.Node) -> bool:
    """Stride 1, one group, not dilated, pads written out."""
    attributes = {"strides": ONE_LINE, "dilations": ONE_LINE, "group": 1, "auto_pad": "NOTSET"}
    return all(_same(context.attribute(node, name, default), default) for name, default in attributes.items())


def _same(value: object, default: object) -> bool:
    return list(value) == default if isinstance(default, list) else value == default


def padded_by_one(context: Lowering, node: ir.Node) -> tuple[ir.Value, str] | None:
    """What a convolution pads by one line all around, itself or by a Pad in front, and how.

    "constant" is zeros, "reflect" and "edge" as ONNX means them. None for any other padding.
    """
    pads = list(context.attribute(node, "pads", [0, 0, 0, 0]))
    value = node.inputs[0]
    if pads == ONE_LINE * 2:
        return value, "constant"
    pad = value.producer()
    if any(pads) or pad is None or pad.op_type != "Pad":
        return None
    given = context.constant(pad.inputs[1])
    if given is None or context.input(pad, 3) is not None or list(given) != [0, 0, *ONE_LINE] * 2:
        return None
    mode = context.attribute(pad, "mode", "constant")
    fill = context.input(pad, 2)
    if mode not in ("constant", "reflect", "edge"):
        return None
    if mode == "constant" and fill is not None and np.any(context.constant(fill) != 0):
        return None
    return pad.inputs[0], mode
