"""Which nodes keep int8 numbers between the convolutions, and whose range a tensor shares.

*Moving* nodes (Pad, MaxPool, nearest Resize, ...) give elements of their input, and *joining* ones (Concat) elements of
all their inputs, so rounding in front of them is rounding behind them, and they run on a quarter of the bytes.
*Averaging* nodes (AveragePool, linear Resize) stay within their input's range; they round once more, to the same scale.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from quantize.graph import text

MOVING = (
    "Reshape", "Flatten", "Transpose", "Slice", "DepthToSpace", "SpaceToDepth", "Squeeze", "Unsqueeze", "Identity",
)  # fmt: skip


def moves(node: ir.Node) -> bool:
    """Whether every element ``node`` gives is an element of its first input, or a zero (which int8 has exactly)."""
    if node.op_type == "Pad":
        value = node.inputs[2] if len(node.inputs) > 2 else None
        zero = value is None or (value.const_value is not None and not value.const_value.numpy().any())
        return text(node, "mode", "constant") != "constant" or zero
    if node.op_type == "Resize":
        return text(node, "mode", "nearest") == "nearest" and _stays_inside(node)
    if node.op_type == "MaxPool":
        return len(node.outputs) == 1
    return node.op_type in MOVING


def averages(node: ir.Node) -> bool:
    """Whether every element ``node`` gives is a mean, perhaps weighted, of elements of its first input (or zeros)."""
    if node.op_type == "Resize":
        return text(node, "mode", "nearest") == "linear" and _stays_inside(node)
    return node.op_type == "AveragePool"


def _stays_inside(resize: ir.Node) -> bool:
    return text(resize, "coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize"


def range_source(value: ir.Value) -> ir.Value:
    """The tensor whose range ``value`` shares, found upwards through nodes that move, repeat or average elements.

    Both then get the same scale, and the nodes between can run on int8 as they are.
    """
    while (node := value.producer()) is not None and (moves(node) or averages(node)):
        value = node.inputs[0]
    return value


class Extents:
    """How far upwards of its quantized readers a tensor can be rounded, as the graph stands when this is made."""

    def __init__(self, readers: Iterable[ir.Node]) -> None:
        """``readers`` are the nodes whose first input is rounded."""
        self.sources = {node: range_source(node.inputs[0]).name for node in readers}  # whose scale each reader wants
        self._only: dict[ir.Value, str | None] = {}
        self._seen: set[ir.Value] = set()
        for node in self.sources:
            self._look_up(node.inputs[0])

    def only_source(self, value: ir.Value) -> str | None:
        """The tensor whose scale all readers of ``value`` want it in; None where one is float, or they differ."""
        return self._only.get(value)

    def _look_up(self, value: ir.Value) -> None:
        node = value.producer()
        if value in self._seen:
            return
        self._seen.add(value)
        if self._find(value) is None or node is None:
            return
        if joins(node):
            for part in node.inputs:
                self._look_up(part)
        elif moves(node) or averages(node):
            self._look_up(node.inputs[0])

    def _find(self, value: ir.Value) -> str | None:
        if value not in self._only:
            wanted = {None} if value.is_graph_output() else {self._wanted(*use) for use in value.uses()}
            self._only[value] = wanted.pop() if len(wanted) == 1 else None
        return self._only[value]

    def _wanted(self, user: ir.Node, index: int) -> str | None:
        if user in self.sources:
            return self.sources[user] if index == 0 else None
        if joins(user) or (index == 0 and (moves(user) or averages(user))):
            return self._find(user.outputs[0])
        return None


def joins(node: ir.Node) -> bool:
    """Whether ``node`` gives the elements of all its inputs."""
    return node.op_type == "Concat"
