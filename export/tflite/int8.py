"""Q/DQ to int8 kernels: DequantizeLinear, operator, QuantizeLinear become one operator on int8 tensors.

Each rule looks at its node's surroundings first and declines (returns False) where TFLite's constraints do not hold;
then the float rule runs between DEQUANTIZE and QUANTIZE. A value that is merely the float meaning of an int8 tensor
costs nothing until a float rule reads it (:meth:`Lowering.bind_quantized`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import NHWC, Lowering, Perm, Placed, plain
from export.tflite.ops import conv, conv_transpose
from export.tflite.ops.pieces import concatenate
from export.tflite.ops.quantize import int8_parameters, read_parameters
from export.tflite.registry import lowering as float_rules

Rule = Callable[[Lowering, ir.Node], bool]
INT8_RULES: dict[str, Rule] = {}

WEIGHT_LIMIT = 127  # TFLite's int8 filters never hold -128: two such products overflow a 16-bit accumulator
INT32_LIMIT = 2**31 - 1
# TFLite's kernels compute these functions with fixed output parameters.
FIXED_OUTPUT = {"LOGISTIC": Quantization.per_tensor(1 / 256, -128), "TANH": Quantization.per_tensor(1 / 128, 0)}

# Operators that only move numbers: they run on whatever 8-bit tensor their input is, with its parameters.
MOVES = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Slice", "Split", "Gather",
    "Tile", "Expand", "Pad", "DepthToSpace", "SpaceToDepth", "MaxPool",
)  # fmt: skip
# Operators that keep the scale but round to it: only where a QuantizeLinear rounds next anyway.
AVERAGES = ("Resize", "AveragePool")


def int8_rule(*op_types: str) -> Callable[[Rule], Rule]:
    """Decorator: the function tries to lower these operators to int8 kernels; a second rule for one raises."""

    def register(rule: Rule) -> Rule:
        for op_type in op_types:
            if op_type in INT8_RULES:
                raise ValueError(f"{op_type} has two int8 rules.")
            INT8_RULES[op_type] = rule
        return rule

    return register


def lower_quantized(context: Lowering, node: ir.Node) -> bool:
    """Lowers ``node`` on 8-bit tensors if it can; False if it is left to the float rule."""
    rule = INT8_RULES.get(node.op_type)
    return rule is not None and rule(context, node)


@dataclass(frozen=True)
class Result:
    """What follows a node: the quantization of its result, a fused activation, and the nodes thereby done."""

    quantization: Quantization
    activation: str
    value: ir.Value
    done: tuple[ir.Node, ...]

    def bind(self, context: Lowering, tensor: Tensor, perm: Perm) -> bool:
        """Makes ``tensor`` what the QuantizeLinear gives."""
        context.bind(self.value, tensor, perm)
        context.done.update(self.done)
        return True


def following(context: Lowering, node: ir.Node, activations: bool = True) -> Result | None:
    """The QuantizeLinear that alone reads the node's output, perhaps through a Relu; None if there is no such one."""
    done: list[ir.Node] = []
    activation, value = "NONE", node.outputs[0]
    while True:
        uses = list(value.uses())
        if len(uses) != 1 or value.is_graph_output():
            return None
        reader = uses[0].node
        if reader.op_type == "QuantizeLinear":
            parameters = int8_parameters(context, reader)
            if parameters is None:
                return None
            return Result(parameters, activation, reader.outputs[0], (*done, reader))
        code = _clamp(context, reader)
        if code is None or done or not activations:
            return None
        activation, value = code, reader.outputs[0]
        done.append(reader)


def _clamp(context: Lowering, node: ir.Node) -> str | None:
    if node.op_type == "Relu":
        return "RELU"
    if node.op_type == "Clip" and len(node.inputs) == 3:
        bounds = [context.constant(v) for v in node.inputs[1:]]
        if all(b is not None for b in bounds) and [float(b.reshape(-1)[0]) for b in bounds] == [0.0, 6.0]:
            return "RELU6"
    return None


