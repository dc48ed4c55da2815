"""Layer normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("LayerNormalization", since=17)
def layer_normalization(call: Call) -> Any:
    """``(x - mean)·scale/sqrt(var + epsilon) + bias`` over ``axis`` and all dimensions after it.

    MIL's own operation takes constants of the normalized shape; another scale or bias is multiplied and added after
    it. Where the mean or the inverse deviation is asked for too, everything is computed from them.
    """
    axis, epsilon = call.axis(-1), call.attr("epsilon", 1e-5)
    axes, shape = list(range(axis, call.rank)), call.shape(0)[axis:]
    if any(output.uses() or output.is_graph_output() for output in call.node.outputs[1:]):
        return _with_statistics(call, axes, epsilon)
    scale, bias = (_constant(call, index, shape) for index in (1, 2))
    fused = {}
    if scale is not None:
        fused["gamma"] = scale
        if bias is not None or not call.has(2):
            fused["beta"] = np.zeros(shape, np.float32) if bias is None else bias
    y = mb.layer_norm(x=call.var(0), axes=axes, epsilon=epsilon, **fused)
    return _affine(call, y, 1 if "gamma" not in fused else None, 2 if call.has(2) and "beta" not in fused else None)


def _with_statistics(call: Call, axes: list[int], epsilon: float) -> tuple[Any, ...]:
    x = call.var(0)
    mean = mb.reduce_mean(x=x, axes=axes, keep_dims=True)
    centered = mb.sub(x=x, y=mean)
    variance = mb.reduce_mean(x=mb.square(x=centered), axes=axes, keep_dims=True)
    inverse = mb.rsqrt(x=variance, epsilon=epsilon)
    y = _affine(call, mb.mul(x=centered, y=inverse), 1, 2 if call.has(2) else None)
    return (y, mean, inverse)[: len(call.node.outputs)]


def _affine(call: Call, x: Any, scale: int | None, bias: int | None) -> Any:
    """``x`` times the input numbered ``scale`` plus the one numbered ``bias``, where there are such."""
    if scale is not None:
        x = mb.mul(x=x, y=call.var(scale))
    return x if bias is None else mb.add(x=x, y=call.var(bias))


def _constant(call: Call, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """A constant input as an array of the normalized shape, or ``None`` where it is computed or varies beyond it."""
    array = call.array(index)
    if array is None:
        return None
    extra = array.ndim - len(shape)
    if extra > 0:
        if max(array.shape[:extra]) > 1:
            return None
        array = array.reshape(array.shape[extra:])
    return np.ascontiguousarray(np.broadcast_to(array, shape))
