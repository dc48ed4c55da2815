"""Exact rewrites of operators, or forms of them, that no target has into operators that both have.

One family of operators a file, registered by ``@decomposes``; each rule's docstring states the identity behind it.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from export.hub.decompose import (  # noqa: F401 - they register their rules
    arrange,
    constants,
    einsum,
    formula,
    grid,
    lp_pool,
    norm,
    one_hot,
)
from export.hub.decompose.registry import find, registered
from export.hub.shapes import infer_shapes

__all__ = ["decompose", "decompose_node", "registered"]

MAX_ROUNDS = 8  # a rule may use an operator that another rule rewrites


def decompose(model: ir.Model, requested: Collection[str] = ()) -> int:
    """Rewrite every operator that no target has, and those ``requested``; returns how many nodes were.

    Shapes must be static before, and are afterwards. Raises :class:`~validate.errors.UnsupportedError` naming a
    node that has no such form.
    """
    count = 0
    for _ in range(MAX_ROUNDS):
        fired = sum(decompose_node(node, requested) for node in list(model.graph))
        if not fired:
            break
        count += fired
        infer_shapes(model)
    return count


def decompose_node(node: ir.Node, requested: Collection[str] = ()) -> bool:
    """Rewrite one node if there is a rule for it; returns whether it was. Shapes of new values are not known yet."""
    rules = [find(node.op_type)]
    if node.op_type in requested:
        rules.append(find(node.op_type, on_request=True))
    return any(rule is not None and rule(node) for rule in rules)
