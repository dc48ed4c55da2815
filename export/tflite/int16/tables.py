"""Any function of one number, by a table: how a file of whole numbers alone computes what has no integer kernel.

A 16-bit number has 65536 values, so the function is known at each of them: CAST and ADD make an index of the number,
GATHER reads the table of 128 KB. Slow, and exact.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.int16.surroundings import INT16, emit, following, int16_input, int16_rule
from export.tflite.lowering import Lowering
from quantize.runtime import open_session, run

OFFSET = 2**15
# Elementwise functions of their first input; other inputs are constants.
FUNCTIONS = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Floor", "Gelu", "HardSwish", "Log", "Mish", "Neg", "Pow", "Reciprocal", "Round", "Selu", "Sign", "Sin",
    "Sinh", "Softplus", "Softsign", "Tan", "ThresholdedRelu",
)  # fmt: skip


@int16_rule(*FUNCTIONS)
def int16_table(context: Lowering, node: ir.Node) -> bool:
    """CAST, ADD and GATHER, where no float is allowed."""
    x, after = int16_input(context, node.inputs[0]), following(context, node)
    constants = [context.constant(value) for value in node.inputs[1:]]
    single = all(array is not None and array.size == 1 for array in constants)
    if not context.integer_only or x is None or after is None or not single:
        return False
    table = table_of(context, node, x.tensor.quantization.scale[0], after.scale)
    return after.bind(context, look_up(context, x.tensor, table, after.quantization), x.perm)


def table_of(context: Lowering, node: ir.Node, source: float, target: float) -> np.ndarray:
    """What ``node`` makes of every 16-bit number of scale ``source``, in steps of ``target``.

    int16 (65536,), from the least number to the greatest.
    """
    numbers = (np.arange(-OFFSET, OFFSET) * np.float64(source)).astype(np.float32)
    given = ir.Value(name="x", shape=ir.Shape([numbers.size]), type=ir.TensorType(ir.DataType.FLOAT))
    constants = []
    for index, value in enumerate(node.inputs[1:]):
        tensor = ir.tensor(context.constant(value).reshape(-1), name=f"constant_{index}")
        kind = ir.TensorType(tensor.dtype)
        constants.append(ir.Value(name=tensor.name, const_value=tensor, shape=tensor.shape, type=kind))
    copy = ir.node(node.op_type, [given, *constants], {a.name: a.value for a in node.attributes.values()})
    copy.outputs[0].name, copy.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    opset = {"": context.opset}
    graph = ir.Graph([given], [copy.outputs[0]], nodes=[copy], initializers=constants, opset_imports=opset)
    (results,) = run(open_session(ir.Model(graph, ir_version=10)), {"x": numbers})
    steps = np.nan_to_num(np.rint(results.astype(np.float64) / target), nan=0.0)
    return np.clip(steps, -OFFSET, OFFSET - 1).astype(INT16)


def look_up(context: Lowering, x: Tensor, table: np.ndarray, quantization: Quantization) -> Tensor:
    """The entry of ``table`` for every number of the 16-bit tensor ``x``."""
    builder = context.builder
    index = builder.emit("CAST", [x], x.shape, dtype=np.int32, inDataType=np.int16, outDataType=np.int32)
    index = builder.emit("ADD", [index, builder.constant(np.int32(OFFSET))], x.shape, dtype=np.int32)
    return emit(context, "GATHER", [builder.constant(table, "", quantization), index], x.shape, quantization, axis=0)
