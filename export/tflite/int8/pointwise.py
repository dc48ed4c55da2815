"""Arithmetic and activations on int8 tensors."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization
from export.tflite.int8.surroundings import (
    ADD_RATIOS,
    COPY_RATIOS,
    MUL_RATIOS,
    following,
    int8_input,
    int8_rule,
    rescales,
)
from export.tflite.lowering import Lowering, Placed
from export.tflite.ops.quantize import int8_parameters

LOWEST = -128
# TFLite's kernels compute these functions with fixed output parameters.
FIXED_OUTPUT = {"LOGISTIC": Quantization.per_tensor(1 / 256, -128), "TANH": Quantization.per_tensor(1 / 128, 0)}


@int8_rule("Add", "Sub", "Mul")
def int8_binary(context: Lowering, node: ir.Node) -> bool:
    """ADD, SUB and MUL of int8 tensors and quantized constants."""
    after = following(context, node)
    operands = [_operand(context, value) for value in node.inputs]
    if after is None or any(operand is None for operand in operands):
        return False
    scales = [
        (one.tensor.quantization if isinstance(one, Placed) else one[1]).scale[0] / after.quantization.scale[0]
        for one in operands
    ]
    if node.op_type == "Mul":
        fits = rescales(scales[0] * scales[1] * after.quantization.scale[0], MUL_RATIOS)
    else:
        fits = rescales(np.array(scales), ADD_RATIOS)
    if not fits:
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


@int8_rule("Relu")
def int8_relu(context: Lowering, node: ir.Node) -> bool:
    """Nothing, where a QuantizeLinear whose lowest number means zero reads next: rounding clamps.

    Elsewhere it is left in float, as XNNPACK does not take the int8 RELU; that of a convolution is fused into it.
    """
    readers = [use.node for use in node.outputs[0].uses()]
    if not readers or node.outputs[0].is_graph_output() or not all(_clamps(context, reader) for reader in readers):
        return False
    placed = context.quantized(node.inputs[0])
    if placed is not None:
        context.bind_quantized(node.outputs[0], placed.tensor, placed.perm)
    else:
        placed = context.place(node.inputs[0])
        context.bind(node.outputs[0], placed.tensor, placed.perm)
    return True


def _clamps(context: Lowering, node: ir.Node) -> bool:
    if node.op_type != "QuantizeLinear":
        return False
    parameters = int8_parameters(context, node)
    return parameters is not None and parameters.zero_point == (LOWEST,)


@int8_rule("LeakyRelu", "Sigmoid", "Tanh")
def int8_activation(context: Lowering, node: ir.Node) -> bool:
    """Activations with int8 kernels; LOGISTIC and TANH only where the output has their fixed parameters.

    HardSwish is left in float: XNNPACK does not take the int8 HARD_SWISH, and thirteen of them broke a MobileNetV3
    into 14 partitions and took 212 ms instead of 57.
    """
    x, after = int8_input(context, node.inputs[0]), following(context, node, activations=False)
    if x is None or after is None:
        return False
    code = {"LeakyRelu": "LEAKY_RELU", "Sigmoid": "LOGISTIC"}.get(node.op_type, node.op_type.upper())
    if FIXED_OUTPUT.get(code, after.quantization) != after.quantization:
        return False
    options = {}
    if code == "LEAKY_RELU":
        options["alpha"] = context.attribute(node, "alpha", 0.01)
        ratio = x.tensor.quantization.scale[0] / after.quantization.scale[0]
        if not rescales(np.abs([ratio, ratio * options["alpha"]]), COPY_RATIOS):
            return False
    y = context.builder.emit(
        code, [x.tensor], x.tensor.shape, dtype=np.int8, quantization=after.quantization, **options
    )
    return after.bind(context, y, x.perm)