def int8_input(context: Lowering, value: ir.Value | None) -> Placed | None:
    """The int8 tensor behind a value, None where there is none."""
    placed = context.quantized(value)
    return placed if placed is not None and placed.tensor.dtype == np.int8 else None


# ---- convolutions and matrix products


@dataclass(frozen=True)
class Weights:
    """int8 weights in the hub's layout with one scale per output channel (or one for all)."""

    array: np.ndarray
    scale: np.ndarray


def int8_weights(context: Lowering, value: ir.Value, axis: int) -> Weights | None:
    """Symmetric int8 weights behind a DequantizeLinear whose scales run along ``axis``, without any -128."""
    node = value.producer()
    if node is None or node.op_type != "DequantizeLinear" or context.attribute(node, "block_size", 0):
        return None
    array = context.constant(node.inputs[0])
    scale, zero, kind = read_parameters(context, node)
    if array is None or kind not in (np.int8, np.uint8):
        return None
    zero = zero - (128 if kind == np.uint8 else 0)
    if np.any(zero) or (scale.size > 1 and context.attribute(node, "axis", 1) % array.ndim != axis):
        return None
    steps = array.astype(np.int32) - (128 if kind == np.uint8 else 0)
    scale = np.broadcast_to(scale.reshape(-1), (array.shape[axis],)).astype(np.float32).copy()
    others = tuple(i for i in range(array.ndim) if i != axis)
    wide = steps.min(axis=others) < -WEIGHT_LIMIT
    if wide.any():
        shape = [-1 if i == axis else 1 for i in range(array.ndim)]
        shrink = np.where(wide, WEIGHT_LIMIT / (WEIGHT_LIMIT + 1), 1.0)
        steps = np.rint(steps * shrink.reshape(shape))
        scale = (scale / shrink).astype(np.float32)
    return Weights(steps.astype(np.int8), scale)


def int32_bias(
    context: Lowering, value: ir.Value | None, x_scale: float, scale: np.ndarray, channels: int
) -> np.ndarray | None:
    """The bias in steps of exactly ``x_scale * weight scale``; None where it is no constant or does not fit."""
    if value is None:
        return np.zeros(channels, np.int32)
    real = context.constant(value)
    if real is None:
        return None
    steps = np.rint(real.reshape(-1).astype(np.float64) / (x_scale * scale.astype(np.float64)))
    return steps.astype(np.int32) if np.all(np.abs(steps) <= INT32_LIMIT) else None


def _filters_and_bias(
    context: Lowering, node: ir.Node, x: Tensor, weights: Weights, laid: np.ndarray, axis: int
) -> tuple[Tensor, Tensor] | None:
    x_scale = x.quantization.scale[0]
    bias = int32_bias(context, context.input(node, 2), x_scale, weights.scale, weights.scale.size)
    if bias is None:
        return None
    zeros = (0,) * weights.scale.size
    bias_scale = np.float32(x_scale) * weights.scale
    filters = context.builder.constant(
        laid, node.inputs[1].name, Quantization(tuple(weights.scale.tolist()), zeros, axis)
    )
    return filters, context.builder.constant(bias, "", Quantization(tuple(bias_scale.tolist()), zeros))


@int8_rule("Conv")
def int8_conv(context: Lowering, node: ir.Node) -> bool:
    """CONV_2D or DEPTHWISE_CONV_2D with per-channel weights."""
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    weights = int8_weights(context, node.inputs[1], axis=0)
    if x is None or after is None or weights is None or len(node.inputs[0].shape) != 4:
        return False
    laid, axis = conv.filter_layout(node, context, weights.array)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, axis)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        y = conv.emit_conv(context, node, picture, *operands, dtype=np.int8, quantization=after.quantization)
    y.producer.options["fusedActivationFunction"] = after.activation
    return after.bind(context, y, NHWC)


