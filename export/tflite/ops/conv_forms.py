"""Convolutions in another, exact form that costs less; each function declines (None) where its form does not apply.

*After nearest upsampling by two* a 3x3 convolution reads every low-resolution pixel several times. Along one axis,
with ``u[2i] = u[2i+1] = x[i]``::

    y[2i]   = w0 u[2i-1] + w1 u[2i]   + w2 u[2i+1] = w0 x[i-1]      + (w1 + w2) x[i]
    y[2i+1] = w0 u[2i]   + w1 u[2i+1] + w2 u[2i+2] = (w0 + w1) x[i] + w2 x[i+1]

so each of the four phases is a 2x2 convolution of ``x`` and DEPTH_TO_SPACE puts them together: 4/9 of the
multiply-accumulates, and the upsampled plane is never written. A zero pad of ``u`` by one is a zero pad of ``x`` by
one; reflecting ``u`` by one repeats the edge of ``x``.

*To few channels* (the last layer's RGB) most lanes of a vector are idle. The four outputs of a 2x2 block together are
one k+1 x k+1 convolution with stride 2 to four times the channels, again with DEPTH_TO_SPACE behind it.

*Of few channels* (the first layer's RGB) two neighboring pixels are one of twice the channels, which no number has to
move for: the filter's columns become pairs, and two output pixels are computed side by side. XNNPACK keeps a list of
one pointer for each place of each output pixel's window, 170 MB for 9x9 over 512 x 512; this makes it 47 MB.

The first two took Johnson's network (512 x 512, 2 threads) from 0.93 of ONNX Runtime's time to 0.73; the second alone a
TensorFlow-style network (384 x 384), which upsamples by transposed convolutions, from 0.98 to 0.76. With 3x3 kernels
the second saves half: 16 to 3 channels over 512 x 512 take 2.8 + 0.2 ms instead of 6.0, MobileNetV3 0.90 of its time.
The third and the second's steps over pairs leave the time alone; Johnson's peak memory falls from 429 to 281 MB.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.kernel import Kernel
from export.tflite.ops.pad import pad_edges
from export.tflite.ops.resize import is_doubling
from export.tflite.ops.surround import is_plain, padded_by_one
from export.tflite.ops.windows import Window, pad_nhwc

FEW_CHANNELS = 4
# The larger window has (k + 1)^2 / k^2 times the taps, 1.8 at 3 and 1.2 at 9, but fills 12 lanes instead of 3.
MIN_KERNEL_FOR_FEW = 3
# 3x3 kernels on planes of less than this stay as they are: nothing to gain that one operator more would not take.
MIN_PLANE_FOR_FEW = 64 * 64
LARGE_KERNEL = 5


# ---- after nearest upsampling


def conv_of_upsampled(context: Lowering, node: ir.Node, kernel: Kernel) -> Tensor | None:
    """A 3x3 convolution of a plane doubled by nearest neighbor, computed at low resolution."""
    if kernel.weights.shape[2:] != (3, 3) or not is_plain(context, node):
        return None
    found = _doubled_source(context, node)
    if found is None:
        return None
    value, mode = found
    x = context.get(value, NHWC)
    n, h, w, _ = x.shape
    channels = len(kernel.weights)
    taps = kernel.weights.astype(np.float64).transpose(0, 2, 3, 1)  # OHWI
    padded = _padded_for_phases(context, x, mode)
    phases = [
        kernel.convolve(context, padded[down, right], _fold(_fold(taps, 1, down), 2, right), (h, w))
        for down in (0, 1)
        for right in (0, 1)
    ]
    builder, last = context.builder, phases[-1]
    together = builder.emit("CONCATENATION", phases, (n, h, w, 4 * channels), like=last, axis=3)
    return builder.emit("DEPTH_TO_SPACE", [together], (n, 2 * h, 2 * w, channels), like=last, blockSize=2)


def _fold(taps: np.ndarray, axis: int, phase: int) -> np.ndarray:
    """Three taps along ``axis`` as the two of a phase: ``[w0, w1 + w2]`` or ``[w0 + w1, w2]``."""
    first, middle, last = np.split(taps, 3, axis)
    return np.concatenate([first, middle + last] if phase == 0 else [first + middle, last], axis)


def _padded_for_phases(context: Lowering, x: Tensor, mode: str) -> dict[tuple[int, int], Tensor]:
    """``x`` with one more line before (phase 0) or after (phase 1) along each axis, by (down, right)."""
    phases = [(down, right) for down in (0, 1) for right in (0, 1)]
    if mode == "constant":  # each PAD becomes part of its convolution
        return {(i, j): pad_nhwc(context, x, (1 - i, 1 - j), (i, j)) for i, j in phases}
    columns = [pad_edges(context, x, [0, 0, 1 - j, 0], [0, 0, j, 0], "edge") for j in (0, 1)]
    return {(i, j): pad_edges(context, columns[j], [0, 1 - i, 0, 0], [0, i, 0, 0], "edge") for i, j in phases}


def _doubled_source(context: Lowering, node: ir.Node) -> tuple[ir.Value, str] | None:
    """What is doubled in front of the convolution, and how its edge is padded by one: "constant" or "edge"."""
    found = padded_by_one(context, node)
    if found is None:
        return None
    value, mode = found
    resize = value.producer()
    if resize is None or resize.op_type != "Resize" or not is_doubling(context, resize):
        return None
    return resize.inputs[0], "constant" if mode == "constant" else "edge"


# ---- to few channels


def conv_to_few_channels(context: Lowering, node: ir.Node, x: Tensor, window: Window, kernel: Kernel) -> Tensor | None:
    """A large convolution to at most :data:`FEW_CHANNELS` channels, four pixels at a time."""
    channels, _, *size = kernel.weights.shape
    height, width = context.shape(node.outputs[0])[2:]
    if channels > FEW_CHANNELS or min(size) < MIN_KERNEL_FOR_FEW or not is_plain(context, node):
        return None
    if context.flexible or height % 2 or width % 2 or (min(size) < LARGE_KERNEL and height * width < MIN_PLANE_FOR_FEW):
        return None
    taps = kernel.weights.transpose(0, 2, 3, 1)
    wide = np.zeros((2, 2, channels, size[0] + 1, size[1] + 1, taps.shape[3]), taps.dtype)
    for down in (0, 1):
        for right in (0, 1):
            wide[down, right, :, down : down + size[0], right : right + size[1]] = taps
    wide = wide.reshape(4 * channels, *wide.shape[3:])
    padded = pad_nhwc(context, x, window.before, window.after)
    strides = {"strideH": 2, "strideW": 2}
    # The window steps over whole pairs of columns, which are one pixel of twice the channels. Zeros around the plane
    # are left to XNNPACK, which makes a PAD part of the convolution behind it, but not through a reshape (1.5 ms).
    if size[1] % 2 and padded is x:
        wide = wide.reshape(_in_pairs(wide.shape))
        padded = context.reshape(padded, _in_pairs(padded.shape))
        strides["strideW"] = 1
    blocks = kernel.convolve(context, padded, wide, (height // 2, width // 2), **strides)
    shape = (x.shape[0], height, width, channels)
    return context.builder.emit("DEPTH_TO_SPACE", [blocks], shape, like=blocks, blockSize=2)


def _in_pairs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``[.., W, C]`` as ``[.., W / 2, 2 C]``, where the numbers lie in the same order."""
    n, height, width, channels = shape
    return n, height, width // 2, 2 * channels


