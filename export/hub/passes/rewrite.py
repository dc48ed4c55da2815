"""What the passes share: reading constants and attributes, and putting new nodes in the place of old ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

SHAPE_ONLY_OPS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")


def constant(value: ir.Value | None) -> np.ndarray | None:
    """The array of an initializer that no caller of the model can change, else ``None``."""
    if value is None or value.const_value is None or value.is_graph_input() or value.producer() is not None:
        return None
    return value.const_value.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """The number in a constant of one element, else ``None``."""
    array = constant(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def produced_by(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that computes ``value`` if it is one of ``op_types``, else ``None``."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type in op_types else None


def attribute(node: ir.Node, name: str, default: object = None) -> object:
    """An attribute's value, or ``default`` where the node leaves it out; strings are decoded, lists are tuples."""
    found = node.attributes.get(name)
    if found is None:
        return default
    value = found.value
    return tuple(value) if isinstance(value, list | tuple) else value


def dims(value: ir.Value | None) -> tuple[int, ...] | None:
    """A static shape as a tuple of ints, else ``None``."""
    if value is None or value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return tuple(value.shape)


def only_used_by(value: ir.Value, node: ir.Node) -> bool:
    """Whether ``node`` alone uses ``value``, once, and the model does not return it."""
    uses = list(value.uses())
    return not value.is_graph_output() and len(uses) == 1 and uses[0].node is node


def peel(value: ir.Value | None) -> ir.Value | None:
    """Go back through nodes that change a tensor's shape and not the order of its elements."""
    while (node := produced_by(value, *SHAPE_ONLY_OPS)) is not None:
        value = node.inputs[0]
    return value


def two_way(node: ir.Node) -> Sequence[tuple[ir.Value, ir.Value]]:
    """The operands of a commutative node in both orders."""
    first, second = node.inputs
    return (first, second), (second, first)


def new_constant(graph: ir.Graph, array: np.ndarray, hint: str) -> ir.Value:
    """Add an initializer, named after ``hint`` and unlike any other initializer."""
    name, count = hint, 1
    while name in graph.initializers:
        count += 1
        name = f"{hint}_{count}"
    tensor = ir.tensor(np.array(array, order="C"), name=name)  # a scalar stays one
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def float_constant(graph: ir.Graph, array: np.ndarray, hint: str) -> ir.Value:
    """Add a float32 initializer; the passes compute in float64 and round once, here."""
    return new_constant(graph, np.asarray(array, dtype=np.float32), hint)


def replace(node: ir.Node, build: Callable[[Tape], ir.Value]) -> None:
    """Compute ``node``'s only output by what ``build`` puts on the tape; name, shape and dtype stay the same."""
    tape = Tape()
    output = build(tape)
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], tape.nodes, node.outputs, [output])
    last = output.producer()
    if last is not None and not last.name:
        last.name = node.name


def with_shape(value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """``value``, now stated to be float32 of ``shape``: for values between the new nodes, which the passes read."""
    return stated(value, shape, ir.DataType.FLOAT)


def stated(value: ir.Value, shape: tuple[int, ...], dtype: ir.DataType | None) -> ir.Value:
    """``value``, now stated to be of ``shape`` and ``dtype``."""
    value.shape, value.dtype = ir.Shape(shape), dtype
    return value


def bypass(node: ir.Node) -> bool:
    """Let the users of ``node`` read its first input instead; returns whether that was possible.

    It is not where the model returns what it was given, or returns one value under two names.
    """
    source, output = node.inputs[0], node.outputs[0]
    if output.is_graph_output():
        if source.is_graph_input() or source.is_graph_output() or source.producer() is None:
            return False
        source.name, output.name = output.name, f"{output.name}_bypassed"
    output.replace_all_uses_with(source, replace_graph_outputs=True)
    node.graph.remove(node, safe=True)
    return True


def channel_vector(array: np.ndarray, rank: int, channels: int, axis: int = 1) -> np.ndarray | None:
    """``array`` as one float64 number per channel (``axis`` of ``rank`` axes), if it broadcasts like that."""
    if array.ndim > rank:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if any(d != 1 for other, d in enumerate(shape) if other != axis) or shape[axis] not in (1, channels):
        return None
    return np.broadcast_to(array.reshape(-1).astype(np.float64), (channels,))


def fits_float32(*arrays: np.ndarray | None) -> bool:
    """Whether every number is finite in float32."""
    limit = np.finfo(np.float32).max
    return all(bool(np.all(np.abs(array) <= limit)) for array in arrays if array is not None)