@int8_rule("ConvTranspose")
def int8_conv_transpose(context: Lowering, node: ir.Node) -> bool:
    """TRANSPOSE_CONV with per-channel weights."""
    x, after = int8_input(context, node.inputs[0]), following(context, node, activations=False)
    weights = int8_weights(context, node.inputs[1], axis=1)
    if x is None or after is None or weights is None or context.attribute(node, "group", 1) != 1:
        return False
    laid = conv_transpose.transposed_filters(context, node, weights.array)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, 0)
    if operands is None:
        return False
    with context.keeping_quantized():
        picture = context.nhwc(node)
        y = conv_transpose.emit_conv_transpose(
            context, node, picture, *operands, dtype=np.int8, quantization=after.quantization
        )
    return after.bind(context, y, NHWC)


@int8_rule("Gemm", "MatMul")
def int8_fully_connected(context: Lowering, node: ir.Node) -> bool:
    """FULLY_CONNECTED for constant matrices."""
    attribute = context.attribute
    if attribute(node, "transA", 0) or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1:
        return False
    flip = attribute(node, "transB", 0)
    x, after = int8_input(context, node.inputs[0]), following(context, node)
    if x is None or after is None or len(node.inputs[1].shape) != 2 or len(node.inputs[0].shape) < 2:
        return False
    weights = int8_weights(context, node.inputs[1], axis=0 if flip else 1)
    bias = context.input(node, 2)
    if weights is None or (bias is not None and np.prod(context.shape(bias)) != weights.scale.size):
        return False
    laid = np.ascontiguousarray(weights.array if flip else weights.array.T)
    operands = _filters_and_bias(context, node, x.tensor, weights, laid, 0)
    if operands is None:
        return False
    with context.keeping_quantized():
        rows = context.plain(node.inputs[0])
    shape = (*rows.shape[:-1], laid.shape[0])
    y = context.builder.emit(
        "FULLY_CONNECTED", [rows, *operands], shape, dtype=np.int8, quantization=after.quantization,
        keepNumDims=rows.rank > 2, fusedActivationFunction=after.activation,
    )  # fmt: skip
    return after.bind(context, y, plain(y.rank))


# ---- element by element


@int8_rule("Add", "Sub", "Mul")
def int8_binary(context: Lowering, node: ir.Node) -> bool:
    """ADD, SUB and MUL of int8 tensors and quantized constants."""
    after = following(context, node)
    operands = [_operand(context, value) for value in node.inputs]
    if after is None or any(operand is None for operand in operands):
        return False
    with context.keeping_quantized():
        perm = context.broadcast_perm(node.inputs, len(node.outputs[0].shape))
        tensors = []
        for value, operand in zip(node.inputs, operands, strict=True):
            if isinstance(operand, Placed):
                if operand.tensor.rank != len(perm):
                    return False
                tensors.append(context.get(value, perm))
            else:
                array, parameters = operand
                laid = context.broadcast_constant(array, perm).data
                tensors.append(context.builder.constant(laid, "", parameters))
    shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    y = context.builder.emit(
        node.op_type.upper(), tensors, shape, dtype=np.int8, quantization=after.quantization,
        fusedActivationFunction=after.activation,
    )  # fmt: skip
    return after.bind(context, y, perm)


def _operand(context: Lowering, value: ir.Value) -> Placed | tuple[np.ndarray, Quantization] | None:
    placed = int8_input(context, value)
    if placed is not None:
        return placed
    node = value.producer()
    if node is None or node.op_type != "DequantizeLinear":
        return None
    array, parameters = context.constant(node.inputs[0]), int8_parameters(context, node)
    if array is None or parameters is None:
        return None
    return (array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)).astype(np.int8), parameters


