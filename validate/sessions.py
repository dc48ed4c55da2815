"""ONNX Runtime on the CPU, as every room uses it for a reference: without the optimizers that change results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

# Up to ONNX Runtime 1.31, Pad_Fusion lets a MaxPool pad by itself, with minus infinity in place of the zeros that Pad
# puts there, and MatmulTransposeFusion forgets the Transpose in front of a product with a vector.
WRONG_OPTIMIZERS = ("Pad_Fusion", "MatmulTransposeFusion")


def cpu_session(model: str | Path | bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A CPU session over a path or a serialized model; raises what ONNX Runtime raises when it refuses the model.

    ``options`` are changed: memory is taken as it is needed. Planned as one block from the second run on, it was held
    beside that of the first (929 MB in place of 585 for a U-Net of 512x512 in half precision, in the same time).
    """
    import onnxruntime

    options.enable_mem_pattern = False

    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(WRONG_OPTIMIZERS)
    )
