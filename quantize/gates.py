"""Takes HardSwish apart where its channels are to have units of their own.

HardSwish(x) = x HardSigmoid(x) is not the same in another unit: of s x it makes something else than s HardSwish(x). But
s x HardSigmoid(1/s (s x)) is s HardSwish(x), and 1/s, one number a channel, is a constant that
:mod:`quantize.rescale` changes as it does any other. It starts at 1 here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from quantize.graph import add_initializer

ALPHA, BETA = 1 / 6, 0.5  # of the HardSigmoid in a HardSwish, as ONNX defines it


def gates(model: ir.Model) -> list[str]:
    """The names of the nodes that :func:`take_apart` can take apart, in graph order."""
    return [
        node.name
        for node in model.graph
        if node.op_type == "HardSwish" and len(node.inputs[0].shape) == 4 and node.inputs[0].dtype is ir.DataType.FLOAT
    ]


def take_apart(model: ir.Model, names: Iterable[str]) -> ir.Model:
    """A copy of ``model`` with three nodes in place of each HardSwish of ``names``; its output keeps its name."""
    model, wanted = model.clone(), set(names)
    for node in list(model.graph):
        if node.name in wanted:
            _take_apart(model.graph, node)
    return model


def _take_apart(graph: ir.Graph, node: ir.Node) -> None:
    value, output = node.inputs[0], node.outputs[0]
    unit = add_initializer(graph, f"{node.name}_unit", np.ones((value.shape[1], 1, 1), np.float32))
    inner = ir.node("Mul", [value, unit], name=f"{node.name}_inner")
    gate = ir.node("HardSigmoid", [inner.outputs[0]], {"alpha": ALPHA, "beta": BETA}, name=f"{node.name}_gate")
    product = ir.node("Mul", [value, gate.outputs[0]], name=f"{node.name}_product")
    for new in (inner, gate, product):
        made = new.outputs[0]
        made.name, made.type, made.shape = f"{new.name}_output", output.type, output.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [inner, gate, product], [output], [product.outputs[0]])
