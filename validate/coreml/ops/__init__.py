"""MIL operators as ONNX nodes, one family a file; importing this package registers them all."""

from validate.coreml.ops import (
    activation,
    conv,
    elementwise,
    gather,
    layout,
    linear,
    norm,
    pool,
    quantization,
    reduction,
    resize,
    tensor,
)

__all__ = [
    "activation",
    "conv",
    "elementwise",
    "gather",
    "layout",
    "linear",
    "norm",
    "pool",
    "quantization",
    "reduction",
    "resize",
    "tensor",
]
