"""Float to int8: scales, zero points, and rounded weights.

real = scale * (q - zero_point). Activations: asymmetric, one scale a tensor, q in -128..127, and zero is always
exact. Weights: symmetric, one scale an output channel, q in -127..127. The same numbers as ONNX Runtime's
quantizer gives.
"""

from __future__ import annotations

import numpy as np

INT8_LOW, INT8_HIGH = -128, 127
WEIGHT_HIGH = 127
INT32_HIGH = 2**31 - 1
BIAS_STEPS = 2**20  # of a bias that stands alone: far finer than any output's 255
SMALLEST_SCALE = np.finfo(np.float32).tiny  # of a tensor that is zero throughout, any scale is right


def activation_parameters(low: float, high: float) -> tuple[np.float32, np.int8]:
    """Scale and zero point that spread -128..127 over ``low``..``high``, widened to hold zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((np.float64(high) - np.float64(low)) / (INT8_HIGH - INT8_LOW))
    if scale < SMALLEST_SCALE:
        return np.float32(1.0), np.int8(0)
    zero_point = np.round(INT8_LOW - np.float64(low) / np.float64(scale))
    return scale, np.int8(np.clip(zero_point, INT8_LOW, INT8_HIGH))


def weight_scales(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """float32 scale of each slice of ``weight`` along ``axis``, shape (channels,), or of all of it, shape ()."""
    axes = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight.astype(np.float64)).max(axis=axes)
    return np.where(largest / WEIGHT_HIGH < SMALLEST_SCALE, 1.0, largest / WEIGHT_HIGH).astype(np.float32)


def along(scales: np.ndarray, axis: int | None, rank: int) -> np.ndarray:
    """``scales`` of slices along ``axis``, or the one of all, in the shape that broadcasts over ``rank`` axes."""
    shape = [1] * rank
    if axis is not None:
        shape[axis] = -1
    return scales.reshape(shape)


def round_weight(weight: np.ndarray, scales: np.ndarray, axis: int | None) -> np.ndarray:
    """``weight`` in int8 steps of ``scales`` along ``axis``."""
    steps = np.rint(weight.astype(np.float64) / along(scales.astype(np.float64), axis, weight.ndim))
    return np.clip(steps, -WEIGHT_HIGH, WEIGHT_HIGH).astype(np.int8)


def widen_for_bias(bias: np.ndarray, input_scale: np.float32, scales: np.ndarray) -> np.ndarray:
    """Weight scales, raised where the bias would not fit into int32 steps of input scale x weight scale.

    Happens where a channel's weights are next to nothing and its bias is not. ONNX Runtime does the same.
    """
    smallest = np.abs(bias.astype(np.float64)) * 1.0001 / INT32_HIGH / np.float64(input_scale)
    return np.maximum(scales, smallest if scales.ndim else smallest.max()).astype(np.float32)


def refine_for_bias(
    weight: np.ndarray, bias: np.ndarray, input_scale: np.float32, scales: np.ndarray, axis: int | None
) -> np.ndarray:
    """Weight scales, with one that suits the bias where all weights of a channel are zero.

    Any scale holds the zeros, but the bias comes in steps of input scale x weight scale, and is all such a channel has.
    """
    axes = tuple(i for i in range(weight.ndim) if i != axis)
    step = np.abs(bias.astype(np.float64)) / BIAS_STEPS / np.float64(input_scale)
    step = step if axis is not None else step.max(initial=0.0)
    dead = ~weight.any(axis=axes) & (step > SMALLEST_SCALE)
    return np.where(dead, step, scales).astype(np.float32)


def round_bias(bias: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """``bias`` in int32 steps of ``scales`` (one a channel, or a single one)."""
    steps = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    return np.clip(steps, -INT32_HIGH, INT32_HIGH).astype(np.int32)
