"""Resize: nearest, linear and cubic, each by the MIL operation whose sampling grid is ONNX's, or else by exact means.

Resizing is separable: along one axis, output ``i`` samples the input at ``x(i)``, which the ONNX operator defines.
Where MIL's own operations sample at the same places they are used. Otherwise nearest becomes a strided slice or a
gather, and linear and cubic become products with the axis's interpolation matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.call import Call
from export.coreml.mil import mb
from export.coreml.ops.indexing import as_planes, take
from export.coreml.registry import lowers
from export.hub.decompose.resize_weights import nearest_indices, resize_matrices, resize_offset, resize_places

_WEIGHT_TOLERANCE = 1e-4
"""Interpolation weights nearer than this are the same (float32 rounding of fractional scales)."""


@lowers("Resize", since=13)
def resize(call: Call) -> Any:
    """Resize along any axes, in every mode that :mod:`export.hub.decompose.resize_weights` reads."""
    places = resize_places(call.node)
    if not places:
        return mb.identity(x=call.var(0))
    if call.attr("mode", "nearest") == "nearest" and not _extrapolates(call, places):
        return _nearest(call)
    if not call.is_float():
        raise call.unsupported("interpolation of whole numbers")
    matrices = resize_matrices(call.node)
    result = _bilinear(call, matrices) if call.attr("mode", "nearest") == "linear" else None
    if result is None:
        result = _interpolate(call, matrices)
    offset = resize_offset(call.node)
    return result if offset is None else mb.add(x=result, y=np.ascontiguousarray(offset, np.float32))


def _extrapolates(call: Call, places: dict[int, np.ndarray]) -> bool:
    """Whether some place lies outside the picture and is given a value of its own."""
    if call.attr("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return False
    return any(place.min() < 0 or place.max() > call.shape(0)[axis] - 1 for axis, place in places.items())


def _nearest(call: Call) -> Any:
    """Copies where every element is repeated as often as the others, else the wanted entries of each axis."""
    x, rank = call.var(0), call.rank
    indices = nearest_indices(call.node)
    factors = {axis: len(index) // call.shape(0)[axis] for axis, index in indices.items()}
    copied = {
        axis: factors[axis]
        for axis, index in indices.items()
        if np.array_equal(index, np.repeat(np.arange(call.shape(0)[axis]), factors[axis]))
    }
    for axis, index in indices.items():
        if axis not in copied:
            x = take(x, index, axis)
    if not call.is_float():  # MIL's operation takes floats
        for axis in copied:
            x = take(x, indices[axis], axis)
        return x
    for axis in [axis for axis in copied if axis < rank - 2 or rank < 3]:
        shape = [int(size) for size in x.shape]
        shape[axis] *= copied[axis]
        x = mb.upsample_nearest_neighbor(
            x=as_planes(x, axis), scale_factor_height=copied.pop(axis), scale_factor_width=1
        )
        x = mb.reshape(x=x, shape=shape)
    if copied:
        height, width = copied.get(rank - 2, 1), copied.get(rank - 1, 1)
        x = _on_pictures(
            x, lambda p: mb.upsample_nearest_neighbor(x=p, scale_factor_height=height, scale_factor_width=width)
        )
    return x


def _on_pictures(x: Any, operation: Any) -> Any:
    """``operation`` on the last two axes, the ones before them joined to no more than two."""
    if x.rank <= 4:
        return operation(x)
    shape = tuple(int(size) for size in x.shape)
    y = operation(mb.reshape(x=x, shape=(shape[0], int(np.prod(shape[1:-2])), *shape[-2:])))
    return mb.reshape(x=y, shape=(*shape[:-2], *(int(size) for size in y.shape[-2:])))


def _bilinear(call: Call, matrices: dict[int, np.ndarray]) -> Any | None:
    """MIL's bilinear operations where one of their grids is the wanted one on both axes, else ``None``."""
    if call.rank < 4 or min(matrices) < call.rank - 2:
        return None
    sizes, outs = call.shape(0)[-2:], tuple(call.out_shape()[-2:])
    wanted = [matrices.get(call.rank - 2 + k, np.eye(size, dtype=np.float32)) for k, size in enumerate(sizes)]
    for sampling in ("UNALIGN_CORNERS", "STRICT_ALIGN_CORNERS", "DEFAULT"):
        if all(_weighs_alike(matrix, sampling) for matrix in wanted):
            break
    else:
        return None
    if all(out % size == 0 for out, size in zip(outs, sizes, strict=True)) and sampling != "DEFAULT":
        factors = [out // size for out, size in zip(outs, sizes, strict=True)]
        return _on_pictures(
            call.var(0),
            lambda p: mb.upsample_bilinear(
                x=p,
                scale_factor_height=factors[0],
                scale_factor_width=factors[1],
                align_corners=sampling == "STRICT_ALIGN_CORNERS",
            ),
        )
    return _on_pictures(
        call.var(0),
        lambda p: mb.resize_bilinear(
            x=p, target_size_height=outs[0], target_size_width=outs[1], sampling_mode=sampling
        ),
    )


def _weighs_alike(matrix: np.ndarray, sampling: str) -> bool:
    """Whether ``matrix`` is linear interpolation at the places that MIL documents for ``sampling``."""
    out, size = matrix.shape
    if out == 1 and sampling != "UNALIGN_CORNERS":
        return False  # these formulas divide by out - 1
    i = np.arange(out)
    if sampling == "UNALIGN_CORNERS":
        places = (i + 0.5) * size / out - 0.5
    else:
        places = i * (size - 1) / (out - 1) if sampling == "STRICT_ALIGN_CORNERS" else i * size / out
    distance = np.abs(np.clip(places, 0, size - 1)[:, None] - np.arange(size))
    return bool(np.abs(matrix - np.maximum(1 - distance, 0)).max() < _WEIGHT_TOLERANCE)


def _interpolate(call: Call, matrices: dict[int, np.ndarray]) -> Any:
    """The product with every axis's matrix, along that axis."""
    x, rank = call.var(0), call.rank
    for axis, matrix in matrices.items():
        matrix = np.ascontiguousarray(matrix, np.float32)  # noqa: PLW2901
        shape = [int(size) for size in x.shape]
        shape[axis] = len(matrix)
        if axis == rank - 1 and rank > 1:
            x = mb.matmul(x=x, y=np.ascontiguousarray(matrix.T))
        elif axis == rank - 2:
            x = mb.matmul(x=matrix, y=x)
        else:
            x = mb.reshape(x=mb.matmul(x=matrix, y=as_planes(x, axis)), shape=shape)
    return x
