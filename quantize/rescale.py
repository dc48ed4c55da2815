"""Gives the channels of tensors other units, by changing constants: s y comes out of a node where s_x x went in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from quantize.graph import add_initializer, integer
from quantize.units import SUMS, is_constant

Scales = Callable[[ir.Value], np.ndarray]


def rescale_units(graph: ir.Graph, scales: Scales) -> None:
    """Change the constants of ``graph`` so that every tensor holds ``scales`` (C,) times what it held, per channel.

    ``scales`` must respect the classes of :class:`Units`.
    """
    for node in graph:
        if node.op_type in RESCALES:
            RESCALES[node.op_type](graph, node, scales)


def _rescale_convolution(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    before, after = scales(node.inputs[0]), scales(node.outputs[0])
    if not all(is_constant(value) for value in node.inputs[1:] if value is not None):
        return
    weight = node.inputs[1].const_value.numpy().astype(np.float64)
    groups = integer(node, "group", 1)
    rest = (1,) * (weight.ndim - 2)
    made, read = after.reshape(groups, -1), before.reshape(groups, -1)
    factor = made[:, :, None] / read[:, None, :]  # of a Conv, (groups, out, in); a ConvTranspose has (groups, in, out)
    factor = factor if node.op_type == "Conv" else factor.swapaxes(1, 2)
    factor = factor.reshape(weight.shape[0], weight.shape[1], *rest)
    _replace(graph, node, 1, weight * factor)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _replace(graph, node, 2, node.inputs[2].const_value.numpy() * after)


def _rescale_norm(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    for index in (1, 2):
        if is_constant(node.inputs[index]):
            _replace(graph, node, index, node.inputs[index].const_value.numpy() * scales(node.outputs[0]))


def _rescale_matrix(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    before, after = scales(node.inputs[0]), scales(node.outputs[0])
    if np.all(before == 1) and np.all(after == 1):
        return
    factor = after[None, :] / before[:, None]
    weight = node.inputs[1].const_value.numpy()
    _replace(graph, node, 1, weight * (factor.T if integer(node, "transB", 0) else factor))
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _replace(graph, node, 2, node.inputs[2].const_value.numpy() * after)


def _rescale_sum(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    factor = _along_channels(scales(node.outputs[0]), node.outputs[0])
    for index, value in enumerate(node.inputs):
        if is_constant(value) and np.any(factor != 1):
            _replace(graph, node, index, value.const_value.numpy() * factor)


def _rescale_product(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    for index, (value, other) in enumerate(zip(node.inputs, reversed(node.inputs), strict=True)):
        if is_constant(value) and not is_constant(other):
            factor = scales(node.outputs[0]) / scales(other)
            factor = _along_channels(1 / factor if node.op_type == "Div" else factor, node.outputs[0])
            if np.any(factor != 1):
                _replace(graph, node, index, value.const_value.numpy() * factor)


RESCALES: Mapping[str, Callable[[ir.Graph, ir.Node, Scales], None]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _rescale_convolution),
    **dict.fromkeys(("MatMul", "Gemm"), _rescale_matrix),
    **dict.fromkeys(SUMS, _rescale_sum),
    **dict.fromkeys(("Mul", "Div"), _rescale_product),
    "InstanceNormalization": _rescale_norm,
}


def _along_channels(factor: np.ndarray, value: ir.Value) -> np.ndarray:
    return factor.reshape(-1, *(1,) * (len(value.shape) - 2))


def _replace(graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray) -> None:
    value = node.inputs[index]
    old = value.const_value.numpy()
    if array.shape == old.shape and np.array_equal(array, old):
        return
    node.replace_input_with(index, add_initializer(graph, f"{node.name}_{value.name}_unit", array.astype(old.dtype)))
