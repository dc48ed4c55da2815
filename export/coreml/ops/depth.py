"""Moving channels to pixels and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("DepthToSpace", since=13)
def depth_to_space(call: Call) -> Any:
    """Channels to pixels, in column-row-depth order (PyTorch's PixelShuffle) or depth-column-row (TensorFlow's).

    Core ML's own operations take floats. Integers and booleans take two transpositions of rank 5, the highest that
    Core ML has: one for the rows of a block and one for its columns.
    """
    x, block, mode = call.var(0), call.attr("blocksize"), call.attr("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise call.unsupported(f"mode={mode!r}")
    if call.is_float():
        if mode == "CRD":
            return mb.pixel_shuffle(x=x, upscale_factor=block)
        return mb.depth_to_space(x=x, block_size=block)
    n, c, h, w = call.shape(0)
    depth = c // block**2
    if mode == "DCR":  # channels are (row, column, depth)
        x = _interleave(x, (n, block, block * depth, h, w), (0, 2, 3, 1, 4))
        x = _interleave(x, (n, block, depth, h * block, w), (0, 2, 3, 4, 1))
    else:  # channels are (depth, row, column)
        x = _interleave(x, (n * depth, block, block, h, w), (0, 2, 3, 1, 4))
        x = _interleave(x, (n * depth, block, h * block, w), (0, 2, 3, 1))
    return mb.reshape(x=x, shape=(n, depth, h * block, w * block))


@lowers("SpaceToDepth", since=13)
def space_to_depth(call: Call) -> Any:
    """Pixels to channels, the inverse of DepthToSpace in its two orders (ONNX has had CRD since opset 28)."""
    x, block, mode = call.var(0), call.attr("blocksize"), call.attr("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise call.unsupported(f"mode={mode!r}")
    if call.is_float():
        if mode == "CRD":
            return mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(block))
        return mb.space_to_depth(x=x, block_size=block)
    n, c, h, w = call.shape(0)
    rows, columns = h // block, w // block
    if mode == "DCR":
        x = _interleave(x, (n, c, h, columns, block), (0, 4, 1, 2, 3))
        x = _interleave(x, (n, block * c, rows, block, columns), (0, 3, 1, 2, 4))
    else:
        x = _interleave(x, (n * c, h, columns, block), (0, 3, 1, 2))
        x = _interleave(x, (n * c, block, rows, block, columns), (0, 3, 1, 2, 4))
    return mb.reshape(x=x, shape=(n, block**2 * c, rows, columns))


def _interleave(x: Any, view: tuple[int, ...], perm: tuple[int, ...]) -> Any:
    return mb.transpose(x=mb.reshape(x=x, shape=view), perm=list(perm))
