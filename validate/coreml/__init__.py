"""Core ML on Linux: executes a saved ``.mlpackage`` without a Mac, rounding where the device rounds.

A MIL program is translated to ONNX operator by operator and run by ONNX Runtime. It knows the operators of image
networks, weights that are palettized, pruned or quantized, and 8-bit activations; it shares no code with the
compiler in ``export/coreml``, so that neither hides the other's mistakes.
"""

from validate.coreml.features import Feature
from validate.coreml.model import CoreMLModel
from validate.coreml.registry import supported_ops

__all__ = ["CoreMLModel", "Feature", "supported_ops"]
