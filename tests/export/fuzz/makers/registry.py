"""The makers: functions that add one node of an operator to a graph."""

from __future__ import annotations

from collections.abc import Callable

from tests.export.fuzz.builder import Builder

Maker = Callable[[Builder, str], None]

MAKERS: dict[str, Maker] = {}


def makes(*op_types: str) -> Callable[[Maker], Maker]:
    """Register the decorated function, which adds a node of the operator it is called with."""

    def register(maker: Maker) -> Maker:
        for op_type in op_types:
            if op_type in MAKERS:
                raise ValueError(f"{op_type} has two makers.")
            MAKERS[op_type] = maker
        return maker

    return register
