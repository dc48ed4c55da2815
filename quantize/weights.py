"""The weights of a graph: constants that are nothing but what Conv, ConvTranspose, Gemm or MatMul multiply by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from quantize.graph import integer

LEAST_SIZE = 512  # elements that are worth a form of their own
SMALL = "brushport.small_weights"  # in a model's metadata: its weights are made small, those that bear it
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def float_weights(model: ir.Model, least_size: int = LEAST_SIZE) -> Iterator[tuple[ir.Value, int]]:
    """Each float32 weight of at least ``least_size`` elements once, in the order of use, with its axis of channels out.

    A weight that is read otherwise, too, or along different axes, is left out.
    """
    seen: set[ir.Value] = set()
    for node in model.graph:
        if node.op_type not in WEIGHTED:
            continue
        value = node.inputs[1]
        if value is None or value in seen or value.const_value is None or value.dtype != ir.DataType.FLOAT:
            continue
        seen.add(value)
        uses = value.uses()
        axes = {channel_axis(reader) for reader, index in uses if reader.op_type in WEIGHTED and index == 1}
        plain = all(reader.op_type in WEIGHTED and index == 1 for reader, index in uses) and len(axes) == 1
        if plain and not value.is_graph_output() and len(value.shape) >= 2 and value.const_value.size >= least_size:
            yield value, axes.pop()


def channel_axis(node: ir.Node) -> int:
    """The axis of the output channels in the weight of ``node``."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if integer(node, "transB", 0) else 1
    return 1 if node.op_type == "ConvTranspose" else len(node.inputs[1].shape) - 1


def output_axis(node: ir.Node) -> int | None:
    """:func:`channel_axis`, but None (one scale for all) where the groups of a ConvTranspose share it."""
    if node.op_type == "ConvTranspose" and integer(node, "group", 1) != 1:
        return None
    return channel_axis(node)


def replace_weight(value: ir.Value, array: np.ndarray) -> None:
    """Give the initializer ``value`` other numbers of the same shape and type."""
    value.const_value = ir.tensor(array, name=value.name)
