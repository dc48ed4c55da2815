"""Arithmetic of whole numbers where TFLite's kernels lack a type, differ from ONNX or end the process.

FLOOR_MOD of the smallest number by -1 is a division that no processor can do: the process dies. A remainder by -1 is
0, so -1 is replaced by 1 first. A division by zero is LiteRT's own error when the model runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from export.tflite.builder import Tensor
from export.tflite.ops.formula import Formula

LARGEST_FLOAT = float(np.nextafter(np.float32(2.0**63), np.float32(0)))  # the largest float32 that fits int64
DIVISION_STEPS = 3  # each takes at least 22 bits off the remainder of 63
HALF = 2**32
EXPONENT_BITS = 7  # above 127 every int64 power is 0, 1, -1 or beyond the type


def _without(f: Formula, divisor: Tensor, number: int) -> Tensor:
    """The divisor with 1 in place of ``number``."""
    if divisor.data is not None and not np.any(divisor.data == number):
        return divisor
    return f.select(f.equal(divisor, number), 1, divisor)


def floor_remainder(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """``a - floor(a / b) * b``, with the sign of ``b``; int32 or int64."""
    return f.binary("FLOOR_MOD", a, _without(f, b, -1))


def truncated_remainder(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """``a - trunc(a / b) * b``, with the sign of ``a``; for float32 exact too."""
    if a.dtype == np.float32:
        m = f.binary("FLOOR_MOD", f.abs(a), f.abs(b))
        return f.select(f.less(a, 0), f.neg(m), m)
    m = floor_remainder(f, a, b)
    other_sign = f.binary("NOT_EQUAL", f.less(a, 0), f.less(b, 0), dtype=np.bool_)
    beyond = f.binary("LOGICAL_AND", other_sign, f.binary("NOT_EQUAL", m, 0, dtype=np.bool_), dtype=np.bool_)
    return f.select(beyond, f.sub(m, b), m)


def divide(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """``trunc(a / b)``. int32 has a kernel; int64 is divided in float32 until nothing is left.

    ``a`` less its remainder is ``q * b`` exactly. A float32 quotient is within 2^-22 of it, so subtracting
    ``round(quotient) * b`` leaves a multiple of ``b`` smaller by that factor, after three rounds none.
    """
    if a.dtype == np.int32:
        return f.binary("DIV", a, b)
    return _exact_quotient(f, f.sub(a, truncated_remainder(f, a, b)), b)


def _exact_quotient(f: Formula, left: Tensor, b: Tensor) -> Tensor:
    """``left / b`` in int64, of a multiple of ``b``."""
    divisor = f.cast(b, np.float32)
    total = None
    for _ in range(DIVISION_STEPS):
        quotient = f.unary("ROUND", f.div(f.cast(left, np.float32), divisor))
        quotient = f.maximum(f.minimum(quotient, LARGEST_FLOAT), -LARGEST_FLOAT)
        step = f.cast(quotient, np.int64)
        left = f.sub(left, f.mul(step, b))
        total = step if total is None else f.add(total, step)
    return total


def constant_power(f: Formula, base: Tensor, exponent: int) -> Tensor:
    """``base ** exponent`` by repeated squaring, for ``exponent >= 1``; any type."""
    power, square = None, base
    while True:
        if exponent & 1:
            power = square if power is None else f.mul(power, square)
        exponent >>= 1
        if not exponent:
            return power
        square = f.mul(square, square)


def power(f: Formula, base: Tensor, exponent: Tensor) -> Tensor:
    """``base ** exponent`` of whole numbers, the exponent int32; a negative exponent cuts the fraction off.

    POW refuses negative exponents when it runs and has no int64 kernel, so the bits of ``|exponent|`` choose which
    squares are multiplied.
    """
    size = f.abs(exponent)
    even, parity = 2**EXPONENT_BITS - 2, f.binary("FLOOR_MOD", size, 2)
    count = f.select(f.less(even, size), f.add(parity, even), size)
    total, square = None, base
    for bit in range(EXPONENT_BITS):
        if bit:
            count = f.binary("RIGHT_SHIFT", count, 1)
            square = f.mul(square, square)
        odd = f.equal(f.binary("FLOOR_MOD", count, 2), 1)
        factor = f.select(odd, square, 1)
        total = factor if total is None else f.mul(total, factor)
    one = f.equal(f.abs(base), 1)
    return f.select(f.less(exponent, 0), f.select(one, total, 0), total)


def bitwise_and(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """The bits that both int32 numbers have: ``a + b = (a ^ b) + 2 (a & b)``, modulo 2^32.

    Halving gives all bits but the highest, the sign, which is that of both numbers being negative.
    """
    twice = f.sub(f.add(a, b), f.binary("BITWISE_XOR", a, b))
    half = f.binary("RIGHT_SHIFT", twice, 1)
    lowest = np.iinfo(np.int32).min
    low_bits = f.select(f.less(half, 0), f.sub(half, lowest), half)
    both = f.binary("LOGICAL_AND", f.less(a, 0), f.less(b, 0), dtype=np.bool_)
    return f.select(both, f.add(low_bits, lowest), low_bits)


def bitwise_or(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """The bits that either int32 number has: those of one of them, and those of both."""
    return f.binary("BITWISE_XOR", bitwise_xor(f, a, b), bitwise_and(f, a, b))


def bitwise_xor(f: Formula, a: Tensor, b: Tensor) -> Tensor:
    """The bits that exactly one int32 number has."""
    return f.binary("BITWISE_XOR", a, b)


def by_halves(f: Formula, formula: Callable[[Formula, Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """A bitwise ``formula`` of int32 for int64: of the upper and of the lower 32 bits, put together again."""
    uppers, lowers = zip(*(_halves(f, number) for number in (a, b)), strict=True)
    upper, lower = (f.cast(formula(f, *halves), np.int64) for halves in (uppers, lowers))
    return f.add(f.mul(upper, HALF), f.binary("FLOOR_MOD", lower, HALF))


def _halves(f: Formula, x: Tensor) -> tuple[Tensor, Tensor]:
    """``x = upper * 2^32 + lower`` with ``lower`` from 0 on, both as the 32 bits that an int32 has."""
    if x.data is not None:
        halves = x.data >> 32, x.data & (HALF - 1)
        return tuple(f.tensor(half.astype(np.uint32).view(np.int32), np.int32) for half in halves)
    lower = f.binary("FLOOR_MOD", x, HALF)
    upper = _exact_quotient(f, f.sub(x, lower), f.tensor(HALF, np.int64))
    return f.cast(upper, np.int32), f.cast(lower, np.int32)
