"""Which function lowers which ONNX operator: one table, filled by decorators, read by the compiler and the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import onnx.defs
import onnx_ir as ir

from validate.errors import UnsupportedError

if TYPE_CHECKING:
    from export.tflite.lowering import Lowering

Rule = Callable[["Lowering", ir.Node], None]


class Registry:
    """Rules by operator and by the opset version that last changed the operator's meaning ("since version")."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str, int], Rule] = {}

    def __call__(self, op_type: str, *since: int) -> Callable[[Rule], Rule]:
        """Decorator: the function lowers ``op_type`` as defined since each of the given opset versions.

        Raises ``ValueError`` for a pair that is registered already or that ONNX does not define.
        """

        def register(rule: Rule) -> Rule:
            for version in since:
                if (op_type, version) in self.rules:
                    raise ValueError(f"{op_type} since opset {version} is registered twice.")
                if onnx.defs.get_schema(op_type, version).since_version != version:
                    raise ValueError(f"ONNX does not define {op_type} since opset {version}.")
                self.rules[op_type, version] = rule
            return rule

        return register

    @property
    def op_types(self) -> list[str]:
        """The operators that have a rule, sorted."""
        return sorted({op_type for op_type, _ in self.rules})

    def find(self, node: ir.Node, opset: int) -> Rule | None:
        """The rule for ``node`` in a model of this opset, or None."""
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset):
            return None
        return self.rules.get((node.op_type, onnx.defs.get_schema(node.op_type, opset).since_version))


lowering = Registry()
"""Float rules: ``@lowering("Relu", 14)``."""


def unsupported(node: ir.Node, reason: str) -> UnsupportedError:
    """The error for a node that TFLite, or this compiler, cannot express; names node, operator and shapes."""
    shapes = ", ".join(
        "-" if value is None else f"{value.name} {list(value.shape) if value.shape is not None else '?'}"
        for value in node.inputs
    )
    return UnsupportedError(f"Node '{node.name}' ({node.op_type}; inputs {shapes}) cannot become TFLite: {reason}")


def unknown(node: ir.Node, opset: int) -> UnsupportedError:
    """The error for a node without a rule; lists what is supported."""
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    return unsupported(
        node, f"operator {name} (opset {opset}) is not supported; supported are {', '.join(lowering.op_types)}."
    )
