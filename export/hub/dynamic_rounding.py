"""``DequantizeLinear(DynamicQuantizeLinear(x))`` is ``x``, rounded to 8 bits over its own extremes.

Where kernels compute in floats, or round by themselves, the pair is left out: what it stands for is closer to the float
network without it.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from export.hub.model import Hub
from validate.errors import UnsupportedError


def take_out_dynamic_rounding(model: ir.Model) -> list[ir.Node]:
    """Takes every such pair out of ``model``; returns the nodes that read a pair as their first input.

    Raises :class:`UnsupportedError` naming a node that reads the rounded numbers in another way.
    """
    found = []
    for pair in [node for node in model.graph if node.op_type == "DynamicQuantizeLinear"]:
        for end in _ends(pair):
            for user, index in list(end.outputs[0].uses()):
                if index == 0:
                    found.append(user)
                user.replace_input_with(index, pair.inputs[0])
            if end.outputs[0].is_graph_output():
                raise UnsupportedError(
                    f"The output '{end.outputs[0].name}' is rounded by '{pair.name}' (DynamicQuantizeLinear); return "
                    "what it rounds."
                )
    return found


def _ends(pair: ir.Node) -> list[ir.Node]:
    """The DequantizeLinear nodes of a DynamicQuantizeLinear, which are all that read it."""
    readers = [use.node for value in pair.outputs for use in value.uses()]
    for reader in readers:
        if reader.op_type != "DequantizeLinear" or list(reader.inputs) != list(pair.outputs):
            raise UnsupportedError(
                f"Node '{reader.name}' ({reader.op_type}) reads what '{pair.name}' (DynamicQuantizeLinear) rounds, as "
                "only a DequantizeLinear may; write its product as a Conv, Gemm or MatMul of floats behind one."
            )
    if any(value.is_graph_output() for value in pair.outputs):
        raise UnsupportedError(f"What '{pair.name}' (DynamicQuantizeLinear) rounds is an output; return the floats.")
    return list(dict.fromkeys(readers))


def without_dynamic_rounding(hub: Hub) -> Hub:
    """``hub``, or a copy of it without such pairs; raises as :func:`take_out_dynamic_rounding`."""
    if not any(node.op_type == "DynamicQuantizeLinear" for node in hub.model.graph):
        return hub
    model = hub.model.clone()
    take_out_dynamic_rounding(model)
    common.RemoveUnusedNodesPass()(model)
    return hub.with_model(model)
