"""Lp pooling: (Σ |x|ᵖ)^(1/p) over windows, the sum being a depthwise convolution with ones.

https://onnx.ai/onnx/operators/onnx__LpPool.html
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, number, shape_of, unsupported, whole
from export.hub.passes.explicit_pads import make_explicit
from export.hub.passes.rewrite import attribute, dims, replace


@decomposes("GlobalLpPool", 2)
def global_lp_pool(node: ir.Node) -> bool:
    """The norm of each whole plane; its maximum is taken out first where powers above 2 would leave float16."""
    x, p = node.inputs[0], attribute(node, "p", 2)
    axes = whole(node, list(range(2, len(shape_of(node)))), "axes")
    if p in (1, 2):
        replace(node, lambda tape: tape.op(f"ReduceL{p}", [x, axes], {"keepdims": 1}))
        return True
    one, zero = number(node, 1, x, "one"), number(node, 0, x, "zero")
    power, root = number(node, p, x, "power"), number(node, 1 / p, x, "root")

    def build(tape: Tape) -> ir.Value:
        size = tape.op("Abs", [x])
        largest = tape.op("ReduceMax", [size, axes], {"keepdims": 1})
        by = tape.op("Where", [tape.op("Equal", [largest, zero]), one, largest])
        powers = tape.op("Pow", [tape.op("Div", [size, by]), power])
        return tape.op("Mul", [by, tape.op("Pow", [tape.op("ReduceSum", [powers, axes], {"keepdims": 1}), root])])

    replace(node, build)
    return True


@decomposes("LpPool", 18)
def lp_pool(node: ir.Node) -> bool:
    """What lies outside counts as zero, so a window that ``ceil_mode`` adds is one more pad at the end."""
    make_explicit(node)
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        raise unsupported(node, "ONNX Runtime reads its auto_pad in another way than the ONNX standard")
    x, p = node.inputs[0], attribute(node, "p", 2)
    shape, output = shape_of(node), dims(node.outputs[0])
    kernel = attribute(node, "kernel_shape")
    ones = number(node, np.ones((shape[1], 1, *kernel)), x, "ones")
    power, root = number(node, p, x, "power"), number(node, 1 / p, x, "root")
    settings = {
        "kernel_shape": list(kernel),
        "strides": list(attribute(node, "strides", (1,) * len(kernel))),
        "dilations": list(attribute(node, "dilations", (1,) * len(kernel))),
        "group": shape[1],
    }
    settings["pads"] = _pads(node, shape[2:], output[2:], settings)

    def build(tape: Tape) -> ir.Value:
        powers = tape.op("Mul", [x, x]) if p == 2 else tape.op("Abs", [x])
        if p > 2:
            powers = tape.op("Pow", [powers, power])
        total = tape.op("Conv", [powers, ones], settings)
        if p == 1:
            return total
        return tape.op("Sqrt", [total]) if p == 2 else tape.op("Pow", [total, root])

    replace(node, build)
    return True


def _pads(node: ir.Node, size: tuple[int, ...], output: tuple[int, ...], settings: dict[str, list[int]]) -> list[int]:
    """Pads at the beginnings, then at the ends, that give ``output`` lines exactly."""
    given = attribute(node, "pads", (0,) * 2 * len(size))
    begins, ends = [], []
    for axis, (n, out) in enumerate(zip(size, output, strict=True)):
        stride, dilation = settings["strides"][axis], settings["dilations"][axis]
        reach = (out - 1) * stride + (settings["kernel_shape"][axis] - 1) * dilation + 1
        begins.append(given[axis])
        ends.append(max(0, reach - n - given[axis]))
    return begins + ends
