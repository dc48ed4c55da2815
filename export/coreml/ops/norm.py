"""Normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("BatchNormalization", since=15)
def batch_normalization(call: Call) -> Any:
    """``(x − mean)·scale/sqrt(var + epsilon) + bias`` with constant statistics."""
    if call.attr("training_mode", 0):
        raise call.unsupported("training_mode=1")
    call.only_first_output()
    scale, bias, mean, variance = (
        call.required(index, meaning) for index, meaning in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    epsilon = call.attr("epsilon", 1e-5)
    if call.rank in (3, 4):
        return mb.batch_norm(x=call.var(0), mean=mean, variance=variance, gamma=scale, beta=bias, epsilon=epsilon)
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    shape = (1, -1) + (1,) * (call.rank - 2)
    x = mb.mul(x=call.var(0), y=factor.reshape(shape))
    return mb.add(x=x, y=(bias - mean * factor).reshape(shape))


@lowers("InstanceNormalization", since=6)
def instance_normalization(call: Call) -> Any:
    """``(x − mean)·scale/sqrt(var + epsilon) + bias`` per sample and channel; scale and bias may be computed."""
    if call.rank not in (3, 4):
        raise call.unsupported(f"an input of rank {call.rank}; 3 and 4 are supported")
    epsilon = call.attr("epsilon", 1e-5)
    scale, bias = call.array(1), call.array(2)
    if scale is not None and bias is not None:
        return mb.instance_norm(x=call.var(0), gamma=scale, beta=bias, epsilon=epsilon)
    return _per_channel(call, mb.instance_norm(x=call.var(0), epsilon=epsilon))


@lowers("GroupNormalization", since=21)
def group_normalization(call: Call) -> Any:
    """Instance normalization of ``(N, G, C/G·H·W)``, then a scale and a bias per channel."""
    shape, groups = call.shape(0), call.attr("num_groups")
    grouped = mb.reshape(x=call.var(0), shape=(shape[0], groups, -1))
    normal = mb.instance_norm(x=grouped, epsilon=call.attr("epsilon", 1e-5))
    return _per_channel(call, mb.reshape(x=normal, shape=shape))


@lowers("LayerNormalization", since=17)
def layer_normalization(call: Call) -> Any:
    """Normalization over ``axis`` and all dimensions after it."""
    call.only_first_output()
    axis, rank = call.axis(-1), call.rank
    axes, shape = list(range(axis, rank)), call.shape(0)[axis:]
    scale = np.broadcast_to(call.required(1, "scale"), shape)
    bias = np.broadcast_to(call.required(2, "bias"), shape) if call.has(2) else np.zeros(shape, np.float32)
    return mb.layer_norm(
        x=call.var(0),
        axes=axes,
        gamma=np.ascontiguousarray(scale),
        beta=np.ascontiguousarray(bias),
        epsilon=call.attr("epsilon", 1e-5),
    )


def _per_channel(call: Call, x: Any) -> Any:
    """``x·scale + bias`` with inputs 1 and 2, of shape ``(C,)``, along the channels."""
    shape = (1, call.shape(0)[1]) + (1,) * (call.rank - 2)
    for index, operation in ((1, mb.mul), (2, mb.add)):
        array = call.array(index)
        factor = array.reshape(shape) if array is not None else mb.reshape(x=call.var(index), shape=shape)
        x = operation(x=x, y=factor)
    return x
