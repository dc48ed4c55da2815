"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("Relu", since=14)
def relu(call: Call) -> Any:
    """``max(x, 0)``."""
    return mb.relu(x=call.var(0)) if call.is_float() else mb.maximum(x=call.var(0), y=np.int32(0))


@lowers("LeakyRelu", since=16)
def leaky_relu(call: Call) -> Any:
    """``x`` where positive, ``alpha·x`` elsewhere."""
    return mb.leaky_relu(x=call.var(0), alpha=call.attr("alpha", 0.01))


@lowers("PRelu", since=16)
def prelu(call: Call) -> Any:
    """``x`` where positive, ``slope·x`` elsewhere; one slope per channel maps to MIL's own op."""
    x, slope = call.var(0), call.array(1)
    if slope is not None and call.rank == 4:
        aligned = slope.reshape((1,) * (4 - slope.ndim) + slope.shape)
        if aligned.shape[0] == aligned.shape[2] == aligned.shape[3] == 1:
            return mb.prelu(x=x, alpha=np.ascontiguousarray(np.broadcast_to(aligned.ravel(), call.shape(0)[1:2])))
    zero = np.float32(0) if call.is_float() else np.int32(0)
    return mb.add(x=mb.maximum(x=x, y=zero), y=mb.mul(x=mb.minimum(x=x, y=zero), y=call.var(1)))


@lowers("Elu", since=6)
def elu(call: Call) -> Any:
    """``x`` where positive, ``alpha·(exp(x) − 1)`` elsewhere."""
    return mb.elu(x=call.var(0), alpha=call.attr("alpha", 1.0))


@lowers("Selu", since=6)
def selu(call: Call) -> Any:
    """``gamma·elu(x, alpha)``."""
    alpha, gamma = call.attr("alpha", 1.6732632), call.attr("gamma", 1.0507010)
    return mb.mul(x=mb.elu(x=call.var(0), alpha=alpha), y=gamma)


@lowers("Celu", since=12)
def celu(call: Call) -> Any:
    """``alpha·elu(x/alpha, 1)``."""
    alpha = call.attr("alpha", 1.0)
    return mb.mul(x=mb.elu(x=mb.mul(x=call.var(0), y=1.0 / alpha), alpha=1.0), y=alpha)


@lowers("Sigmoid", since=13)
def sigmoid(call: Call) -> Any:
    """``1/(1 + exp(−x))``."""
    return mb.sigmoid(x=call.var(0))


@lowers("HardSigmoid", since=6)
def hard_sigmoid(call: Call) -> Any:
    """``clip(alpha·x + beta, 0, 1)``."""
    return mb.sigmoid_hard(x=call.var(0), alpha=call.attr("alpha", 0.2), beta=call.attr("beta", 0.5))


@lowers("HardSwish", since=14)
def hard_swish(call: Call) -> Any:
    """``x·clip(x/6 + 1/2, 0, 1)``."""
    x = call.var(0)
    return mb.mul(x=x, y=mb.sigmoid_hard(x=x, alpha=1.0 / 6.0, beta=0.5))


@lowers("Swish", since=24)
def swish(call: Call) -> Any:
    """``x·sigmoid(alpha·x)``."""
    x, alpha = call.var(0), call.attr("alpha", 1.0)
    return mb.silu(x=x) if alpha == 1.0 else mb.mul(x=x, y=mb.sigmoid(x=mb.mul(x=x, y=alpha)))


@lowers("Tanh", since=13)
def tanh(call: Call) -> Any:
    """Hyperbolic tangent."""
    return mb.tanh(x=call.var(0))


@lowers("Softplus", since=1)
def softplus(call: Call) -> Any:
    """``log(1 + exp(x))``."""
    return mb.softplus(x=call.var(0))


@lowers("Softsign", since=1)
def softsign(call: Call) -> Any:
    """``x/(1 + |x|)``."""
    return mb.softsign(x=call.var(0))


@lowers("Mish", since=18)
def mish(call: Call) -> Any:
    """``x·tanh(softplus(x))``."""
    x = call.var(0)
    return mb.mul(x=x, y=mb.tanh(x=mb.softplus(x=x)))


@lowers("Gelu", since=20)
def gelu(call: Call) -> Any:
    """``x·Φ(x)``, exact or by tanh."""
    mode = {"none": "EXACT", "tanh": "TANH_APPROXIMATION"}.get(call.attr("approximate", "none"))
    if mode is None:
        raise call.unsupported(f"approximate={call.attr('approximate')!r} is neither none nor tanh")
    return mb.gelu(x=call.var(0), mode=mode)


@lowers("ThresholdedRelu", since=10)
def thresholded_relu(call: Call) -> Any:
    """``x`` where it is greater than ``alpha``, 0 elsewhere; MIL's own keeps what equals ``alpha`` as well."""
    x = call.var(0)
    return mb.select(cond=mb.greater(x=x, y=np.float32(call.attr("alpha", 1.0))), a=x, b=np.float32(0))


@lowers("Softmax", since=13)
def softmax(call: Call) -> Any:
    """``exp(x)`` over its sum along one axis."""
    return mb.softmax(x=call.var(0), axis=call.axis(-1))


@lowers("LogSoftmax", since=13)
def log_softmax(call: Call) -> Any:
    """``y − log(sum(exp(y)))`` along one axis, ``y`` being ``x`` less its greatest value: exact for large ``x`` too."""
    x, axes = call.var(0), [call.axis(-1)]
    y = mb.sub(x=x, y=mb.reduce_max(x=x, axes=axes, keep_dims=True))
    return mb.sub(x=y, y=mb.reduce_log_sum_exp(x=y, axes=axes, keep_dims=True))


@lowers("Clip", since=13)
def clip(call: Call) -> Any:
    """``min(max(x, low), high)``, either bound optional."""
    x = call.var(0)
    if call.is_float() and call.array(1) is not None and call.array(2) is not None:
        low, high = float(call.array(1)), float(call.array(2))
        if low <= high:
            return mb.relu6(x=x) if (low, high) == (0.0, 6.0) else mb.clip(x=x, alpha=low, beta=high)
    if call.has(1) and not _is_bound(call, 1, np.iinfo(np.int32).min):
        x = mb.maximum(x=x, y=call.var(1))
    if call.has(2) and not _is_bound(call, 2, np.iinfo(np.int32).max):
        x = mb.minimum(x=x, y=call.var(2))
    return mb.identity(x=x)


def _is_bound(call: Call, index: int, limit: int) -> bool:
    """Whether a limit of integers is that of int32 or beyond, so that it limits nothing."""
    value = call.array(index)
    return not call.is_float() and value is not None and int(value) == limit
