"""A transposed convolution of stride s as s x s ordinary ones at low resolution, one for each phase of the output.

Along one axis, with ``b`` lines of the full result dropped in front, output ``s m + p`` is::

    y[s m + p] = sum_t x[m + c - t] w[r + s t]        r = (p + b) mod s,  c = (p + b) div s

so each phase is a convolution of ``x`` with its own taps, turned round, and DEPTH_TO_SPACE puts the phases together. No
product is computed that the transposed convolution has not. In int8 XNNPACK takes 6.2 ms so and 15.8 by its own kernel
(3x3, 128 channels of 96 x 96 to 64, 2 threads).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.conv_transpose import read_geometry
from export.tflite.ops.kernel import Kernel
from export.tflite.ops.pieces import concatenate, take
from export.tflite.ops.windows import pad_nhwc


def conv_transpose_by_phases(context: Lowering, node: ir.Node, x: Tensor, kernel: Kernel) -> Tensor | None:
    """The transposed convolution of ``x`` (NHWC), one group; None where its phases are no equal planes.

    ``kernel`` holds the node's weights as [O, I, H, W].
    """
    size = kernel.weights.shape[2:]
    geometry = read_geometry(context, node, x.shape[1:3], size)
    stride = geometry.strides[0]
    fits = geometry.strides == (stride, stride) and geometry.dilations == (1, 1) and stride > 1 and min(size) >= stride
    if context.flexible or not fits or any(length % stride for length in geometry.output):
        return None
    lines = tuple(length // stride for length in geometry.output)
    taps = kernel.weights.transpose(0, 2, 3, 1)
    phases = []
    for phase in product(range(stride), repeat=2):
        starts = [(p + b) % stride for p, b in zip(phase, geometry.before, strict=True)]
        own = np.ascontiguousarray(taps[:, starts[0] :: stride, starts[1] :: stride][:, ::-1, ::-1])
        read = x
        for axis in (0, 1):
            shift = (phase[axis] + geometry.before[axis]) // stride
            start, stop = shift - own.shape[axis + 1] + 1, lines[axis] + shift
            if start >= read.shape[axis + 1] or stop <= 0:
                return None  # this phase sees nothing of the picture
            read = _window(context, read, axis + 1, start, stop)
        phases.append(kernel.convolve(context, read, own, lines))
    together = concatenate(context, phases, 3)
    shape = (x.shape[0], *geometry.output, len(kernel.weights))
    return context.builder.emit("DEPTH_TO_SPACE", [together], shape, like=together, blockSize=stride)


def _window(context: Lowering, x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The lines from ``start`` to ``stop`` along ``axis``, zeros where there are none."""
    low, high = max(start, 0), min(stop, x.shape[axis])
    x = take(context, x, axis, low, high - low)
    before, after = [0, 0], [0, 0]
    before[axis - 1], after[axis - 1] = low - start, stop - high
    return pad_nhwc(context, x, tuple(before), tuple(after))
