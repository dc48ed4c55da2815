"""Means over whole planes: many small averages first, then one mean over the few numbers left.

Adding in blocks keeps float32's rounding small (pairwise summation): Johnson's network at 512 x 512 comes out at 120 dB
against ONNX Runtime, with a single MEAN over each plane at 92 dB; a U-Net at 127 instead of 103 dB, and no slower.

What was 8 bits wide needs less care, and the fewest passes count: see :func:`dequantized_moments`.
"""

from __future__ import annotations

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula

POOL = 8  # lines a window; PEERS: 8 x 8 windows
SMALL_PLANE = 64  # planes with fewer values are averaged at once


def plane_mean(context: Lowering, x: Tensor) -> Tensor:
    """The mean of ``x`` (NHWC) over height and width, shape ``[N, 1, 1, C]``.

    Pools while both sides can be divided into equal windows; the last step is MEAN. A file for many sizes has no
    windows that divide them all, and only the MEAN. In a file for tiles it is the whole photo's.
    """
    if context.statistics is not None:
        return context.statistics.mean(x)
    builder = context.builder
    while not context.flexible and x.shape[1] * x.shape[2] > SMALL_PLANE:
        n, h, w, c = x.shape
        kernel = _window(h), _window(w)
        if kernel == (1, 1):
            break
        x = builder.emit(
            "AVERAGE_POOL_2D", [x], (n, h // kernel[0], w // kernel[1], c), padding="VALID",
            filterHeight=kernel[0], filterWidth=kernel[1], strideH=kernel[0], strideW=kernel[1],
        )  # fmt: skip
    return builder.emit("MEAN", [x, builder.ints((1, 2))], (x.shape[0], 1, 1, x.shape[3]), keepDims=True)


def _window(lines: int) -> int:
    """The largest divisor of ``lines`` up to :data:`POOL`, 1 where there is none."""
    return max(k for k in range(1, POOL + 1) if lines % k == 0)


def dequantized_moments(context: Lowering, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over each plane of ``x`` (NHWC), whole numbers of -128..127 times a scale, as ``[N, 1, 1, C]``.

    The variance is ``mean(x^2) - mean(x)^2``. XNNPACK makes SQUARE and MEAN one operator that only reads (0.1 ms for
    128 channels of 128 x 128; pools and SQUARED_DIFFERENCE take 0.9), and what cancels is known: ``x`` is at most 255
    steps from zero, so with float32 sums along columns, then rows, the variance is exact to 0.03 square steps, where
    rounding to whole steps has itself put in 0.08.
    """
    f = Formula(context)
    mean, square = _mean_by_axis(context, x), _mean_by_axis(context, f.unary("SQUARE", x))
    return mean, f.unary("RELU", f.sub(square, f.unary("SQUARE", mean)))


def _mean_by_axis(context: Lowering, x: Tensor) -> Tensor:
    for axis in (2, 1):
        shape = tuple(1 if i == axis else d for i, d in enumerate(x.shape))
        x = context.builder.emit("MEAN", [x, context.builder.ints((axis,))], shape, keepDims=True)
    return x
