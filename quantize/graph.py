"""Small tools for ONNX graphs that more than one step of quantizing needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir


def name_nodes(graph: ir.Graph) -> None:
    """Give every node a name of its own, since plans speak of nodes by name."""
    taken: set[str] = set()
    for index, node in enumerate(graph):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken:
            name = f"{name}_{index}"
        node.name = name
        taken.add(name)


def values_by_name(graph: ir.Graph) -> dict[str, ir.Value]:
    """The inputs and node outputs of ``graph`` by name."""
    values = {value.name: value for value in graph.inputs}
    values.update((value.name, value) for node in graph for value in node.outputs)
    return values


def add_initializer(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    """A new initializer of ``graph`` that holds ``array``."""
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def drop_unread_initializers(graph: ir.Graph) -> None:
    """Remove the initializers that nothing reads."""
    outputs = set(graph.outputs)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and value not in outputs:
            del graph.initializers[name]


def append_observers(graph: ir.Graph, observers: Sequence[Sequence[ir.Node]]) -> None:
    """Append nodes that reduce tensors to statistics, one group for each tensor, in the tensors' order.

    ONNX Runtime orders nodes from the last leaf of the graph backwards. With the earliest tensor's group last,
    each tensor is reduced as soon as it is there, rather than all at the end, held in memory until then
    (U-Net at 512x512: 0.5 GB at the peak instead of 1.5).
    """
    for group in reversed(observers):
        graph.extend(group)


def integer(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute of ``node``."""
    return node.attributes[name].as_int() if name in node.attributes else default


def text(node: ir.Node, name: str, default: str) -> str:
    """A string attribute of ``node``."""
    return node.attributes[name].as_string() if name in node.attributes else default
