"""The case table: operator -> graphs of one node, each run by both runtimes in every axis order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

RTOL = 1e-5


@dataclass(frozen=True)
class Case:
    """One node: its run-time inputs and constants (``None`` leaves an input out) and its attributes."""

    op_type: str
    inputs: tuple[np.ndarray | None, ...]
    constants: tuple[int, ...]
    attributes: dict[str, Any]
    outputs: int = 1
    tolerance: float = RTOL
    relative: float | None = None
    may_transpose: bool = field(default=True)

    @property
    def label(self) -> str:
        """A short name for the test's id."""
        shapes = "_".join("x".join(map(str, a.shape)) or "scalar" for a in self.inputs if a is not None)
        attributes = "_".join(f"{k}={v}" for k, v in self.attributes.items()).replace(" ", "")
        return f"{self.op_type}-{shapes}-{attributes}"[:110]


CASES: dict[str, list[Case]] = {}


def case(op_type: str, *inputs: Any, constants: tuple[int, ...] | None = None, outputs: int = 1,
         tolerance: float = RTOL, relative: float | None = None, still: bool = False,
         **attributes: Any) -> None:  # fmt: skip
    """Adds a case; by default the first input comes at run time and the others are constants.

    ``tolerance`` is of the largest number in the output, ``relative`` of each; ``still`` demands that an NHWC input is
    lowered without a TRANSPOSE.
    """
    arrays = tuple(None if a is None else np.asarray(a) for a in inputs)
    constants = tuple(range(1, len(arrays))) if constants is None else constants
    made = Case(op_type, arrays, constants, attributes, outputs, tolerance, relative, not still)
    CASES.setdefault(op_type, []).append(made)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Normally distributed float32 numbers."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """Float32 numbers in [0.5, 2]."""
    return np.random.default_rng((seed, *shape)).uniform(0.5, 2, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    """An int64 vector."""
    return np.asarray(values, np.int64)
