"""Float32 throughout: what a file has as float16, bfloat16 or float64 is widened or rounded to it.

Every float16 and bfloat16 number is a float32 number, so weights stay what they are, and sums only gain digits.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

OTHER_FLOATS = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE)


def to_float32(model: ir.Model) -> bool:
    """Make every other float of the model float32; returns whether there was any."""
    found = False
    for value in [*model.graph.inputs, *model.graph.initializers.values()]:
        if value.dtype in OTHER_FLOATS or (value.const_value is not None and value.const_value.dtype in OTHER_FLOATS):
            found = True
            if value.const_value is not None:
                value.const_value = _widened(value.const_value)
            value.dtype = ir.DataType.FLOAT
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for name, attribute in list(node.attributes.items()):
            if attribute.type is ir.AttributeType.TENSOR and attribute.value.dtype in OTHER_FLOATS:
                node.attributes[name] = ir.AttrTensor(name, _widened(attribute.value))
                found = True
            elif name in ("to", "dtype") and attribute.value in OTHER_FLOATS:
                node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
                found = True
        for value in node.outputs:
            if value.dtype in OTHER_FLOATS:
                value.dtype = ir.DataType.FLOAT
    return found


def _widened(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    return ir.tensor(np.asarray(tensor.numpy()).astype(np.float32), name=tensor.name)
