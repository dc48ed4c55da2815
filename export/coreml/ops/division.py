"""Quotients and remainders."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.arrange import broadcast
from export.coreml.call import Call
from export.coreml.integers import truncated_div, truncated_mod
from export.coreml.mil import mb
from export.coreml.registry import lowers


@lowers("Div", since=14)
def div(call: Call) -> Any:
    """``x/y``, of integers rounded towards zero; a product where that is the same number."""
    x, y = call.var(0), call.var(1)
    if not call.is_float():
        return truncated_div(x, y)
    divisor = call.array(1)
    if divisor is not None and _powers_of_two(divisor):
        return mb.mul(x=x, y=(np.float32(1) / divisor).astype(np.float32))
    return mb.real_div(x=x, y=y)


def _powers_of_two(values: np.ndarray) -> bool:
    """Whether ``1/values`` is exact, in fp16 too."""
    fractions, exponents = np.frexp(values)
    return bool((np.abs(fractions) == 0.5).all() and (np.abs(exponents) < 14).all())


@lowers("Mod", since=13)
def mod(call: Call) -> Any:
    """The remainder with the sign of ``y``, or with that of ``x`` where ``fmod`` is set.

    Of floats ``sign(x)·(|x| mod |y|)``, in which the remainder may be off by ``y`` where ``x/y`` rounds to a whole
    number; ``x`` itself where ``y`` is infinite.
    """
    x, y, like_c = call.var(0), call.var(1), call.attr("fmod", 0)
    if not call.is_float():
        return truncated_mod(x, y) if like_c else mb.mod(x=x, y=y)
    size, span = mb.abs(x=x), mb.abs(x=y)
    rest = mb.mod(x=size, y=span)
    if call.array(1) is None or np.isinf(call.array(1)).any():
        whole = mb.equal(x=span, y=np.float32(np.inf))
        rest = mb.select(cond=whole, a=broadcast(size, call.out_shape()), b=rest)
    rest = mb.mul(x=mb.sign(x=x), y=rest)
    if like_c:
        return rest
    opposite = mb.less(x=mb.mul(x=mb.sign(x=rest), y=mb.sign(x=y)), y=np.float32(0))
    return mb.select(cond=opposite, a=mb.add(x=rest, y=y), b=rest)