@int8_rule("Relu", "LeakyRelu", "Sigmoid", "Tanh")
def int8_activation(context: Lowering, node: ir.Node) -> bool:
    """Activations with int8 kernels; LOGISTIC and TANH only where the output has their fixed parameters.

    HardSwish is left in float: XNNPACK does not take the int8 HARD_SWISH, and thirteen of them broke a MobileNetV3
    into 14 partitions and took 212 ms instead of 57.
    """
    x, after = int8_input(context, node.inputs[0]), following(context, node, activations=False)
    if x is None or after is None:
        return False
    code = {"LeakyRelu": "LEAKY_RELU", "Sigmoid": "LOGISTIC"}.get(node.op_type)
    code = code or node.op_type.upper()
    if FIXED_OUTPUT.get(code, after.quantization) != after.quantization:
        return False
    options = {"alpha": context.attribute(node, "alpha", 0.01)} if code == "LEAKY_RELU" else {}
    y = context.builder.emit(
        code, [x.tensor], x.tensor.shape, dtype=np.int8, quantization=after.quantization, **options
    )
    return after.bind(context, y, x.perm)


# ---- moving


@int8_rule(*MOVES)
def int8_move(context: Lowering, node: ir.Node) -> bool:
    """Runs the float rule on the 8-bit tensor: no number changes."""
    if context.quantized(node.inputs[0]) is None:
        return False
    if node.op_type == "Pad" and not _pads_with_zero(context, node):
        return False
    rule = float_rules.find(node, context.opset)
    with context.keeping_quantized():
        rule(context, node)
    for output in node.outputs:
        if output is not None and output.name:
            placed = context.release(output)
            context.bind_quantized(output, placed.tensor, placed.perm)
    return True


def _pads_with_zero(context: Lowering, node: ir.Node) -> bool:
    if context.attribute(node, "mode", "constant") != "constant" or context.input(node, 2) is None:
        return True
    fill = context.constant(node.inputs[2])
    return fill is not None and not fill.any()


@int8_rule(*AVERAGES)
def int8_average(context: Lowering, node: ir.Node) -> bool:
    """Interpolation and averaging, which round to the input's scale, in front of a QuantizeLinear."""
    if int8_input(context, node.inputs[0]) is None or following(context, node, activations=False) is None:
        return False
    if node.op_type == "AveragePool" and any(context.attribute(node, "pads", (0,))):
        return False
    return int8_move(context, node)


@int8_rule("Concat")
def int8_concat(context: Lowering, node: ir.Node) -> bool:
    """CONCATENATION, which wants one scale: inputs that differ are requantized first, as the Q/DQ graph does."""
    inputs = [int8_input(context, value) for value in node.inputs]
    after = following(context, node, activations=False)
    if after is None or any(placed is None for placed in inputs):
        return False
    rank = len(node.outputs[0].shape)
    with context.keeping_quantized():
        perm = context.broadcast_perm(node.inputs, rank)
        parts = [context.get(value, perm) for value in node.inputs]
    parts = [_requantize(context, part, after.quantization) for part in parts]
    axis = perm.index(context.attribute(node, "axis") % rank)
    return after.bind(context, concatenate(context, parts, axis), perm)


@int8_rule("GlobalAveragePool", "ReduceMean")
def int8_plane_mean(context: Lowering, node: ir.Node) -> bool:
    """MEAN over whole planes, kept as [N, C, 1, 1]."""
    x, after = int8_input(context, node.inputs[0]), following(context, node, activations=False)
    if x is None or after is None or x.perm != NHWC:
        return False
    if node.op_type == "ReduceMean":
        axes = context.constant(context.input(node, 1))
        if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3] or not context.attribute(node, "keepdims", 1):
            return False
    shape = (x.tensor.shape[0], 1, 1, x.tensor.shape[3])
    inputs = [x.tensor, context.builder.ints((1, 2))]
    y = context.builder.emit("MEAN", inputs, shape, dtype=np.int8, quantization=after.quantization, keepDims=True)
    return after.bind(context, y, NHWC)


def _requantize(context: Lowering, tensor: Tensor, quantization: Quantization) -> Tensor:
    if tensor.quantization == quantization:
        return tensor
    return context.builder.emit("QUANTIZE", [tensor], tensor.shape, dtype=np.int8, quantization=quantization)
