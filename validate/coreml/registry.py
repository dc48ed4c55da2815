"""Which MIL operators the executor knows: a decorator registers the function that writes one as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validate.coreml.graph import Graph

Lowering = Callable[["Graph", Any], "str | list[str]"]


@dataclass(frozen=True)
class Rule:
    """How one MIL operator becomes ONNX.

    ``lower(graph, op)`` adds nodes and returns the name of the result, or one name per result. ``exact`` says
    that every result value is a copy of an input value (or of an fp16 constant), so that rounding an fp16
    result again would change nothing.
    """

    lower: Lowering
    exact: bool


_RULES: dict[str, Rule] = {}


def mil_op(*names: str, exact: bool = False) -> Callable[[Lowering], Lowering]:
    """Register the decorated function for the MIL operators called ``names``.

    Raises :class:`ValueError` when a name is registered twice.
    """

    def register(lower: Lowering) -> Lowering:
        for name in names:
            if name in _RULES:
                raise ValueError(f"MIL operator {name} is registered twice")
            _RULES[name] = Rule(lower, exact)
        return lower

    return register


def find_rule(name: str) -> Rule | None:
    """The rule for the MIL operator ``name``, or ``None`` when there is none."""
    return _RULES.get(name)


def supported_ops() -> list[str]:
    """The names of all MIL operators that the executor runs, sorted."""
    return sorted(_RULES)
