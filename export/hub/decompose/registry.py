"""Which function rewrites which operator: ``@decomposes("Einsum", 12)``, one family of operators a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx.defs
import onnx_ir as ir

from export.hub.model import HUB_OPSET
from export.hub.passes.rewrite import constant, dims, new_constant, replace
from validate.errors import UnsupportedError

Rule = Callable[[ir.Node], bool]
"""Rewrites a node in its graph and returns whether it did; shapes of the new values are inferred afterwards."""

_rules: dict[str, Rule] = {}
_on_request: dict[str, Rule] = {}


def decomposes(op_type: str, since: int, *, on_request: bool = False) -> Callable[[Rule], Rule]:
    """Decorator: the function rewrites ``op_type`` as defined since opset ``since``, the newest up to ``HUB_OPSET``.

    ``on_request`` is for operators that one target has: the compiler of the other asks for the rewrite. Raises
    ``ValueError`` for an operator that is registered already or that ONNX defines otherwise.
    """
    table = _on_request if on_request else _rules

    def register(rule: Rule) -> Rule:
        if op_type in table:
            raise ValueError(f"{op_type} is registered twice.")
        if onnx.defs.get_schema(op_type, HUB_OPSET).since_version != since:
            raise ValueError(f"The hub's {op_type} is not the one since opset {since}.")
        table[op_type] = rule
        return rule

    return register


def find(op_type: str, *, on_request: bool = False) -> Rule | None:
    """The rule for an operator, or ``None``."""
    return (_on_request if on_request else _rules).get(op_type)


def registered() -> Iterator[tuple[str, int]]:
    """Every operator that is rewritten on the hub, with the opset version that defines it."""
    for op_type in sorted(_rules):
        yield op_type, onnx.defs.get_schema(op_type, HUB_OPSET).since_version


def number(node: ir.Node, array: object, like: ir.Value, hint: str) -> ir.Value:
    """A constant of the dtype of ``like``, named after the node's output."""
    return new_constant(node.graph, np.asarray(array, like.dtype.numpy()), f"{node.outputs[0].name}_{hint}")


def whole(node: ir.Node, array: object, hint: str) -> ir.Value:
    """An int64 constant, named after the node's output."""
    return new_constant(node.graph, np.asarray(array, np.int64), f"{node.outputs[0].name}_{hint}")


def become(node: ir.Node, array: np.ndarray) -> bool:
    """Let the node's only output be a constant."""
    value = new_constant(node.graph, array, f"{node.outputs[0].name}_value")
    replace(node, lambda tape: tape.op("Identity", [value]))
    return True


def shape_of(node: ir.Node, index: int = 0) -> tuple[int, ...]:
    """The static shape of an input; raises :class:`UnsupportedError` if it has none."""
    shape = dims(node.inputs[index])
    if shape is None:
        raise unsupported(node, f"the shape of its input {index} is not fixed")
    return shape


def fixed(node: ir.Node, index: int, name: str) -> np.ndarray:
    """A constant input; raises :class:`UnsupportedError` if it is computed at run time."""
    array = constant(node.inputs[index])
    if array is None:
        raise unsupported(node, f"its {name} is computed at run time")
    return array


def unsupported(node: ir.Node, reason: str) -> UnsupportedError:
    """The error for a form of an operator that cannot be rewritten; names node, operator and shapes."""
    shapes = ", ".join(
        "-" if value is None else f"{value.name} {'?' if value.shape is None else list(value.shape)}"
        for value in node.inputs
    )
    return UnsupportedError(f"Node '{node.name}' ({node.op_type}; inputs {shapes}) is not supported: {reason}.")
