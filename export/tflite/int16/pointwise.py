"""Arithmetic, means and activations on 16-bit tensors."""

from __future__ import annotations

from math import log2, prod

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.int16.surroundings import (
    Rounded,
    emit,
    following,
    int16_input,
    int16_rule,
    number,
    operand,
    rescales,
)
from export.tflite.lowering import Lowering, Perm

CODES = {
    "Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Max": "MAXIMUM", "Min": "MINIMUM", "Relu": "RELU",
    "LeakyRelu": "LEAKY_RELU", "Sigmoid": "LOGISTIC", "Tanh": "TANH",
}  # fmt: skip
UNIT = Quantization.per_tensor(2.0**-15, 0)  # LOGISTIC and TANH give this scale, whatever they are asked for
POWER_OF_TWO = 1.5e-3  # LiteRT takes a scale for one whose logarithm is within 1e-3 of a whole number
INT16_HIGH = 2**15 - 1
SAMPLED = 128  # steps between the numbers for which the RSQRT kernel knows the result
FINER = 64
FEW_STEPS = 2**15 // FINER  # 0.3 % is what the interpolation is off there
MOST_BOUNDS = 2
ADDENDS = 2**16  # MEAN adds 16-bit numbers in 32 bits
ADD_RATIOS = (2.0**-14, 2.0**13)


@int16_rule("Add", "Sub", "Mul")
def int16_binary(context: Lowering, node: ir.Node) -> bool:
    """ADD, SUB and MUL of 16-bit tensors and constants that are broadcast."""
    after = following(context, node, "Relu")
    if after is None or len(node.inputs) != 2:
        return False
    tensors, perm = _operands(context, node)
    if any(tensor is None for tensor in tensors):
        return False
    scales = [tensor.quantization.scale[0] for tensor in tensors]
    if node.op_type == "Mul":
        fits = rescales(scales[0] * scales[1] / after.scale)
    else:
        fits = rescales(np.array(scales) / after.scale, ADD_RATIOS)
        fits = fits and not all(_is_power_of_two(scale) for scale in (*scales, after.scale))
    if not fits:
        return False
    y = _binary(context, CODES[node.op_type], tensors, after.quantization, after.activation)
    return after.bind(context, y, perm)


def _operands(context: Lowering, node: ir.Node) -> tuple[list[Tensor | None], Perm]:
    rank = max(len(value.shape) for value in node.inputs)
    with context.keeping_quantized():
        perm = context.broadcast_perm(node.inputs, rank)
    return [operand(context, value, perm) for value in node.inputs], perm


def _binary(
    context: Lowering, code: str, tensors: list[Tensor], quantization: Quantization, activation: str = "NONE"
) -> Tensor:
    options = {} if code in ("MAXIMUM", "MINIMUM") else {"fusedActivationFunction": activation}
    if code in ("ADD", "SUB"):
        options["potScaleInt16"] = False
    shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    return emit(context, code, tensors, shape, quantization, **options)


def _is_power_of_two(scale: float) -> bool:
    return abs(log2(scale) - round(log2(scale))) < POWER_OF_TWO


@int16_rule("Max", "Min")
def int16_extreme(context: Lowering, node: ir.Node) -> bool:
    """MAXIMUM and MINIMUM, which want one scale throughout."""
    after = following(context, node)
    if after is None or len(node.inputs) != 2:
        return False
    tensors, perm = _operands(context, node)
    if any(tensor is None or not rescales(tensor.quantization.scale[0] / after.scale) for tensor in tensors):
        return False
    tensors = [_in_scale(context, tensor, after.quantization) for tensor in tensors]
    return after.bind(context, _binary(context, CODES[node.op_type], tensors, after.quantization), perm)


def _in_scale(context: Lowering, tensor: Tensor, quantization: Quantization) -> Tensor:
    if tensor.quantization == quantization:
        return tensor
    if tensor.data is not None:
        steps = np.rint(tensor.data * np.float64(tensor.quantization.scale[0]) / quantization.scale[0])
        return context.builder.constant(np.clip(steps, -32768, 32767).astype(np.int16), "", quantization)
    return emit(context, "QUANTIZE", [tensor], tensor.shape, quantization)


@int16_rule("Clip")
def int16_clip(context: Lowering, node: ir.Node) -> bool:
    """MAXIMUM and MINIMUM with constants in the scale of the input."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None or not rescales(x.tensor.quantization.scale[0] / after.scale):
        return False
    y = x.tensor
    for index, code in ((1, "MAXIMUM"), (2, "MINIMUM")):
        value = context.input(node, index)
        if value is None:
            continue
        bound = context.constant(value)
        if bound is None:
            return False
        steps = np.clip(np.rint(bound.reshape(()) / np.float64(y.quantization.scale[0])), -32768, 32767)
        limit = context.builder.constant(steps.astype(np.int16), "", y.quantization)
        y = _binary(context, code, [y, limit], y.quantization)
    return after.bind(context, y, x.perm)


@int16_rule("Relu", "LeakyRelu", "Sigmoid", "Tanh")
def int16_activation(context: Lowering, node: ir.Node) -> bool:
    """Activations with a 16-bit kernel."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None:
        return False
    code = CODES[node.op_type]
    fixed = code in ("LOGISTIC", "TANH")
    if not rescales((UNIT.scale[0] if fixed else x.tensor.quantization.scale[0]) / after.scale):
        return False
    options = {"alpha": context.attribute(node, "alpha", 0.01)} if code == "LEAKY_RELU" else {}
    y = emit(context, code, [x.tensor], x.tensor.shape, UNIT if fixed else after.quantization, **options)
    return after.bind(context, y, x.perm)


