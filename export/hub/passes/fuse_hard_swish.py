"""c·clip(a·x + b, lo, hi) + d = clip(ca·x + cb + d, c·lo + d, c·hi + d) for c > 0.

Where that comes out as clip(x/6 + 1/2, 0, 1), or with slope 1/5, it is HardSigmoid, in whichever order the
constants were added and multiplied. And x · HardSigmoid(x; 1/6, 1/2) = HardSwish(x), wherever the factor 1/6
may stand: x·clip(x+3, 0, 6)/6, (x/6)·clip(x+3, 0, 6), x·(clip(x+3, 0, 6)/6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, produced_by, replace, scalar, two_way

TOLERANCE = 1e-6  # of a constant such as 0.16666667, which float32 cannot hold exactly
SWISH = (1 / 6, 1 / 2)  # slope and offset of the hard sigmoid in a hard swish
HARD_SIGMOIDS = (SWISH, (1 / 5, 1 / 2))  # PyTorch's, and the default of ONNX and Keras


@dataclass(frozen=True)
class Ramp:
    """clip(slope · x + offset, low, high)."""

    x: ir.Value
    slope: float = 1.0
    offset: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    def scaled(self, factor: float) -> Ramp | None:
        """``factor`` times this; ``None`` for a factor that turns it upside down."""
        if factor <= 0:
            return None
        slope, offset, low, high = (n * factor for n in (self.slope, self.offset, self.low, self.high))
        return Ramp(self.x, slope, offset, low, high)

    def shifted(self, by: float) -> Ramp:
        """This plus ``by``."""
        return changed(self, offset=self.offset + by, low=self.low + by, high=self.high + by)

    def clipped(self, low: float, high: float) -> Ramp | None:
        """This, bounded once more; ``None`` for bounds in the wrong order."""
        if low > high:
            return None
        return changed(self, low=min(max(self.low, low), high), high=min(max(self.high, low), high))

    def is_hard_sigmoid(self, slope: float, offset: float) -> bool:
        """Whether it is clip(slope · x + offset, 0, 1), as nearly as float32 constants can say so."""
        mine, wanted = (self.slope, self.offset, self.low, self.high), (slope, offset, 0.0, 1.0)
        return all(abs(a - b) <= TOLERANCE for a, b in zip(mine, wanted, strict=True))


def fuse_hard_swish(model: ir.Model) -> int:
    """Fuse spelled-out hard-sigmoids and hard-swishes; returns how many nodes were written."""
    swishes = sum(_fuse_swish(node) for node in list(model.graph))
    return swishes + sum(_fuse_sigmoid(node) for node in list(model.graph))


def _fuse_swish(node: ir.Node) -> bool:
    product, factor = _scaled_product(node)
    for plain, bounded in two_way(product) if product is not None else ():
        for x, slope in _multiples(plain):
            ramp = read_ramp(bounded, x)
            ramp = None if ramp is None else ramp.scaled(slope * factor)
            if ramp is not None and ramp.is_hard_sigmoid(*SWISH):
                replace(node, lambda tape, x=x: tape.op("HardSwish", [x]))
                return True
    return False


def _multiples(value: ir.Value) -> list[tuple[ir.Value, float]]:
    """Each (x, f) such that ``value`` is f · x."""
    node = produced_by(value, "Mul", "Div")
    number = None if node is None else scalar(node.inputs[1])
    if not number:
        return [(value, 1.0)]
    return [(value, 1.0), (node.inputs[0], number if node.op_type == "Mul" else 1 / number)]


def _scaled_product(node: ir.Node) -> tuple[ir.Node | None, float]:
    """(m, f) if ``node`` computes f times the product node m of two tensors, else (None, 1)."""
    if node.op_type not in ("Mul", "Div"):
        return None, 1.0
    number = scalar(node.inputs[1])
    if number is None:
        return (node, 1.0) if node.op_type == "Mul" else (None, 1.0)
    product = produced_by(node.inputs[0], "Mul")
    if product is None or number == 0 or any(scalar(value) is not None for value in product.inputs):
        return None, 1.0
    return product, number if node.op_type == "Mul" else 1 / number


def _fuse_sigmoid(node: ir.Node) -> bool:
    if node.op_type not in ("Mul", "Div", "Clip", "Add", "Sub", "Min", "Max"):
        return False
    for x in _chain(node.outputs[0])[1:]:
        ramp = read_ramp(node.outputs[0], x)
        for alpha, beta in HARD_SIGMOIDS:
            if ramp is not None and ramp.is_hard_sigmoid(alpha, beta):
                attributes = {"alpha": alpha, "beta": beta}
                replace(node, lambda tape, x=x, a=attributes: tape.op("HardSigmoid", [x], a))
                return True
    return False


def read_ramp(value: ir.Value, x: ir.Value) -> Ramp | None:
    """``value`` as a ramp of ``x``; ``None`` if anything but numbers and one-number bounds lies between."""
    ramp: Ramp | None = Ramp(x)
    chain = _chain(value)
    if x not in chain:
        return None
    for step in reversed(chain[: chain.index(x)]):
        ramp = None if ramp is None else _step(step.producer())[1](ramp)
    return ramp


def _chain(value: ir.Value) -> list[ir.Value]:
    """``value``, what it is a ramp of in one step, what that is a ramp of, and so on back."""
    chain = [value]
    while (step := _step(chain[-1].producer())) is not None:
        chain.append(step[0])
    return chain


def _step(node: ir.Node | None) -> tuple[ir.Value, Callable[[Ramp], Ramp | None]] | None:
    """The tensor that ``node`` bounds, shifts or scales, and what it does to a ramp; else ``None``."""
    if node is None or not node.inputs or node.inputs[0] is None:
        return None
    op, x = node.op_type, node.inputs[0]
    if op == "HardSigmoid":
        alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        return (x, lambda r: r.scaled(alpha).shifted(beta).clipped(0, 1)) if alpha > 0 else None
    if op == "Relu":
        return x, lambda r: r.clipped(0, np.inf)
    if op == "Clip":
        stated = [*node.inputs[1:], None, None][:2]
        bounds = [default if v is None else scalar(v) for v, default in zip(stated, (-np.inf, np.inf), strict=True)]
        return None if None in bounds else (x, lambda r: r.clipped(*bounds))
    number = scalar(node.inputs[1]) if len(node.inputs) == 2 else None
    if number is None or x.shape != node.outputs[0].shape:
        return None
    steps: dict[str, Callable[[Ramp], Ramp | None]] = {
        "Add": lambda r: r.shifted(number),
        "Sub": lambda r: r.shifted(-number),
        "Mul": lambda r: r.scaled(number),
        "Div": lambda r: r.scaled(1 / number) if number else None,
        "Max": lambda r: r.clipped(number, np.inf),
        "Min": lambda r: r.clipped(-np.inf, number),
    }
    return (x, steps[op]) if op in steps else None
