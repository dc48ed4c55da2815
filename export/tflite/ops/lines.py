"""Element-wise operators over pictures in the shape in which they are quickest: other rows, the same numbers.

*One constant a channel over few channels.* XNNPACK calls its kernel once for each stretch over which the constant
runs: for three channels, once a pixel. With ``k`` pixels read as one of ``k C`` channels, and the constant repeated
``k`` times, the same numbers meet in calls of ``k C``; the reshapes move nothing. A constant of equal numbers is one
number. MUL and ADD of RGB over 512 x 512, 2 threads: 1.2 and 1.1 ms with three numbers, 0.05 each in long lines, 0.03
with one number; MobileNetV3 takes 0.95 of its time.

*What comes out of a reshape* of rows and columns is computed in front of it (:func:`unfolded`).
"""

from __future__ import annotations

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering

FEW_CHANNELS = 8
LINE = 64  # numbers in a call: four vectors of 512 bits
MIN_PIXELS = 64 * 64


def emit_binary(context: Lowering, code: str, a: Tensor, b: Tensor, shape: tuple[int, ...], dtype: np.dtype) -> Tensor:
    """Writes ``code`` of ``a`` and ``b``, whose broadcast shape is ``shape``; in long lines where that pays."""
    builder = context.builder
    view = _common_view(a, b)
    if view is not None:
        a, b = context.reshape(a, view), context.reshape(b, view)
        return context.reshape(builder.emit(code, [a, b], view, dtype=dtype), shape)
    first = a.data is not None
    x, constant = (b, a) if first else (a, b)
    if x.data is not None or constant.data is None or x.shape != tuple(shape) or constant.data.size < 2:
        return builder.emit(code, [a, b], shape, dtype=dtype)
    numbers = constant.data.reshape(-1)
    if np.all(numbers == numbers[0]) and not np.any(np.signbit(numbers) != np.signbit(numbers[0])):
        one = builder.constant(numbers[0])
        return builder.emit(code, [one, x] if first else [x, one], shape, dtype=dtype)
    repeats = _repeats(context, x, constant)
    if repeats == 1:
        return builder.emit(code, [a, b], shape, dtype=dtype)
    n, h, w, c = x.shape
    long = (n, h, w // repeats, c * repeats)
    x, constant = context.reshape(x, long), builder.constant(np.tile(numbers, repeats))
    y = builder.emit(code, [constant, x] if first else [x, constant], long, dtype=dtype)
    return context.reshape(y, shape)


def _repeats(context: Lowering, x: Tensor, constant: Tensor) -> int:
    """How many pixels become one; 1 where nothing is to be gained."""
    if context.flexible or x.rank != 4 or x.dtype != np.float32:
        return 1
    _, height, width, channels = x.shape
    per_channel = constant.shape[-1:] == (channels,) and constant.data.size == channels
    if not per_channel or channels > FEW_CHANNELS or height * width < MIN_PIXELS:
        return 1
    return max(k for k in range(1, LINE // channels + 1) if width % k == 0)


def unfolded(x: Tensor) -> Tensor:
    """What a reshape of a picture's rows and columns made ``x`` of, else ``x``: the same pixels in the same order.

    For what works channel by channel: a reshape with several readers is a copy in XNNPACK, and so is not needed here.
    """
    producer = x.producer
    if producer is None or producer.code != "RESHAPE" or x.rank != 4:
        return x
    source = producer.inputs[0]
    same = source.rank == 4 and (source.shape[0], source.shape[3]) == (x.shape[0], x.shape[3])
    return source if same and source.data is None else x


def _common_view(a: Tensor, b: Tensor) -> tuple[int, ...] | None:
    """The shape in which two equally large pictures are combined without being reshaped first, if there is one."""
    if a.shape != b.shape or a.rank != 4 or a.data is not None or b.data is not None:
        return None
    return next((unfolded(x).shape for x in (a, b) if unfolded(x) is not x), None)