@int16_rule("HardSigmoid")
def int16_hard_sigmoid(context: Lowering, node: ir.Node) -> bool:
    """``clip(a x + b, 0, 1)`` as MUL and ADD: a Relu cuts off below, the largest 16-bit number above."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None or not rescales(UNIT.scale[0] / after.scale):
        return False
    alpha, beta = context.attribute(node, "alpha", 0.2), context.attribute(node, "beta", 0.5)
    scale = x.tensor.quantization.scale[0] * abs(alpha) * 1.001
    slope = number(context, alpha)
    if not alpha or not rescales(scale / UNIT.scale[0], ADD_RATIOS) or not rescales(slope.quantization.scale[0]):
        return False
    rising = _binary(context, "MUL", [x.tensor, slope], Quantization.per_tensor(scale, 0))
    return after.bind(context, _binary(context, "ADD", [rising, number(context, beta)], UNIT, "RELU"), x.perm)


@int16_rule("Sqrt")
def int16_inverse_root(context: Lowering, node: ir.Node) -> bool:
    """RSQRT for a square root that only a Reciprocal reads.

    LiteRT's kernel interpolates between numbers 128 steps apart, which is 5 times too much where a number has few steps
    (a channel's variance, beside that of the others). So with f(v) = 1 / sqrt(v) and bounds T, of ``FEW_STEPS``,

        f(v) = f(min(v, T)) + f(max(v, T)) - f(T),

    where min(v, T) is v in steps 64 times as fine, whose largest number is T; and so on, as far as ``after`` reaches.
    """
    x, after = int16_input(context, node.inputs[0]), following(context, node, "Reciprocal")
    if x is None or after is None or len(after.done) != 2:
        return False
    v, parts = x.tensor, []
    while True:
        scale = v.quantization.scale[0]
        least = 1.0 / (scale * (INT16_HIGH * after.scale) ** 2)  # steps of what gives the largest number of the result
        if least >= SAMPLED or len(parts) == MOST_BOUNDS:
            parts.append(emit(context, "RSQRT", [v], v.shape, after.quantization))
            break
        bound = context.builder.constant(np.asarray(FEW_STEPS, np.int16), "", v.quantization)
        raised = _binary(context, "MAXIMUM", [v, bound], v.quantization)
        part = emit(context, "RSQRT", [raised], v.shape, after.quantization)
        at_bound = min(round(1.0 / np.sqrt(FEW_STEPS * scale) / after.scale), INT16_HIGH)
        offset = context.builder.constant(np.asarray(at_bound, np.int16), "", after.quantization)
        parts.append(_binary(context, "SUB", [part, offset], after.quantization))
        v = emit(context, "QUANTIZE", [v], v.shape, Quantization.per_tensor(scale / FINER, 0))
    total = parts.pop()
    while parts:  # the finest first: the sums then lie between zero and the largest number
        total = _binary(context, "ADD", [total, parts.pop()], after.quantization)
    return after.bind(context, total, x.perm)


@int16_rule("GlobalAveragePool", "ReduceMean")
def int16_mean(context: Lowering, node: ir.Node) -> bool:
    """MEAN, one axis after the other where one sum would not fit into 32 bits, or might not at another size."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None or not rescales(x.tensor.quantization.scale[0] / after.scale):
        return False
    axes = _axes(context, node)
    if axes is None:
        return False
    physical = sorted(x.perm.index(axis) for axis in axes)
    y = _mean(context, x.tensor, physical, after)
    if node.op_type == "GlobalAveragePool" or context.attribute(node, "keepdims", 1):
        return after.bind(context, y, x.perm)
    kept = [axis for axis in x.perm if axis not in axes]
    perm = tuple(sorted(kept).index(axis) for axis in kept)
    shape = [d for i, d in enumerate(y.shape) if i not in physical]
    return after.bind(context, context.reshape(y, shape), perm)


def _axes(context: Lowering, node: ir.Node) -> list[int] | None:
    rank = len(node.inputs[0].shape)
    if node.op_type == "GlobalAveragePool":
        return list(range(2, rank))
    if context.input(node, 1) is None:
        return None if context.attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    axes = context.constant(node.inputs[1])
    if axes is None or not axes.size:
        return None
    return [int(axis) % rank for axis in axes.reshape(-1)]


def _mean(context: Lowering, x: Tensor, axes: list[int], after: Rounded) -> Tensor:
    while axes:
        fits = not context.flexible and prod(x.shape[axis] for axis in axes) < ADDENDS
        first = axes if fits else axes[:1]
        axes = axes[len(first) :]
        shape = tuple(1 if axis in first else d for axis, d in enumerate(x.shape))
        quantization = x.quantization if axes else after.quantization
        x = emit(context, "MEAN", [x, context.builder.ints(first)], shape, quantization, keepDims=True)
    return x
