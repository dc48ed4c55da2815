"""The TFLite compiler: hub ONNX in, an NHWC ``.tflite`` flatbuffer out; neither TensorFlow nor torch involved."""

from export.tflite.census import census
from export.tflite.compiler import compile_tflite, port_names

__all__ = ["census", "compile_tflite", "port_names"]
