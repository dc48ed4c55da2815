"""Sliding windows: how ONNX's pads, ``auto_pad`` and ``ceil_mode`` become the pads that Core ML takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from export.coreml.call import Call
from export.coreml.mil import mb

MAX_AXES = 3
"""Core ML's convolutions and poolings slide along one to three axes."""


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes; every field has a number for each.

    ``before`` and ``after`` are the pads at the start and end, ``overrun`` how far the last window hangs over the
    end of ``after`` (``ceil_mode``), which is not part of ``after``.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    overrun: list[int]

    @property
    def reach(self) -> list[int]:
        """The extent of the dilated kernel."""
        return [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]

    @property
    def ends(self) -> list[int]:
        """The pads at the end, the overrun included."""
        return [a + o for a, o in zip(self.after, self.overrun, strict=True)]


def read_window(call: Call, kernel: Sequence[int]) -> Window:
    """The node's window over input 0, ``auto_pad`` written out.

    Raises:
        UnsupportedError: more than three axes, negative pads, an unknown ``auto_pad``, or an output size that the
            windows do not give.
    """
    kernel = list(kernel)
    if not 1 <= len(kernel) <= MAX_AXES:
        raise call.unsupported(f"{len(kernel)} spatial dimensions; one to three are supported")
    strides, dilations = list(call.attr("strides", [1] * len(kernel))), list(call.attr("dilations", [1] * len(kernel)))
    before, after = _pads(call, kernel, strides, dilations)
    if min(*before, *after) < 0:
        raise call.unsupported("negative pads")
    if call.op_type.endswith("Pool") and call.attr("auto_pad", "NOTSET").startswith("SAME"):
        sizes = zip(call.shape(0)[2:], call.out_shape()[2:], kernel, strides, strict=True)
        if max(dilations) > 1 or any((-(-n // s) - 1) * s + k < n or out != -(-n // s) for n, out, k, s in sizes):
            raise call.unsupported(
                "auto_pad of a pooling that is dilated or skips pixels, or with ceil_mode, where "
                "ONNX Runtime does not do what ONNX says"
            )
    overrun = []
    for axis, (size, out) in enumerate(zip(call.shape(0)[2:], call.out_shape()[2:], strict=True)):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        padded = size + before[axis] + after[axis]
        overrun.append(max(0, (out - 1) * strides[axis] + reach - padded))
        if overrun[axis] and (out - 1) * strides[axis] >= size + before[axis]:
            raise call.unsupported(
                "ceil_mode with a last window that begins behind the picture, which ONNX counts since opset 22 only "
                "in the shape, and ONNX Runtime not at all"
            )
        if (padded + overrun[axis] - reach) // strides[axis] + 1 != out:
            raise call.unsupported(f"its windows do not give the output of {out} along axis {axis + 2}")
    return Window(kernel, strides, dilations, before, after, overrun)


def pad_arguments(before: Sequence[int], after: Sequence[int]) -> dict[str, Any]:
    """``pad_type`` and ``pad`` for MIL's convolutions."""
    if not any(before) and not any(after):
        return {"pad_type": "valid"}
    return {"pad_type": "custom", "pad": interleave(before, after)}


def interleave(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """MIL's order of pads: before and after the first axis, before and after the second, and so on."""
    return [side for pair in zip(before, after, strict=True) for side in pair]


def stretch(x: Any, axis: int, factor: int) -> Any:
    """``x`` with ``factor - 1`` zeros between its neighbors along ``axis``."""
    size = x.shape[axis]
    if factor == 1 or size == 1:
        return x
    shape = list(x.shape)
    front, back = _product(shape[:axis]), _product(shape[axis + 1 :])
    x = mb.reshape(x=x, shape=(front, size, back))
    x = mb.pad(x=x, pad=[0, (factor - 1) * back], mode="constant", constant_val=0.0)
    x = mb.reshape(x=x, shape=(front, size * factor, back))
    shape[axis] = (size - 1) * factor + 1
    x = mb.slice_by_index(x=x, begin=[0, 0, 0], end=[front, shape[axis], back])
    return mb.reshape(x=x, shape=shape)


def _product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= int(size)
    return result


def _pads(
    call: Call, kernel: list[int], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:  # fmt: skip
    auto = call.attr("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = list(call.attr("pads", [0] * 2 * len(kernel)))
        return pads[: len(kernel)], pads[len(kernel) :]
    if auto == "VALID":
        return [0] * len(kernel), [0] * len(kernel)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise call.unsupported(f"auto_pad={auto!r}")
    before, after = [], []
    for size, k, s, d in zip(call.shape(0)[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        small, large = total // 2, total - total // 2
        before.append(small if auto == "SAME_UPPER" else large)
        after.append(large if auto == "SAME_UPPER" else small)
    return before, after
