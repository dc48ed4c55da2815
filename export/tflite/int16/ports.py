"""Ports that are whole numbers, and the proof that a file holds nothing else."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import GraphBuilder, Operation
from export.tflite.lowering import Lowering, Perm
from export.tflite.ops.quantize import tensor_parameters
from validate.errors import UnsupportedError

FLOATS = (np.float16, np.float32, np.float64)


def integer_input(context: Lowering, value: ir.Value, name: str, shape: tuple[int, ...], perm: Perm) -> None:
    """An input of the type and scale of the QuantizeLinear that alone reads it; whole numbers stay as they are.

    Raises :class:`UnsupportedError` where there is no such one.
    """
    if value.dtype is not ir.DataType.FLOAT:
        context.bind(value, context.builder.input(name, shape, value.dtype.numpy()), perm)
        return
    readers = [use.node for use in value.uses()]
    found = None
    if len(readers) == 1 and readers[0].op_type == "QuantizeLinear":
        found = tensor_parameters(context, readers[0])
    if found is None:
        raise UnsupportedError(f"The input '{value.name}' is not quantized as a whole, so the file would take floats.")
    quantization, dtype = found
    context.bind_quantized(value, context.builder.input(name, shape, dtype, quantization), perm)


def integer_output(context: Lowering, value: ir.Value, name: str, perm: Perm) -> None:
    """An output as the tensor that the graph's last DequantizeLinear reads; raises :class:`UnsupportedError`."""
    if value.dtype is ir.DataType.FLOAT and context.quantized(value) is None:
        raise UnsupportedError(f"The output '{value.name}' is not quantized, so the file would give floats.")
    with context.keeping_quantized():
        context.builder.output(context.get(value, perm), name)


def require_integers(graph: GraphBuilder) -> None:
    """Raises :class:`UnsupportedError`, naming the operators, where ``graph`` has a float tensor."""
    left = [operation for operation in graph.operations if _has_floats(operation)]
    left = [operation for operation in left if operation.code not in ("QUANTIZE", "DEQUANTIZE")] or left
    if left:
        named = ", ".join(f"{operation.code} ({operation.outputs[0].name})" for operation in left[:8])
        more = f" and {len(left) - 8} more" if len(left) > 8 else ""
        raise UnsupportedError(
            f"Not all of this model can be computed in whole numbers; in float stay {named}{more}. "
            "Export it without --integer-io."
        )


def _has_floats(operation: Operation) -> bool:
    tensors = [tensor for tensor in (*operation.inputs, *operation.outputs) if tensor is not None]
    return any(tensor.dtype in FLOATS for tensor in tensors)
