"""Sliding windows: how ONNX's explicit pads become TFLite's SAME, VALID or a PAD in front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.registry import unsupported

Pair = tuple[int, int]
Sizes = tuple[int, ...]  # one number an axis


@dataclass(frozen=True)
class Window:
    """A window over one or more axes; ``before`` and ``after`` are the pads at the start and end of each."""

    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    before: Sizes
    after: Sizes

    @property
    def reach(self) -> Sizes:
        """The extent of the dilated kernel."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return any(self.before) or any(self.after)

    def axes(self, start: int, stop: int) -> Window:
        """The window over some of the axes."""
        every = (self.kernel, self.strides, self.dilations, self.before, self.after)
        return Window(*(sizes[start:stop] for sizes in every))

    def without_pads(self) -> Window:
        """The window over an input that is padded already."""
        none = (0,) * len(self.kernel)
        return Window(self.kernel, self.strides, self.dilations, none, none)

    def with_height(self) -> Window:
        """A window over one axis as one over pictures of height 1."""
        (k,), (s,), (d,), (b,), (a,) = self.kernel, self.strides, self.dilations, self.before, self.after
        return Window((1, k), (1, s), (1, d), (0, b), (0, a))

    def same_pads(self, size: Sizes) -> tuple[Sizes, Sizes]:
        """The pads that TFLite's SAME puts before and after an input of this size."""
        totals = tuple(
            max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, self.strides, self.reach, strict=True)
        )
        before = tuple(total // 2 for total in totals)
        return before, tuple(t - b for t, b in zip(totals, before, strict=True))

    def is_same(self, size: Sizes) -> bool:
        """Whether the pads are exactly those of SAME for an input of this size."""
        return (self.before, self.after) == self.same_pads(size)


def read_window(context: Lowering, node: ir.Node, kernel: Sizes, size: Sizes, output: Sizes) -> Window:
    """The node's window over an input of ``size``, with ``auto_pad`` and ``ceil_mode`` turned into pads.

    ``output`` is the hub's output size: where ``ceil_mode`` makes the last window hang over, ``after`` grows. Raises
    :class:`UnsupportedError` for negative pads and where windows and output size contradict each other.
    """
    axes = len(kernel)
    if min(output) < 1:
        raise unsupported(node, "its output is empty.")
    strides = tuple(context.attribute(node, "strides", (1,) * axes))
    dilations = tuple(context.attribute(node, "dilations", (1,) * axes))
    pads = tuple(context.attribute(node, "pads", (0,) * (2 * axes)))
    auto_pad = context.attribute(node, "auto_pad", "NOTSET")
    if min(pads) < 0:
        raise unsupported(node, f"negative pads {list(pads)} are not supported.")
    window = Window(tuple(kernel), strides, dilations, pads[:axes], pads[axes:])
    if auto_pad == "VALID":
        window = window.without_pads()
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        _refuse_gaps(node, window, size)
        small, large = window.same_pads(size)
        if auto_pad == "SAME_LOWER":
            small, large = large, small
        window = Window(window.kernel, strides, dilations, small, large)
    elif auto_pad != "NOTSET":
        raise unsupported(node, f"auto_pad '{auto_pad}' is not defined.")
    if any(n + b + a < r for n, b, a, r in zip(size, window.before, window.after, window.reach, strict=True)):
        raise unsupported(node, "its window is larger than its padded input.")
    needed = [(o - 1) * s + k for o, s, k in zip(output, strides, window.reach, strict=True)]
    after = tuple(max(a, n - i - b) for a, n, i, b in zip(window.after, needed, size, window.before, strict=True))
    last = [(o - 1) * s - b for o, s, b in zip(output, strides, window.before, strict=True)]
    if context.attribute(node, "ceil_mode", 0) and any(start >= n for start, n in zip(last, size, strict=True)):
        raise unsupported(node, "its last window starts in the padding, where the model's shapes count it.")
    padded = [n + b + a - r for n, b, a, r in zip(size, window.before, after, window.reach, strict=True)]
    if tuple(p // s + 1 for p, s in zip(padded, strides, strict=True)) != tuple(output):
        raise unsupported(node, f"its windows do not give the output of {list(output)} that the model states.")
    return Window(window.kernel, strides, dilations, window.before, after)


def _refuse_gaps(node: ir.Node, window: Window, size: Sizes) -> None:
    """ONNX Runtime forgets a pool's dilation here, and pads by negative numbers where lines at the end stay unread."""
    if node.op_type.endswith("Pool") and max(window.dilations) > 1:
        raise unsupported(node, "auto_pad of dilated windows is read in different ways; state its pads instead.")
    unread = 1 if node.op_type == "Conv" else 0
    for n, s, r in zip(size, window.strides, window.reach, strict=True):
        if n - ((-(-n // s) - 1) * s + r) > unread:
            raise unsupported(node, "auto_pad with windows far apart means negative pads; state its pads instead.")


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
