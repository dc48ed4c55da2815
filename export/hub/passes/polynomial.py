"""Reading arithmetic with numbers as a polynomial of given tensors, however its terms are grouped and ordered.

0.5·x·(1 + e), x·(0.5·e + 0.5) and 0.5·x + x·e/2 are all {x: ½, x·e: ½}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx_ir as ir

from export.hub.passes.rewrite import produced_by, scalar

Terms = dict[tuple[int, ...], float]
"""Coefficients by the exponent of each variable."""

MAX_DEPTH = 12
MAX_TERMS = 8
MAX_POWER = 4
TOLERANCE = 2e-6  # relative, of constants that went through float32 twice
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Neg", "Pow")


def polynomial(value: ir.Value | None, variables: tuple[ir.Value, ...], depth: int = MAX_DEPTH) -> Terms | None:
    """``value`` as a polynomial of ``variables``; ``None`` if anything but numbers is combined with them."""
    zero = (0,) * len(variables)
    for i, variable in enumerate(variables):
        if value is variable:
            return {tuple(int(j == i) for j in range(len(variables))): 1.0}
    if (number := scalar(value)) is not None:
        return {zero: number}
    node = produced_by(value, *ARITHMETIC)
    if node is None or depth == 0:
        return None
    first = polynomial(node.inputs[0], variables, depth - 1)
    if first is None:
        return None
    if node.op_type == "Neg":
        return {power: -c for power, c in first.items()}
    if node.op_type == "Pow":
        return _power(first, scalar(node.inputs[1]), zero)
    second = polynomial(node.inputs[1], variables, depth - 1)
    if second is None:
        return None
    if node.op_type == "Mul":
        return _product(first, second)
    if node.op_type == "Div":
        divisor = second.get(zero, 0.0)
        return {p: c / divisor for p, c in first.items()} if set(second) == {zero} and divisor else None
    sign = 1.0 if node.op_type == "Add" else -1.0
    total = dict(first)
    for power, c in second.items():
        total[power] = total.get(power, 0.0) + sign * c
    return {power: c for power, c in total.items() if c} if len(total) <= MAX_TERMS else None


def _product(first: Terms, second: Terms) -> Terms | None:
    total: Terms = {}
    for p, a in first.items():
        for q, b in second.items():
            power = tuple(i + j for i, j in zip(p, q, strict=True))
            total[power] = total.get(power, 0.0) + a * b
    return total if len(total) <= MAX_TERMS else None


def _power(base: Terms, exponent: float | None, zero: tuple[int, ...]) -> Terms | None:
    if exponent is None or exponent != int(exponent) or not 1 <= exponent <= MAX_POWER:
        return None
    result: Terms | None = {zero: 1.0}
    for _ in range(int(exponent)):
        result = None if result is None else _product(result, base)
    return result


def is_close(terms: Terms | None, wanted: Mapping[tuple[int, ...], float]) -> bool:
    """Whether a polynomial is ``wanted``, as nearly as float32 constants can say so."""
    if terms is None or set(terms) != set(wanted):
        return False
    return all(abs(terms[power] - c) <= TOLERANCE * abs(c) for power, c in wanted.items())


def operands(value: ir.Value, depth: int = MAX_DEPTH) -> Iterator[ir.Value]:
    """The tensors, not numbers, of which ``value`` may be a polynomial: itself first, then what it is made of."""
    if scalar(value) is not None:
        return
    yield value
    node = produced_by(value, *ARITHMETIC)
    if node is not None and depth:
        for operand in node.inputs:
            yield from operands(operand, depth - 1)
