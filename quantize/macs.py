"""Multiply-accumulates of an ONNX graph, node by node: what int8 saves is counted in these."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from quantize.graph import integer
from validate.errors import BrushportError


def count_macs(model: ir.Model) -> dict[str, int]:
    """Multiply-accumulates by node name, for the nodes that have any (convolutions and matrix products).

    Conv: output elements x kernel height x kernel width x input channels of a group. ConvTranspose: input
    elements x kernel x output channels of a group. Gemm and MatMul: output elements x inner length. Biases are
    not counted. Raises :class:`BrushportError` when a shape is not static.
    """
    macs = {}
    for node in model.graph:
        if node.op_type in _COUNTERS and node.domain in ("", "ai.onnx"):
            macs[node.name] = _COUNTERS[node.op_type](node)
    return macs


def _conv(node: ir.Node) -> int:
    return prod(_shape(node, node.outputs[0])) * prod(_shape(node, node.inputs[1])[1:])


def _conv_transpose(node: ir.Node) -> int:
    return prod(_shape(node, node.inputs[0])) * prod(_shape(node, node.inputs[1])[1:])


def _gemm(node: ir.Node) -> int:
    inner = 0 if integer(node, "transA", 0) else 1
    return prod(_shape(node, node.outputs[0])) * _shape(node, node.inputs[0])[inner]


def _mat_mul(node: ir.Node) -> int:
    return prod(_shape(node, node.outputs[0])) * _shape(node, node.inputs[0])[-1]


_COUNTERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _mat_mul}


def _shape(node: ir.Node, value: ir.Value) -> tuple[int, ...]:
    if value.shape is None or not value.shape.is_static():
        raise BrushportError(
            f"{value.name}, of the {node.op_type} node {node.name}, has no static shape: "
            "fix the input size and run shape inference before quantizing."
        )
    return tuple(value.shape)