# ---- of few channels


def conv_of_few_channels(context: Lowering, node: ir.Node, x: Tensor, window: Window, kernel: Kernel) -> Tensor | None:
    """A convolution of at most :data:`FEW_CHANNELS` channels, two neighboring pixels at a time.

    The window has to be as large as the kernel says: one column more is a fifth of the work at 5, a ninth at 9.
    """
    channels, inputs, *size = kernel.weights.shape
    height, width = context.shape(node.outputs[0])[2:]
    if context.flexible or width % 2 or not is_plain(context, node):
        return None
    if inputs > FEW_CHANNELS or min(size) < kernel.min_window_of_few:
        return None
    pairs = size[1] // 2 + 1
    wide = np.zeros((2, channels, size[0], 2 * pairs, inputs), kernel.weights.dtype)
    for right in (0, 1):
        wide[right, :, :, right : right + size[1]] = kernel.weights.transpose(0, 2, 3, 1)
    wide = wide.reshape(2 * channels, size[0], pairs, 2 * inputs)
    spare = 1 - size[1] % 2  # an even kernel's last pair hangs over
    padded = kernel.pad(context, x, window.before, (window.after[0], window.after[1] + spare))
    y = kernel.convolve(context, context.reshape(padded, _in_pairs(padded.shape)), wide, (height, width // 2))
    return context.reshape(y, (x.shape[0], height, width, channels))
