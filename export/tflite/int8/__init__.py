"""Q/DQ to int8 kernels: DequantizeLinear, operator, QuantizeLinear become one operator on int8 tensors.

Each rule looks at its node's surroundings first and declines (returns False) where TFLite's constraints do not hold;
then the float rule runs between DEQUANTIZE and QUANTIZE. A value that is merely the float meaning of an int8 tensor
costs nothing until a float rule reads it (:meth:`Lowering.bind_quantized`).
"""

from export.tflite.int8 import moving, pointwise, products
from export.tflite.int8.surroundings import INT8_RULES, lower_quantized

__all__ = ["INT8_RULES", "lower_quantized", "moving", "pointwise", "products"]
