"""Two forms of a resize that stay inside XNNPACK: repeated lines as concatenations, equal taps as a convolution.

Upsampling by a whole factor ``s`` has the same weights at every pixel: output ``s q + r`` reads pixels ``q + low`` to
``q + high`` with the taps of phase ``r``, and beyond the edge the edge again. So it is a convolution of the padded
picture to ``s`` times the channels per axis, and DEPTH_TO_SPACE. Cubic upsampling by 4 of a 128 x 128 picture of 3
channels takes 2.0 ms as a convolution and 30 ms as products with matrices (2 threads).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.pad import pad_edges
from export.tflite.ops.pieces import concatenate

MAX_FACTOR = 8
MAX_TAPS = 8
DENSE_CHANNELS = 4  # up to this many, one convolution whose filters are mostly zeros; else one per phase


@dataclass(frozen=True)
class Phases:
    """Along one axis: ``taps[r]`` are the weights of phase ``r``, the first for the pixel ``low`` away (0 or less)."""

    taps: np.ndarray
    low: int


def repeat_lines(context: Lowering, x: Tensor, rows: int, columns: int) -> Tensor:
    """Every line of ``x`` (NHWC) repeated: nearest upsampling by whole factors as two concatenations.

    ``[.., W, C]`` beside itself is ``[.., W, 2C]``, which read as ``[.., 2W, C]`` holds each pixel twice; the same for
    rows of ``W * C`` numbers. XNNPACK has no nearest-neighbor resize, but takes both.
    """
    n, h, w, c = x.shape
    if context.flexible and rows == columns > 1:  # the same without a size: copies of a pixel, dealt out to a block
        copies = concatenate(context, [x] * rows**2, 3)
        shape = (n, h * rows, w * rows, c)
        return context.builder.emit("DEPTH_TO_SPACE", [copies], shape, like=x, blockSize=rows)
    if columns > 1:
        x = context.reshape(concatenate(context, [x] * columns, 3), (n, h, w * columns, c))
    if rows > 1:
        line = context.reshape(x, (n, h, 1, w * columns * c))
        x = context.reshape(concatenate(context, [line] * rows, 2), (n, h * rows, w * columns, c))
    return x


def multiplied_size(context: Lowering, x: Tensor, rows: int, columns: int) -> Tensor:
    """Height and width of ``x`` (NHWC) at run time, times ``rows`` and ``columns``: int32 (2,)."""
    builder = context.builder
    shape = builder.emit("SHAPE", [x], (4,), dtype=np.int32, outType=np.int32)
    sides = builder.emit("SLICE", [shape, builder.ints([1]), builder.ints([2])], (2,), dtype=np.int32)
    return builder.emit("MUL", [sides, builder.ints([rows, columns])], (2,), dtype=np.int32)


def tap_phases(matrix: np.ndarray, tolerance: float) -> Phases | None:
    """The phases whose convolution, edges repeated, is ``matrix``; None where there are none, or too many."""
    outputs, size = matrix.shape
    factor = outputs // size
    if outputs % size or not 1 < factor <= MAX_FACTOR or size < MAX_TAPS:
        return None
    middle = size // 2
    block = matrix[middle * factor : (middle + 1) * factor]
    read = np.flatnonzero(block.any(axis=0))
    if not read.size:
        return None
    low, high = min(int(read[0]) - middle, 0), max(int(read[-1]) - middle, 0)
    if high - low >= MAX_TAPS:
        return None
    taps = block[:, middle + low : middle + high + 1]
    rebuilt = np.zeros((size, factor, size))
    pixels = np.clip(np.arange(size)[:, None] + np.arange(low, high + 1), 0, size - 1)
    q, r = np.ogrid[:size, :factor]
    np.add.at(rebuilt, (q[..., None], r[..., None], pixels[:, None]), taps)
    same = np.allclose(rebuilt.reshape(outputs, size), matrix, rtol=0, atol=tolerance)
    return Phases(taps, low) if same else None


def write_phases(context: Lowering, x: Tensor, rows: Phases, columns: Phases | None = None) -> Tensor:
    """``x`` (NHWC) upsampled along height and width, by the same factor; or along height alone where width is 1."""
    n, h, w, c = x.shape
    columns = columns or Phases(np.ones((1, 1), np.float32), 0)
    after = [phases.taps.shape[1] - 1 + phases.low for phases in (rows, columns)]
    x = pad_edges(context, x, [0, -rows.low, -columns.low, 0], [0, *after, 0], "edge")
    up, across = rows.taps.shape[0], columns.taps.shape[0]
    kernels = np.einsum("ai,bj->abij", rows.taps, columns.taps).astype(np.float32)
    kernels = kernels.reshape(up * across, rows.taps.shape[1], columns.taps.shape[1])
    if c <= DENSE_CHANNELS:
        filters = np.einsum("pij,kc->pkijc", kernels, np.eye(c, dtype=np.float32))
        y = _convolve(context, x, filters.reshape(-1, *kernels.shape[1:], c), (h, w), "CONV_2D")
    else:
        parts = [np.repeat(kernel[None, ..., None], c, axis=3) for kernel in kernels]
        parts = [_convolve(context, x, part, (h, w), "DEPTHWISE_CONV_2D") for part in parts]
        y = concatenate(context, parts, 3)
    if across == 1:
        return context.reshape(y, (n, h * up, w, c))
    return context.builder.emit("DEPTH_TO_SPACE", [y], (n, h * up, w * across, c), blockSize=up)


def _convolve(context: Lowering, x: Tensor, filters: np.ndarray, size: tuple[int, int], code: str) -> Tensor:
    builder = context.builder
    channels = filters.shape[0] if code == "CONV_2D" else filters.shape[3]
    inputs = [x, builder.constant(filters), builder.constant(np.zeros(channels, np.float32))]
    options = {"depthMultiplier": 1} if code != "CONV_2D" else {}
    return builder.emit(
        code, inputs, (x.shape[0], *size, channels), padding="VALID", strideH=1, strideW=1, dilationHFactor=1,
        dilationWFactor=1, **options,
    )  # fmt: skip
