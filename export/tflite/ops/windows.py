"""Sliding windows: how ONNX's explicit pads become TFLite's SAME, VALID or a PAD in front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.registry import unsupported

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A two-dimensional window; ``before`` and ``after`` are the pads at the start and end of (height, width)."""

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair

    @property
    def reach(self) -> Pair:
        """The extent of the dilated kernel."""
        (kh, kw), (dh, dw) = self.kernel, self.dilations
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return any(self.before) or any(self.after)

    def same_pads(self, size: Pair) -> tuple[Pair, Pair]:
        """The pads that TFLite's SAME puts before and after an input of this size."""
        totals = tuple(
            max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, self.strides, self.reach, strict=True)
        )
        before = tuple(total // 2 for total in totals)
        return before, tuple(t - b for t, b in zip(totals, before, strict=True))

    def is_same(self, size: Pair) -> bool:
        """Whether the pads are exactly those of SAME for an input of this size."""
        return (self.before, self.after) == self.same_pads(size)


def read_window(context: Lowering, node: ir.Node, kernel: Pair, size: Pair, output: Pair) -> Window:
    """The node's window over an input of ``size``, with ``auto_pad`` and ``ceil_mode`` turned into pads.

    ``output`` is the hub's output size: where ``ceil_mode`` makes the last window hang over, ``after`` grows.
    """
    strides = tuple(context.attribute(node, "strides", (1, 1)))
    dilations = tuple(context.attribute(node, "dilations", (1, 1)))
    pads = tuple(context.attribute(node, "pads", (0, 0, 0, 0)))
    auto_pad = context.attribute(node, "auto_pad", "NOTSET")
    if min(pads) < 0:
        raise unsupported(node, f"negative pads {list(pads)} are not supported.")
    window = Window(tuple(kernel), strides, dilations, pads[:2], pads[2:])
    if auto_pad == "VALID":
        return Window(window.kernel, strides, dilations, (0, 0), (0, 0))
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        small, large = window.same_pads(size)
        if auto_pad == "SAME_LOWER":
            small, large = large, small
        return Window(window.kernel, strides, dilations, small, large)
    needed = [(o - 1) * s + k for o, s, k in zip(output, strides, window.reach, strict=True)]
    after = tuple(max(a, n - i - b) for a, n, i, b in zip(window.after, needed, size, window.before, strict=True))
    return Window(window.kernel, strides, dilations, window.before, after)


def pad_nhwc(context: Lowering, x: Tensor, before: Pair, after: Pair, fill: np.ndarray | None = None) -> Tensor:
    """``x`` (NHWC) with rows and columns around it: of zeros (the real zero, if ``x`` is quantized) or of ``fill``."""
    if not any(before) and not any(after):
        return x
    (top, left), (bottom, right) = before, after
    n, h, w, c = x.shape
    pads = context.builder.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    shape = (n, h + top + bottom, w + left + right, c)
    if fill is None:
        return context.builder.emit("PAD", [x, pads], shape, like=x)
    value = context.builder.constant(fill, quantization=x.quantization)
    return context.builder.emit("PADV2", [x, pads, value], shape, like=x)
