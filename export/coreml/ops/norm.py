"""Batch, instance and group normalization, and local response normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers

_BATCH_NORM_RANKS = (3, 4, 5)
_INSTANCE_NORM_RANKS = (3, 4)
_LRN_RANKS = (3, 4)
_CONV_RANKS = (3, 4, 5)


@lowers("BatchNormalization", since=15)
def batch_normalization(call: Call) -> Any:
    """``(x - mean)·scale/sqrt(var + epsilon) + bias``; in training mode by the batch's own statistics."""
    training, epsilon = bool(call.attr("training_mode", 0)), call.attr("epsilon", 1e-5)
    if training:
        return _batch_statistics(call, epsilon)
    call.only_first_output()
    scale, bias, mean, variance = (call.array(index) for index in range(1, 5))
    if any(array is None for array in (scale, bias, mean, variance)):
        return _normalized(call, _channels(call, 3), _channels(call, 4), epsilon)
    if call.rank in _BATCH_NORM_RANKS:
        return mb.batch_norm(x=call.var(0), mean=mean, variance=variance, gamma=scale, beta=bias, epsilon=epsilon)
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    x = mb.mul(x=call.var(0), y=_spread(call, factor))
    return mb.add(x=x, y=_spread(call, bias - mean * factor))


@lowers("InstanceNormalization", since=6)
def instance_normalization(call: Call) -> Any:
    """``(x - mean)·scale/sqrt(var + epsilon) + bias`` per sample and channel; scale and bias may be computed."""
    if call.rank < min(_INSTANCE_NORM_RANKS):
        raise call.unsupported(f"an input of rank {call.rank}, without spatial dimensions")
    x, shape, epsilon = call.var(0), call.shape(0), call.attr("epsilon", 1e-5)
    if call.rank > max(_INSTANCE_NORM_RANKS):
        x = mb.reshape(x=x, shape=(*shape[:2], -1))
    scale, bias = call.array(1), call.array(2)
    constant = scale is not None and bias is not None
    x = mb.instance_norm(x=x, epsilon=epsilon, **({"gamma": scale, "beta": bias} if constant else {}))
    x = mb.reshape(x=x, shape=shape) if call.rank > max(_INSTANCE_NORM_RANKS) else x
    return x if constant else _per_channel(call, x)


@lowers("GroupNormalization", since=21)
def group_normalization(call: Call) -> Any:
    """Instance normalization of ``(N, G, C/G·H·W)``, then a scale and a bias per channel."""
    shape, groups = call.shape(0), call.attr("num_groups")
    if shape[1] % groups:
        raise call.unsupported(f"num_groups={groups}, which does not divide the channels")
    grouped = mb.reshape(x=call.var(0), shape=(shape[0], groups, -1))
    normal = mb.instance_norm(x=grouped, epsilon=call.attr("epsilon", 1e-5))
    return _per_channel(call, mb.reshape(x=normal, shape=shape))


@lowers("LRN", since=1)
def local_response_normalization(call: Call) -> Any:
    """``x/(bias + alpha/size·Σ x²) ** beta``, summed over ``size`` neighboring channels.

    MIL's own operation is this formula, but does not say where an even ``size`` reaches further; ONNX's does
    forward. Then the sum is a 1x1 convolution with a band matrix, of squares that are scaled before they are
    squared, which keeps them small in fp16.
    """
    size, rank = call.attr("size"), call.rank
    alpha, beta, bias = call.attr("alpha", 1e-4), call.attr("beta", 0.75), call.attr("bias", 1.0)
    x = call.var(0)
    if size % 2 and rank in _LRN_RANKS:
        return mb.local_response_norm(x=x, size=size, alpha=alpha, beta=beta, k=bias)
    if rank not in _CONV_RANKS or alpha < 0:
        raise call.unsupported(f"an input of rank {rank} with alpha={alpha}; ranks 3 to 5 are supported")
    channels = call.shape(0)[1]
    offset = np.arange(channels)[None] - np.arange(channels)[:, None]  # of the neighbor from the channel
    band = (offset >= -((size - 1) // 2)) & (offset <= size // 2)
    scaled = mb.square(x=mb.mul(x=x, y=float(np.sqrt(alpha / size))))
    total = mb.conv(
        x=scaled,
        weight=band.astype(np.float32).reshape(channels, channels, *[1] * (rank - 2)),
        bias=np.full(channels, bias, np.float32),
        pad_type="valid",
    )
    return mb.real_div(x=x, y=mb.pow(x=total, y=float(beta)))


def _batch_statistics(call: Call, epsilon: float) -> tuple[Any, ...]:
    """Training mode: Y by the batch's mean and (population) variance, and the running statistics moved to them."""
    x, axes = call.var(0), [axis for axis in range(call.rank) if axis != 1]
    mean = mb.reduce_mean(x=x, axes=axes, keep_dims=True)
    variance = mb.reduce_mean(x=mb.square(x=mb.sub(x=x, y=mean)), axes=axes, keep_dims=True)
    outputs = [_normalized(call, mean, variance, epsilon)]
    momentum = call.attr("momentum", 0.9)
    for index, now in ((3, mean), (4, variance))[: len(call.node.outputs) - 1]:
        moved = mb.mul(x=mb.reshape(x=now, shape=(-1,)), y=1 - momentum)
        outputs.append(mb.add(x=mb.mul(x=call.var(index), y=momentum), y=moved))
    return tuple(outputs)


def _normalized(call: Call, mean: Any, variance: Any, epsilon: float) -> Any:
    x = mb.mul(x=mb.sub(x=call.var(0), y=mean), y=mb.rsqrt(x=variance, epsilon=epsilon))
    return _per_channel(call, x)


def _per_channel(call: Call, x: Any) -> Any:
    """``x·scale + bias`` with inputs 1 and 2, of shape ``(C,)``, along the channels."""
    return mb.add(x=mb.mul(x=x, y=_channels(call, 1)), y=_channels(call, 2))


def _channels(call: Call, index: int) -> Any:
    """Input ``index``, of shape ``(C,)``, as ``(1, C, 1, ...)``."""
    array = call.array(index)
    if array is not None:
        return _spread(call, array)
    return mb.reshape(x=call.var(index), shape=(1, -1) + (1,) * (call.rank - 2))


def _spread(call: Call, array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32).reshape(1, -1, *[1] * (call.rank - 2))
