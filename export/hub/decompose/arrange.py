"""Operators that move elements to places known beforehand: slices, pads, gathers, transposed convolutions."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, fixed, number, shape_of, unsupported, whole
from export.hub.passes.rewrite import attribute, replace


@decomposes("CenterCropPad", 18)
def center_crop_pad(node: ir.Node) -> bool:
    """The middle of each axis, or zeros around it; an odd line goes to the end.

    https://onnx.ai/onnx/operators/onnx__CenterCropPad.html
    """
    x, shape = node.inputs[0], shape_of(node)
    axes = [axis % len(shape) for axis in attribute(node, "axes", range(len(shape)))]
    wanted = dict(zip(axes, (int(n) for n in fixed(node, 1, "shape")), strict=True))
    crops = {axis: (shape[axis] - n) // 2 for axis, n in wanted.items() if n < shape[axis]}
    pads = [(n - shape[axis]) // 2 if (n := wanted.get(axis, 0)) > shape[axis] else 0 for axis in range(len(shape))]
    ends = [
        n - shape[axis] - pads[axis] if (n := wanted.get(axis, 0)) > shape[axis] else 0 for axis in range(len(shape))
    ]
    constants = [
        whole(node, list(crops.values()), "starts"),
        whole(node, [start + wanted[axis] for axis, start in crops.items()], "ends"),
        whole(node, list(crops), "axes"),
    ]
    widths = whole(node, pads + ends, "pads")

    def build(tape: Tape) -> ir.Value:
        y = tape.op("Slice", [x, *constants]) if crops else x
        return tape.op("Pad", [y, widths]) if any(pads + ends) else tape.op("Identity", [y])

    replace(node, build)
    return True


@decomposes("Compress", 11)
def compress(node: ir.Node) -> bool:
    """The lines whose constant condition is true, gathered; of all elements in a row where there is no axis.

    https://onnx.ai/onnx/operators/onnx__Compress.html
    """
    x, shape = node.inputs[0], shape_of(node)
    index = whole(node, np.flatnonzero(fixed(node, 1, "condition")), "lines")
    axis = attribute(node, "axis")
    flat = whole(node, [-1], "flat")
    if axis is None:
        replace(node, lambda tape: tape.op("Gather", [tape.op("Reshape", [x, flat]), index], {"axis": 0}))
    else:
        replace(node, lambda tape: tape.op("Gather", [x, index], {"axis": axis % len(shape)}))
    return True


@decomposes("Col2Im", 18)
def col2im(node: ir.Node) -> bool:
    """Blocks added up where they overlap: a transposed convolution, channel by channel, with unit kernels.

    Row k of a channel's block meets the kernel that is 1 at place k. https://onnx.ai/onnx/operators/onnx__Col2Im.html
    """
    x, (batch, rows, _) = node.inputs[0], shape_of(node)
    image = [int(n) for n in fixed(node, 1, "image shape")]
    block = [int(n) for n in fixed(node, 2, "block shape")]
    rank, taps = len(image), int(np.prod(block))
    if rows % taps:
        raise unsupported(node, f"{rows} rows are no whole number of blocks of {taps}")
    strides = attribute(node, "strides", (1,) * rank)
    dilations = attribute(node, "dilations", (1,) * rank)
    pads = attribute(node, "pads", (0,) * 2 * rank)
    reach = [d * (b - 1) + 1 for d, b in zip(dilations, block, strict=True)]
    counts = [(n + pads[k] + pads[rank + k] - reach[k]) // strides[k] + 1 for k, n in enumerate(image)]
    channels = rows // taps
    weights = np.tile(np.eye(taps).reshape(taps, 1, *block), (channels, *([1] * (rank + 1))))
    kernel = number(node, weights, x, "units")
    folded = whole(node, [batch, rows, *counts], "blocks")
    rest = [n + pads[k] + pads[rank + k] - reach[k] - (counts[k] - 1) * strides[k] for k, n in enumerate(image)]
    settings = {
        "group": channels,
        "kernel_shape": block,
        "strides": list(strides),
        "dilations": list(dilations),
        "pads": list(pads),
        "output_padding": rest,
    }
    if not any(rest):
        del settings["output_padding"]
    replace(node, lambda tape: tape.op("ConvTranspose", [tape.op("Reshape", [x, folded]), kernel], settings))
    return True
