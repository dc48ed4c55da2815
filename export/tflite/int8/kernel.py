"""int8 convolutions in other forms: the weights keep their steps, sums of weights get new ones where they are large.

A form that only spreads the weights over more pixels (:func:`conv_to_few_channels`) computes the very same integers. A
sum of up to four weights can be beyond 127 steps; then that output channel of that phase is rounded once more, to
steps of its own. Next to the activations' rounding this is little: Johnson's network stays within one step of the
Q/DQ graph for 99.9 % of what a convolution after upsampling gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from export.tflite.builder import Quantization, Tensor
from export.tflite.int8.surroundings import WEIGHT_LIMIT, Result
from export.tflite.lowering import Lowering
from export.tflite.ops.kernel import STRIDE_ONE, Kernel
from export.tflite.ops.pieces import concatenate
from export.tflite.ops.windows import Pair

MOST_SUMMED = 4  # weights of a filter that a form adds up


@dataclass(frozen=True)
class Int8Kernel(Kernel):
    """``weights`` in whole steps of ``scale`` (O,), ``bias`` in float; ``after`` says what follows."""

    scale: np.ndarray
    x_scale: float
    after: Result

    # XNNPACK reads channels in fours or eights: pairs of three fill them better, whatever the window.
    min_window_of_few = 3

    def convolve(
        self, context: Lowering, x: Tensor, filters: np.ndarray, output: tuple[int, int], **options: Any
    ) -> Tensor:
        """As :meth:`Kernel.convolve`, on int8 tensors and with the activation that follows."""
        copies = len(filters) // len(self.bias)
        largest = np.abs(filters).max(axis=(1, 2, 3))
        wider = np.maximum(largest, WEIGHT_LIMIT) / WEIGHT_LIMIT
        steps = np.rint(filters / wider.reshape(-1, 1, 1, 1)).astype(np.int8)
        scale = (np.tile(self.scale.astype(np.float64), copies) * wider).astype(np.float32)
        bias_scale = np.float32(self.x_scale) * scale
        bias = np.rint(np.tile(self.bias, copies) / bias_scale.astype(np.float64))  # fits, where the hub's own does
        zeros, builder = (0,) * len(scale), context.builder
        operands = [
            builder.constant(steps, "", Quantization(tuple(scale.tolist()), zeros)),
            builder.constant(bias.astype(np.int32), "", Quantization(tuple(bias_scale.tolist()), zeros)),
        ]
        shape = (x.shape[0], *output, len(filters))
        settings = STRIDE_ONE | {"fusedActivationFunction": self.after.activation} | options
        return builder.emit(
            "CONV_2D", [x, *operands], shape, dtype=np.int8, quantization=self.after.quantization, **settings
        )

    def pad(self, context: Lowering, x: Tensor, before: Pair, after: Pair) -> Tensor:
        """By concatenation: XNNPACK's PAD of a 512 x 512 picture of three bytes a pixel takes 7 ms, this one 0.1."""
        for axis in (1, 2):
            ends = []
            for count in (before[axis - 1], after[axis - 1]):
                shape = tuple(count if i == axis else d for i, d in enumerate(x.shape))
                zeros = np.full(shape, x.quantization.zero_point[0], np.int8)
                ends.append([context.builder.constant(zeros, "", x.quantization)] if count else [])
            x = concatenate(context, [*ends[0], x, *ends[1]], axis)
        return x
