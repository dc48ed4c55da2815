"""A scale and an offset per channel behind an instance norm go into it, computed at run time as they are.

    (norm(x) * s + b) * S + T = norm(x) * (s S) + (b S + T)

Networks of several styles (conditional instance norm) scale each norm by numbers that the style gives. On their own
they read and write every plane twice more; products of C numbers cost nothing.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.rewrite import dims, new_constant, only_used_by, replace, with_shape


def fold_affine_into_norms(model: ir.Model) -> int:
    """Take the Mul and Add behind instance norms into them; returns how many nodes that took away."""
    norms = [node for node in model.graph if node.op_type == "InstanceNormalization"]
    return sum(_fold(norm) for norm in norms)


def _fold(norm: ir.Node) -> int:
    shape = dims(norm.outputs[0])
    if shape is None or shape[0] != 1:  # each picture of a batch has its own
        return 0
    found: dict[str, tuple[ir.Node, ir.Value]] = {}
    value = norm.outputs[0]
    for op_type in ("Mul", "Add"):
        reader = _only_reader(value)
        other = None if reader is None or reader.op_type != op_type else _per_channel(reader, value, shape)
        if other is not None:
            found[op_type] = reader, other
            value = reader.outputs[0]
    if not found:
        return 0
    last = value.producer()
    replace(last, lambda tape: _norm(tape, norm, {op: other for op, (_, other) in found.items()}, shape))
    return len(found)


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and only_used_by(value, uses[0].node) else None


def _per_channel(node: ir.Node, value: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    """The other operand, if it is one number a channel."""
    first, second = node.inputs
    other = second if first is value else first
    wanted = (shape[1], *(1,) * (len(shape) - 2))
    return other if other is not value and dims(other) in (wanted, (1, *wanted)) else None


def _norm(tape: Tape, norm: ir.Node, others: dict[str, ir.Value], shape: tuple[int, ...]) -> ir.Value:
    channels = (shape[1],)
    target = new_constant(norm.graph, np.array(channels, np.int64), "channels")
    flat = {op: with_shape(tape.op("Reshape", [value, target]), channels) for op, value in others.items()}
    x, scale, bias = norm.inputs
    if "Mul" in flat:
        scale = with_shape(tape.op("Mul", [scale, flat["Mul"]]), channels)
        bias = with_shape(tape.op("Mul", [bias, flat["Mul"]]), channels)
    if "Add" in flat:
        bias = with_shape(tape.op("Add", [bias, flat["Add"]]), channels)
    return with_shape(tape.op("InstanceNormalization", [x, scale, bias], dict(norm.attributes)), shape)
