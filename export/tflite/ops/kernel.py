"""The weights and bias of a convolution, and how a form of it (:mod:`export.tflite.ops.conv_forms`) is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.windows import Pair, pad_nhwc

STRIDE_ONE = {"padding": "VALID", "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


@dataclass(frozen=True)
class Kernel:
    """``weights`` [O, I, H, W] and ``bias`` (O,) in float32; :mod:`export.tflite.int8.kernel` has the int8 ones.

    A form lays the weights out as filters of its own: sums of weights and zeros, [k O, H', W', I'], of which each
    ``O`` after each other belong to the output channels in their order.
    """

    weights: np.ndarray
    bias: np.ndarray

    min_window_of_few = 7  # from which size on two neighboring pixels of few channels are read as one

    def convolve(
        self, context: Lowering, x: Tensor, filters: np.ndarray, output: tuple[int, int], **options: Any
    ) -> Tensor:
        """Writes CONV_2D of ``x`` (NHWC, padded) with ``filters``; ``output`` is its height and width."""
        operands = [context.builder.constant(array) for array in self._operands(filters)]
        shape = (x.shape[0], *output, len(filters))
        return context.builder.emit("CONV_2D", [x, *operands], shape, **(STRIDE_ONE | options))

    def _operands(self, filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return filters.astype(np.float32), np.tile(self.bias, len(filters) // len(self.bias))

    def pad(self, context: Lowering, x: Tensor, before: Pair, after: Pair) -> Tensor:
        """``x`` with rows and columns of zeros around it, to be reshaped before it is convolved."""
        return pad_nhwc(context, x, before, after)
