"""Winograd's minimal filtering F(4, 3) along the rows: four rows of a 3x3 convolution with six products, not twelve.

For the six rows ``d0 .. d5`` under four output rows and the filter's three rows ``g0, g1, g2``::

    t0 = 4 d0 - 5 d2 + d4          u0 = g0 / 4                      y0 = m0 + m1 + m2 + m3 + m4
    t1 = (d4 - 4 d2) + (d3 - 4 d1) u1 = -(g0 + g1 + g2) / 6         y1 = m1 - m2 + 2 (m3 - m4)
    t2 = (d4 - 4 d2) - (d3 - 4 d1) u2 = -(g0 - g1 + g2) / 6         y2 = m1 + m2 + 4 (m3 + m4)
    t3 = (d4 - d2) + 2 (d3 - d1)   u3 = (g0 + 2 g1 + 4 g2) / 24     y3 = m1 - m2 + 8 (m3 - m4) + m5
    t4 = (d4 - d2) - 2 (d3 - d1)   u4 = (g0 - 2 g1 + 4 g2) / 24
    t5 = 4 d1 - 5 d3 + d5          u5 = g2                          m_k = t_k * u_k

(A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.) Each ``m_k`` is a convolution with a 1x3
filter over a quarter of the rows: half of the multiply-accumulates of the 3x3 one. The sums are element by element.
Rounding grows to about 1e-6 of the largest sum; the filters take twice the place.

The four rows stay in one line, ``[1, H / 4, 4 W, C]``, for what works channel by channel behind it, and the next such
convolution takes them from there (:func:`export.tflite.ops.lines.unfolded`): each reshape would be a copy, and together
they took 3 % of Johnson's time. That network as a whole takes 0.75 of the time that it takes without this form.

A 3x3 convolution, 2 threads, time over that of CONV_2D: 0.59 (128 channels, 128 x 128), 0.55 (256 channels, 64 x 64),
0.79 (64 channels, 256 x 256), 1.6 with 32 channels. The same along both axes would quadruple the filters.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.kernel import Kernel
from export.tflite.ops.pad import pad_edges
from export.tflite.ops.pieces import concatenate, take
from export.tflite.ops.surround import is_plain, padded_by_one
from export.tflite.ops.windows import pad_nhwc

ROWS = 4  # output rows a tile
FILTER_TRANSFORM = np.array(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float64
) / 24  # fmt: skip
# Product of the channels over their sum: what is spared over what the sums cost. 64 channels, where it is 32, gain on
# an idle machine only: the sums are memory traffic.
MIN_CHANNEL_RATIO = 48
MIN_MACS = 150_000_000  # below, the sixty operators take as long as the convolution
STRIDE_ONE = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def conv_by_rows(context: Lowering, node: ir.Node, kernel: Kernel) -> Tensor | None:
    """A large float 3x3 convolution of stride 1 whose input is padded by one line all around; else None."""
    weights, bias = kernel.weights, kernel.bias
    outputs, inputs, *size = weights.shape
    if size != [3, 3] or not context.exact_weights or context.flexible or not is_plain(context, node):
        return None
    if not np.issubdtype(weights.dtype, np.floating):
        return None
    n, _, height, width = context.shape(node.outputs[0])
    if n != 1 or height % ROWS or height < 2 * ROWS or outputs * inputs < MIN_CHANNEL_RATIO * (outputs + inputs):
        return None
    if 9 * outputs * inputs * height * width < MIN_MACS:
        return None
    found = padded_by_one(context, node)
    if found is None:
        return None
    value, mode = found
    rows = _input_rows(context, context.get(value, NHWC), mode)
    products = _products(context, rows, weights, bias, "SAME" if mode == "constant" else "VALID")
    return context.reshape(concatenate(context, _output_rows(context, products), 2), (1, height, width, outputs))


def _input_rows(context: Lowering, x: Tensor, mode: str) -> list[Tensor]:
    """``d0 .. d5``: row ``i`` of ``d_k`` is row ``4 i + k - 1`` of ``x``; W + 2 columns, W where zeros surround it."""
    _, h, w, c = x.shape
    tiles, builder = h // ROWS, context.builder
    rows = context.reshape(x, (1, tiles, ROWS * w, c))
    # One SPLIT: a reshape read by a single operator is done in place, one read by four slices is a copy.
    parts = builder.emit_many("SPLIT", [builder.constant(np.int32(2)), rows], [(1, tiles, w, c)] * ROWS, numSplits=ROWS)
    if mode != "constant":
        parts = [pad_edges(context, part, [0, 0, 1, 0], [0, 0, 1, 0], mode) for part in parts]
    d1, d2, d3, d4 = parts
    before, after = take(context, d4, 1, 0, tiles - 1), take(context, d1, 1, 1, tiles - 1)
    if mode == "constant":
        return [pad_nhwc(context, before, (1, 0), (0, 0)), d1, d2, d3, d4, pad_nhwc(context, after, (0, 0), (1, 0))]
    first, last = (d2, d3) if mode == "reflect" else (d1, d4)
    d0 = concatenate(context, [take(context, first, 1, 0, 1), before], 1)
    d5 = concatenate(context, [after, take(context, last, 1, tiles - 1, 1)], 1)
    return [d0, d1, d2, d3, d4, d5]


def _products(
    context: Lowering, rows: list[Tensor], weights: np.ndarray, bias: np.ndarray, padding: str
) -> list[Tensor]:
    """``m0 .. m5``; the bias is in ``m1``, which every output row contains once."""
    f, builder = Formula(context), context.builder
    d0, d1, d2, d3, d4, d5 = rows
    even, odd = f.sub(d4, f.mul(d2, 4.0)), f.sub(d3, f.mul(d1, 4.0))
    inner, slope = f.sub(d4, d2), f.sub(d3, d1)
    double = f.mul(slope, 2.0)
    sums = (
        f.add(f.mul(f.sub(d0, d2), 4.0), inner), f.add(even, odd), f.sub(even, odd),
        f.add(inner, double), f.sub(inner, double), f.sub(f.sub(d5, d3), f.mul(slope, 4.0)),
    )  # fmt: skip
    filters = np.einsum("kr,oirs->kosi", FILTER_TRANSFORM, weights.astype(np.float64)).astype(np.float32)
    shape = (*d1.shape[:2], d1.shape[2] - (0 if padding == "SAME" else 2), len(weights))
    return [
        builder.emit(
            "CONV_2D",
            [t, builder.constant(u[:, None]), builder.constant(bias if k == 1 else np.zeros_like(bias))],
            shape,
            padding=padding,
            **STRIDE_ONE,
        )
        for k, (t, u) in enumerate(zip(sums, filters, strict=True))
    ]


def _output_rows(context: Lowering, products: list[Tensor]) -> list[Tensor]:
    """``y0 .. y3``, each ``[1, H / 4, W, C]``."""
    f = Formula(context)
    m0, m1, m2, m3, m4, m5 = products
    sum_12, sum_34, difference_12, difference_34 = f.add(m1, m2), f.add(m3, m4), f.sub(m1, m2), f.sub(m3, m4)
    return [
        f.add(f.add(sum_12, sum_34), m0),
        f.add(f.mul(difference_34, 2.0), difference_12),
        f.add(f.mul(sum_34, 4.0), sum_12),
        f.add(f.add(f.mul(difference_34, 8.0), difference_12), m5),
    ]
