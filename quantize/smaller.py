"""A graph at half its picture size: a quarter of the work, for measurements that only order things."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from quantize.runtime import Sample


def halved(model: ir.Model) -> ir.Model | None:
    """A copy of ``model`` whose pictures (inputs and outputs of rank 4) have half the height and half the width.

    None where the graph is not made for it: a size is written into it, or is no multiple of what the graph needs.
    """
    model = model.clone()
    expected = {value.name: _half(value.shape) for value in (*_fed(model), *model.graph.outputs)}
    if None in expected.values() or all(len(shape) != 4 for shape in expected.values()):
        return None
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    for value in _fed(model):
        value.shape = ir.Shape(expected[value.name])
    try:
        proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return None
    model = ir.from_proto(proto)
    known = all(v.shape is not None and v.shape.is_static() for node in model.graph for v in node.outputs if v.name)
    fitting = all(tuple(value.shape or ()) == expected[value.name] for value in model.graph.outputs)
    return model if known and fitting else None


def halved_sample(sample: Sample) -> dict[str, np.ndarray]:
    """``sample`` with every picture at half its size, by the mean of four pixels."""
    return {name: _mean_of_four(array) if array.ndim == 4 else array for name, array in sample.items()}


def _fed(model: ir.Model) -> list[ir.Value]:
    return [value for value in model.graph.inputs if not value.is_initializer()]


def _half(shape: ir.Shape | None) -> tuple[int, ...] | None:
    if shape is None or not shape.is_static():
        return None
    if len(shape) != 4 or min(shape[2:]) == 1:
        return tuple(shape)
    if shape[2] % 2 or shape[3] % 2:
        return None
    return (shape[0], shape[1], shape[2] // 2, shape[3] // 2)


def _mean_of_four(array: np.ndarray) -> np.ndarray:
    batch, channels, height, width = array.shape
    if min(height, width) == 1:
        return array
    return array.reshape(batch, channels, height // 2, 2, width // 2, 2).mean((3, 5), dtype=np.float32)
