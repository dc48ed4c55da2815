"""The Core ML compiler: hub ONNX to MIL to an ``.mlpackage`` that iOS 16 and later run."""

from export.coreml.compile import compile_coreml, feature_name, port_names
from export.coreml.registry import supported_ops

__all__ = ["compile_coreml", "feature_name", "port_names", "supported_ops"]
