"""Short names for what the cases of the lowerings are made of."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.graphs import Case, Const, case

_random = np.random.default_rng(7)


def a(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Uniform random floats."""
    return _random.uniform(low, high, shape).astype(np.float32)


def k(*shape: int, low: float = -1.0, high: float = 1.0) -> Const:
    """A random float initializer."""
    return Const(a(*shape, low=low, high=high))


def n(*values: int) -> Const:
    """An int64 initializer."""
    return Const(np.array(values, np.int64))


def f(value: float) -> Const:
    """A scalar float initializer."""
    return Const(np.array(value, np.float32))


def bits(*shape: int) -> np.ndarray:
    """Random booleans."""
    return _random.integers(0, 2, shape).astype(bool)


X = a(1, 4, 6, 7)


def simple(op: str, low: float = -2.0, high: float = 2.0, opset: int = 21, **attributes: object) -> list[Case]:
    """One node over a picture-like tensor."""
    return [case(op, a(1, 4, 6, 7, low=low, high=high), opset=opset, **attributes)]


def whole(*shape: int) -> np.ndarray:
    """Random int32, beyond what fp16 holds."""
    return _random.integers(-9000, 9000, shape).astype(np.int32)
