"""What stands around a node of a Q/DQ graph: int8 inputs, the QuantizeLinear behind, int8 weights in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import Lowering, Perm, Placed
from export.tflite.ops.quantize import int8_parameters, read_parameters

WEIGHT_LIMIT = 127  # TFLite's int8 filters never hold -128: two such products overflow a 16-bit accumulator
INT32_LIMIT = 2**31 - 1

# By what XNNPACK's int8 kernels can rescale (input scales over output scale), from its own checks. Outside, LiteRT 2.3
# does not refuse: it frees memory twice while it prepares the graph and takes the process down.
PRODUCT_RATIOS = (2.0**-32, 2.0**8)
MUL_RATIOS = (2.0**-16, 2.0**8)
ADD_RATIOS = (2.0**-10, 2.0**8)
COPY_RATIOS = (2.0**-8, 2.0**7)


def rescales(ratio: np.ndarray | float, limits: tuple[float, float]) -> bool:
    """Whether an int8 kernel can rescale by ``ratio``, or by each of them; if not, the operator is left in float."""
    return bool(np.all((ratio >= np.float64(limits[0])) & (ratio < np.float64(limits[1]))))


Rule = Callable[[Lowering, ir.Node], bool]
INT8_RULES: dict[str, Rule] = {}


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


def filters_and_bias(
    context: Lowering, node: ir.Node, x: Tensor, weights: Weights, laid: np.ndarray, axis: int, after: Result
) -> tuple[Tensor, Tensor] | None:
    """The filter and bias tensors of a convolution of ``x``; None where the bias or the rescaling does not fit.

    ``laid`` are the weights in TFLite's layout, whose output channels run along ``axis``; ``after`` is what follows.
    """
    x_scale = x.quantization.scale[0]
    if not rescales(np.float64(x_scale) * weights.scale / after.quantization.scale[0], PRODUCT_RATIOS):
        return None
    bias = int32_bias(context, context.input(node, 2), x_scale, weights.scale, weights.scale.size)
    if bias is None:
        return None
    zeros = (0,) * weights.scale.size
    bias_scale = np.float32(x_scale) * weights.scale
    filters = context.builder.constant(
        laid, node.inputs[1].name, Quantization(tuple(weights.scale.tolist()), zeros, axis)
    )
    return filters, context.builder.constant(bias, "", Quantization(tuple(bias_scale.tolist()), zeros))
