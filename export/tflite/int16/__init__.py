"""Q/DQ of int16 to TFLite's 16x8 kernels: 16-bit activations without a zero point, 8-bit weights, 64-bit bias.

As in :mod:`export.tflite.int8`, each rule declines (returns False) where no kernel computes what the graph says; the
float rule then runs between DEQUANTIZE and QUANTIZE. A file of whole numbers alone (``context.integer_only``) also has
rules of several operators for what no single kernel does. Tried out on LiteRT 2.3, which has no 16-bit kernel for
SQUARED_DIFFERENCE, SQUARE, HARD_SWISH, ELU, SIGN, FLOOR, ROUND, DEPTH_TO_SPACE and SPACE_TO_DEPTH, nor QUANTIZE from
int16 to uint8; CONV_2D with a 32-bit bias runs and gives nonsense, DIV, NEG and RELU6 do not read the scales.
"""

from export.tflite.int16 import moving, pointwise, products, tables
from export.tflite.int16.surroundings import INT16_RULES, lower_int16

__all__ = ["INT16_RULES", "lower_int16", "moving", "pointwise", "products", "tables"]
