"""What stands around a node of an int16 Q/DQ graph: its 16-bit inputs, and the QuantizeLinear behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import Lowering, Perm, Placed, plain
from export.tflite.ops.quantize import read_parameters, tensor_parameters

INT16 = np.dtype(np.int16)
# Input scale over output scale, far inside what the kernels' fixed-point multipliers bear (they abort outside).
RATIOS = (2.0**-24, 2.0**12)
PRODUCT_RATIOS = (2.0**-30, 2.0**7)  # of a 64-bit sum: LiteRT allows shifts of -31..7

Rule = Callable[[Lowering, ir.Node], bool]
INT16_RULES: dict[str, Rule] = {}


def int16_rule(*op_types: str) -> Callable[[Rule], Rule]:
    """Decorator: the function tries to lower these operators to 16-bit kernels; a second rule for one raises."""

    def register(rule: Rule) -> Rule:
        for op_type in op_types:
            if op_type in INT16_RULES:
                raise ValueError(f"{op_type} has two int16 rules.")
            INT16_RULES[op_type] = rule
        return rule

    return register


def lower_int16(context: Lowering, node: ir.Node) -> bool:
    """Lowers ``node`` on 16-bit tensors if it can; False if it is left to other rules."""
    rule = INT16_RULES.get(node.op_type)
    return rule is not None and any(is_int16(context, value) for value in node.inputs) and rule(context, node)


def is_int16(context: Lowering, value: ir.Value | None) -> bool:
    """Whether ``value`` is the meaning of a 16-bit tensor."""
    placed = context.quantized(value)
    return placed is not None and placed.tensor.dtype == INT16


def int16_input(context: Lowering, value: ir.Value | None) -> Placed | None:
    """The 16-bit tensor behind a value, None where there is none."""
    return context.quantized(value) if is_int16(context, value) else None


@dataclass(frozen=True)
class Rounded:
    """What follows a node: the quantization of its 16-bit result, a fused activation, and the nodes thereby done."""

    quantization: Quantization
    activation: str
    value: ir.Value
    done: tuple[ir.Node, ...]

    @property
    def scale(self) -> float:
        """The scale of the result."""
        return self.quantization.scale[0]

    def bind(self, context: Lowering, tensor: Tensor, perm: Perm) -> bool:
        """Makes ``tensor`` what the QuantizeLinear gives, in this scale."""
        if tensor.quantization != self.quantization:
            tensor = emit(context, "QUANTIZE", [tensor], tensor.shape, self.quantization)
        context.bind(self.value, tensor, perm)
        context.done.update(self.done)
        return True


def following(context: Lowering, node: ir.Node, *through: str) -> Rounded | None:
    """The QuantizeLinear to int16 that alone reads the node's output, perhaps through one of the operators ``through``.

    None where there is no such one. A Relu in between is an activation, another operator is only marked as done.
    """
    value, done, activation = node.outputs[0], (), "NONE"
    while True:
        uses = list(value.uses())
        if len(uses) != 1 or value.is_graph_output():
            return None
        reader = uses[0].node
        if reader.op_type == "QuantizeLinear":
            found = tensor_parameters(context, reader)
            if found is None or found[1] != INT16:
                return None
            return Rounded(found[0], activation, reader.outputs[0], (*done, reader))
        if reader.op_type not in through or done:
            return None
        activation = "RELU" if reader.op_type == "Relu" else "NONE"
        value, done = reader.outputs[0], (reader,)


def emit(
    context: Lowering, code: str, inputs: list[Tensor | None], shape: tuple[int, ...], quantization: Quantization,
    **options,
) -> Tensor:  # fmt: skip
    """Writes an operator with one 16-bit result."""
    return context.builder.emit(code, inputs, shape, dtype=INT16, quantization=quantization, **options)


def number(context: Lowering, value: float) -> Tensor:
    """A constant of a single number."""
    scale = abs(value) / 32767 or 1.0
    return context.builder.constant(np.asarray(round(value / scale), INT16), "", Quantization.per_tensor(scale, 0))


def rescales(ratio: np.ndarray | float, limits: tuple[float, float] = RATIOS) -> bool:
    """Whether a kernel can rescale by ``ratio``, or by each of them."""
    return bool(np.all((ratio >= np.float64(limits[0])) & (ratio < np.float64(limits[1]))))


def operand(context: Lowering, value: ir.Value, perm: Perm) -> Tensor | None:
    """An operand that is broadcast, with the axes of the result in the order ``perm``; None if it has not 16 bits."""
    node = value.producer()
    if is_int16(context, value):
        rank = len(value.shape)
        with context.keeping_quantized():
            if rank == len(perm):
                return context.get(value, perm)
            tensor = context.plain(value)
        wide = context.reshape(tensor, (1,) * (len(perm) - rank) + tensor.shape)
        return context.relayout(wide, plain(len(perm)), perm)
    if node is None or node.op_type != "DequantizeLinear":
        return None
    array, found = context.constant(node.inputs[0]), tensor_parameters(context, node)
    if array is None or found is None or found[1] != INT16 or read_parameters(context, node)[0].size != 1:
        return None
    return context.builder.constant(context.broadcast_constant(array, perm).data, "", found[0])
