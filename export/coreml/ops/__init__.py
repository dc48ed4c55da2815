"""Lowerings of ONNX operators to MIL, one family a module."""
