"""Conv(Pad₀(x); pads p) = Conv(x; pads p + q), and AveragePool and MaxPool likewise.

A Pad of q zeros around the picture becomes the convolution's own padding. It becomes an AveragePool's if that
counts its padding, or has none yet (then it counts from here on); a MaxPool's if the Pad writes −∞, or anything
that x never falls below: the lowest float, or zeros behind a Relu, as every window holds a pixel of x. Negative
pads crop and stay, and so does a Pad of channels, of another value or by reflection.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims, only_used_by, produced_by, replace
from export.hub.ranges import bounds

WINDOWED = ("Conv", "AveragePool", "MaxPool")


def fuse_pad(model: ir.Model) -> int:
    """Merge paddings into the convolutions and poolings behind them; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type in WINDOWED)


def _fuse(node: ir.Node) -> bool:
    pad = produced_by(node.inputs[0], "Pad")
    if pad is None or not only_used_by(node.inputs[0], node) or len(node.outputs) > 1:
        return False
    if attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    read = read_padding(pad)
    if read is None:
        return False
    added, filler = read
    if node.op_type == "MaxPool":
        if filler > max(bounds(pad.inputs[0])[0], float(np.finfo(np.float32).min)):
            return False
    elif filler != 0:
        return False
    rank = len(added) // 2
    own = attribute(node, "pads", (0,) * len(added))
    attributes = dict(node.attributes)
    attributes.pop("auto_pad", None)
    if node.op_type == "AveragePool":
        if attribute(node, "ceil_mode", 0) or (any(own) and not attribute(node, "count_include_pad", 0)):
            return False
        attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
    if node.op_type in ("AveragePool", "MaxPool"):
        kernel, dilations = attribute(node, "kernel_shape"), attribute(node, "dilations", (1,) * rank)
        total, size = [p + q for p, q in zip(own, added, strict=True)], dims(pad.inputs[0])[2:]
        if attribute(node, "ceil_mode", 0) or any(
            max(total[a], total[a + rank]) >= kernel[a] or size[a] < dilations[a] for a in range(rank)
        ):
            return False  # a window would lie in the padding alone, which runtimes refuse
    attributes["pads"] = ir.AttrInt64s("pads", [p + q for p, q in zip(own, added, strict=True)])
    inputs = [pad.inputs[0], *node.inputs[1:]]
    replace(node, lambda tape: tape.op(node.op_type, inputs, attributes, name=node.name))
    return True


def read_padding(pad: ir.Node) -> tuple[tuple[int, ...], float] | None:
    """What a Pad adds around the spatial axes, all begins and then all ends, and the number it writes there."""
    if attribute(pad, "mode", "constant") != "constant":
        return None
    shape, pads = dims(pad.inputs[0]), constant(pad.inputs[1])
    if shape is None or pads is None or len(shape) < 3:
        return None
    written, axes = (pad.inputs[i] if len(pad.inputs) > i else None for i in (2, 3))
    filler = np.zeros(1) if written is None else constant(written)
    if filler is None or filler.size != 1:
        return None
    rank = len(shape)
    padded_axes = range(rank) if axes is None else constant(axes)
    if padded_axes is None or np.any(pads < 0):
        return None
    full = [0] * (2 * rank)
    for i, axis in enumerate(padded_axes):
        full[int(axis) % rank] = int(pads[i])
        full[int(axis) % rank + rank] = int(pads[i + len(pads) // 2])
    if any(full[:2]) or any(full[rank : rank + 2]):
        return None
    return tuple(full[2:rank] + full[rank + 2 :]), float(filler.reshape(()))
