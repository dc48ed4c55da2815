"""Which inputs and outputs are pictures, for a caller that does not say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from quantize.runtime import Sample
from validate.ports import Port

RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


def ports_of(
    model: ir.Model, value_range: tuple[float, float] | None, output_range: tuple[float, float] | None = None
) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs and outputs of ``model``; those of shape (1, 1 or 3, H, W) are pictures.

    ``value_range`` is that of the pictures that go in, ``output_range`` of those that come out, by default the same.
    """

    def port(value: ir.Value, value_range: tuple[float, float] | None) -> Port:
        shape = tuple(value.shape)
        picture = len(shape) == 4 and shape[0] == 1 and shape[1] in (1, 3) and min(shape[2:]) > 1
        picture = picture and value.dtype is ir.DataType.FLOAT
        return Port(value.name, shape, value_range if picture else None, value.dtype.numpy().name)

    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    outputs = tuple(port(value, output_range or value_range) for value in model.graph.outputs)
    return tuple(port(value, value_range) for value in inputs), outputs


def range_of(samples: Sequence[Sample]) -> tuple[float, float]:
    """The value range that photos were fed in: the narrowest usual one that holds all pictures of ``samples``."""
    pictures = [array for sample in samples for array in sample.values() if array.ndim == 4]
    low = min((float(array.min()) for array in pictures), default=0.0)
    high = max((float(array.max()) for array in pictures), default=1.0)
    fitting = (known for known in RANGES if known[0] <= low and high <= known[1])
    return next(fitting, (low, float(np.nextafter(low, np.inf)) if high <= low else high))
