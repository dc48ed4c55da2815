"""Gives the channels around an activation units of their own, where the activation itself cannot take any.

HardSwish(x) is not the same in another unit: of s x it makes something else than s HardSwish(x). So what goes in and
what comes out keep one unit for all channels, and int8, with one scale a tensor, has few steps for the small ones. But
with a factor for each channel in front and one behind, s_y HardSwish((1/s_x) (s_x x)), both can be chosen: constants
that :mod:`quantize.rescale` changes as it does any others. They start at 1 here, and cost two passes over the tensor.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from quantize.graph import add_initializer, drop_unread_initializers

UNLIKE = ("HardSwish", "Clip", "Elu", "Celu", "Gelu", "Mish", "Softplus")  # f(s x) is not s f(x)


def gates(model: ir.Model) -> list[str]:
    """The names of the nodes that :func:`take_apart` can take apart, in graph order."""
    return [
        node.name
        for node in model.graph
        if node.op_type in UNLIKE
        and node.domain in ("", "ai.onnx")
        and len(node.inputs[0].shape) == 4
        and node.inputs[0].dtype is ir.DataType.FLOAT
        and node.inputs[0].producer() is not None
        and not node.outputs[0].is_graph_output()
        and not _rectifies(node)
    ]


def _rectifies(node: ir.Node) -> bool:
    """Clip(x, 0, inf) is Relu, which hands units on."""
    if node.op_type != "Clip":
        return False
    low, high = ((node.inputs[i] if len(node.inputs) > i else None) for i in (1, 2))
    return high is None and low is not None and low.const_value is not None and not low.const_value.numpy().any()


def take_apart(model: ir.Model, names: Iterable[str]) -> ir.Model:
    """A copy of ``model`` with a factor of 1 for each channel in front of and behind each node of ``names``.

    Nodes keep their names, and tensors that other nodes read or make keep theirs.
    """
    model, wanted = model.clone(), set(names)
    for node in list(model.graph):
        if node.name in wanted:
            _surround(model.graph, node)
    model.graph.sort()
    return model


def _surround(graph: ir.Graph, node: ir.Node) -> None:
    value, output = node.inputs[0], node.outputs[0]
    ones = np.ones((1, value.shape[1], 1, 1), np.float32)
    inner = _multiply(f"{node.name}_inner", value, add_initializer(graph, f"{node.name}_unit_in", ones))
    node.replace_input_with(0, inner.outputs[0])
    readers = list(output.uses())
    outer = _multiply(f"{node.name}_outer", output, add_initializer(graph, f"{node.name}_unit_out", ones.copy()))
    name, output.name = output.name, f"{output.name}_of_one_unit"
    outer.outputs[0].name = name
    for user, index in readers:
        user.replace_input_with(index, outer.outputs[0])
    graph.extend([inner, outer])


def _multiply(name: str, value: ir.Value, factor: ir.Value) -> ir.Node:
    made = ir.node("Mul", [value, factor], name=name)
    made.outputs[0].name, made.outputs[0].type, made.outputs[0].shape = f"{name}_output", value.type, value.shape
    return made


def without_idle(model: ir.Model) -> ir.Model:
    """A copy of ``model`` without the factors of :func:`take_apart` that are 1 still."""
    model = model.clone()
    for node in list(model.graph):
        if node.op_type != "Mul" or not node.name.endswith(("_inner", "_outer")):
            continue
        factor = node.inputs[1].const_value
        if factor is None or not np.all(factor.numpy() == 1):
            continue
        value, output = node.inputs[0], node.outputs[0]
        for user, index in list(output.uses()):
            user.replace_input_with(index, value)
        name = output.name
        model.graph.remove(node, safe=True)
        if node.name.endswith("_outer"):
            value.name = name
    drop_unread_initializers(model.graph)
    return model
