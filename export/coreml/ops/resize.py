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
from export.coreml.registry import lowers

_GRID_TOLERANCE = 1e-4
"""In pixels: grids nearer than this are the same (float32 rounding of fractional scales)."""

_ROUNDING = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


@lowers("Resize", since=13)
def resize(call: Call) -> Any:
    """Resize along any axes (nearest) or the last two (linear, cubic)."""
    mode = call.attr("mode", "nearest")
    if call.attr("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.unsupported(f"keep_aspect_ratio_policy={call.attr('keep_aspect_ratio_policy')!r}")
    grids = {
        axis: _grid(call, size, out, scale)
        for axis, (size, out, scale) in enumerate(zip(call.shape(0), call.out_shape(), _scales(call), strict=True))
        if (size, scale) != (out, 1.0)
    }
    if not grids:
        return mb.identity(x=call.var(0))
    if mode == "nearest":
        return _nearest(call, grids)
    if mode not in ("linear", "cubic"):
        raise call.unsupported(f"mode={mode!r}")
    if min(grids) < call.rank - 2:
        raise call.unsupported(f"{mode} resizing of another dimension than the last two")
    if call.attr("antialias", 0) and any(call.out_shape()[axis] < call.shape(0)[axis] for axis in grids):
        raise call.unsupported("antialias=1 when shrinking")
    if mode == "linear" and call.rank == 4:
        result = _bilinear(call, grids)
        if result is not None:
            return result
    return _interpolate(call, grids, mode)


def _scales(call: Call) -> list[float]:
    """The scale of every axis, as ONNX uses it in its coordinates: as given, or output size over input size."""
    axes = [axis % call.rank for axis in call.attr("axes", range(call.rank))]
    scales = [1.0] * call.rank
    given = call.required(2, "scales") if call.has(2) else np.zeros(0)
    for position, axis in enumerate(axes):
        ratio = call.out_shape()[axis] / call.shape(0)[axis]
        scales[axis] = float(given[position]) if given.size else ratio
    return scales


def _grid(call: Call, size: int, out: int, scale: float) -> np.ndarray:
    """Where in the input, in unclamped pixels, each of ``out`` outputs samples; in float32, as in ONNX Runtime."""
    i, scale = np.arange(out, dtype=np.float32), np.float32(scale)
    half_pixel = (i + np.float32(0.5)) / scale - np.float32(0.5)
    mode = call.attr("coordinate_transformation_mode", "half_pixel")
    if mode == "half_pixel":
        return half_pixel
    if mode == "pytorch_half_pixel":
        return half_pixel if out > 1 else np.zeros(1, np.float32)
    if mode == "half_pixel_symmetric":
        return half_pixel + np.float32(size / 2 * (1 - out / (size * float(scale))))
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * np.float32(size - 1) / np.float32(max(1, out - 1))
    raise call.unsupported(f"coordinate_transformation_mode={mode!r}")


def _nearest(call: Call, grids: dict[int, np.ndarray]) -> Any:
    nearest_mode = call.attr("nearest_mode", "round_prefer_floor")
    if nearest_mode not in _ROUNDING:
        raise call.unsupported(f"nearest_mode={nearest_mode!r}")
    sizes = call.shape(0)
    indices = {
        axis: np.clip(_ROUNDING[nearest_mode](grid), 0, sizes[axis] - 1).astype(np.int32)
        for axis, grid in grids.items()
    }
    x = call.var(0)
    factors = {axis: len(index) // sizes[axis] for axis, index in indices.items()}
    copies = all(
        np.array_equal(index, np.repeat(np.arange(sizes[axis]), factors[axis])) for axis, index in indices.items()
    )
    if copies and call.rank >= 3 and min(indices) >= call.rank - 2:
        height, width = (factors.get(call.rank - 2 + axis, 1) for axis in (0, 1))
        return mb.upsample_nearest_neighbor(x=x, scale_factor_height=height, scale_factor_width=width)
    for axis, index in indices.items():
        x = _take(x, index, axis)
    return x


def _take(x: Any, index: np.ndarray, axis: int) -> Any:
    """Entries ``index`` along ``axis``: a strided slice where they are evenly spaced, else a gather."""
    steps = np.unique(np.diff(index))
    if len(steps) == 1 and steps[0] > 0:
        begin, end, stride = [0] * x.rank, list(x.shape), [1] * x.rank
        begin[axis], end[axis], stride[axis] = int(index[0]), int(index[-1]) + 1, int(steps[0])
        return mb.slice_by_index(x=x, begin=begin, end=end, stride=stride)
    return mb.gather(x=x, indices=index, axis=axis)


def _bilinear(call: Call, grids: dict[int, np.ndarray]) -> Any | None:
    """MIL's bilinear operations where one of their grids is the wanted one on both axes, else ``None``."""
    (height, width), (out_height, out_width) = call.shape(0)[2:], call.out_shape()[2:]
    for sampling in ("UNALIGN_CORNERS", "STRICT_ALIGN_CORNERS", "DEFAULT"):
        if all(_samples_alike(grid, call.shape(0)[axis], sampling) for axis, grid in grids.items()):
            break
    else:
        return None
    x = call.var(0)
    if out_height % height == 0 and out_width % width == 0 and sampling != "DEFAULT":
        return mb.upsample_bilinear(
            x=x,
            scale_factor_height=out_height // height,
            scale_factor_width=out_width // width,
            align_corners=sampling == "STRICT_ALIGN_CORNERS",
        )
    return mb.resize_bilinear(x=x, target_size_height=out_height, target_size_width=out_width, sampling_mode=sampling)


def _samples_alike(grid: np.ndarray, size: int, sampling: str) -> bool:
    """Whether ``grid`` is the one that MIL's ``resize_bilinear`` documents for ``sampling``, after clamping."""
    out = len(grid)
    if out == 1:
        return False  # MIL's formulas divide by out − 1
    i = np.arange(out)
    mil = {
        "UNALIGN_CORNERS": (i + 0.5) * size / out - 0.5,
        "STRICT_ALIGN_CORNERS": i * (size - 1) / (out - 1),
        "DEFAULT": i * size / out,
    }[sampling]
    return bool(np.abs(np.clip(grid, 0, size - 1) - np.clip(mil, 0, size - 1)).max() < _GRID_TOLERANCE)


def _interpolate(call: Call, grids: dict[int, np.ndarray], mode: str) -> Any:
    """``A_h · x · A_wᵀ`` with the interpolation matrices of the last two axes."""
    x = call.var(0)
    for axis, grid in grids.items():
        size = call.shape(0)[axis]
        matrix = _linear_matrix(grid, size) if mode == "linear" else _cubic_matrix(call, grid, size)
        last = axis == call.rank - 1
        x = mb.matmul(x=x, y=np.ascontiguousarray(matrix.T)) if last else mb.matmul(x=matrix, y=x)
    return x


def _linear_matrix(grid: np.ndarray, size: int) -> np.ndarray:
    """``(out, size)``: each row holds the weights of the two pixels around one sample."""
    grid = np.clip(grid, 0, size - 1)
    low = np.floor(grid).astype(int)
    weight = grid - low
    matrix = np.zeros((len(grid), size), np.float32)
    rows = np.arange(len(grid))
    np.add.at(matrix, (rows, low), 1 - weight)
    np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), weight)
    return matrix


def _cubic_matrix(call: Call, grid: np.ndarray, size: int) -> np.ndarray:
    """``(out, size)``: each row holds Keys' cubic weights of four pixels, those outside clamped or left out."""
    a = call.attr("cubic_coeff_a", -0.75)
    low = np.floor(grid).astype(int)
    matrix = np.zeros((len(grid), size), np.float32)
    rows = np.arange(len(grid))
    for offset in (-1, 0, 1, 2):
        distance = np.abs(grid - (low + offset))
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((distance - 5) * distance + 8) * distance * a - 4 * a
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        inside = (low + offset >= 0) & (low + offset < size)
        if call.attr("exclude_outside", 0):
            weight = np.where(inside, weight, 0)
        np.add.at(matrix, (rows, np.clip(low + offset, 0, size - 1)), weight)
    if call.attr("exclude_outside", 0):
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix
