"""Upsampling, resizing, cropping and resampling of the last two axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.registry import mil_op

_ONNX_MODE = {
    "STRICT_ALIGN_CORNERS": "align_corners",
    "ALIGN_CORNERS": "align_corners",
    "UNALIGN_CORNERS": "half_pixel",
    "DEFAULT": "asymmetric",
}


def nearest_indices(size: int, target: int) -> np.ndarray:
    """The source of each of ``target`` elements: floor(i * size / target), in float32 as PyTorch does."""
    scale = np.float32(size) / np.float32(target)
    return np.minimum(np.floor(np.arange(target, dtype=np.float32) * scale), size - 1).astype(np.int64)


def grid_points(size: int, target: int, mode: str) -> np.ndarray:
    """Where MIL's ``sampling_mode`` samples a row of ``size`` elements for ``target`` of them."""
    i = np.arange(target, dtype=np.float64)
    if mode == "ALIGN_CORNERS" and target == 1:
        points = np.full(1, (size - 1) / 2)
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        points = i * (size - 1) / max(target - 1, 1)
    elif mode == "DEFAULT":
        points = i * size / target
    elif mode == "OFFSET_CORNERS":
        points = (i + 0.5) * max(1, size - 1) / target
    elif mode == "UNALIGN_CORNERS":
        points = (i + 0.5) * size / target - 0.5
    else:
        raise ValueError(f"sampling mode {mode!r}")
    return np.clip(points, 0, size - 1)


def _planes(graph: Graph, op: Any) -> tuple[str, tuple[int, ...]]:
    """``op.x`` as [1, planes, H, W], which is what ONNX Runtime resizes fastest, and its shape."""
    shape = shape_of(op.x)
    return graph.reshape(graph.tensor(op.x), (1, int(np.prod(shape[:-2])), *shape[-2:])), shape


def nearest(graph: Graph, op: Any, indices: Callable[[int, int], np.ndarray]) -> str:
    """Nearest neighbor to the last two sizes of the result, rows and columns picked by ``indices``."""
    wanted = shape_of(op.outputs[0])
    result = graph.tensor(op.x)
    for axis in (-2, -1):
        size, target = shape_of(op.x)[axis], wanted[axis]
        if size != target:
            result = graph.node("Gather", result, graph.ints(indices(size, target)), axis=axis)
    return result


def bilinear(graph: Graph, op: Any, mode: str) -> str:
    """Bilinear interpolation to the last two sizes of the result."""
    wanted = shape_of(op.outputs[0])
    planes, shape = _planes(graph, op)
    special = mode == "OFFSET_CORNERS" or (mode == "ALIGN_CORNERS" and 1 in wanted[-2:])
    if mode not in _ONNX_MODE and not special:
        raise unsupported(op, f"sampling_mode {mode!r} is unknown")
    if special:
        result = planes
        for axis in (2, 3):
            points = grid_points(shape[axis - 4], wanted[axis - 4], mode)
            result = _interpolate(graph, result, points, shape[axis - 4], axis)
    else:
        sizes = graph.ints([1, int(np.prod(shape[:-2])), *wanted[-2:]])
        result = graph.node(
            "Resize",
            planes,
            None,
            None,
            sizes,
            mode="linear",
            coordinate_transformation_mode=_ONNX_MODE[mode],
        )
    return graph.reshape(result, wanted)


def _interpolate(graph: Graph, value: str, points: np.ndarray, size: int, axis: int) -> str:
    """Linear interpolation of [N, C, H, W] at ``points`` along ``axis``."""
    low = np.floor(points).astype(np.int64)
    spread = [1, 1, 1, 1]
    spread[axis] = len(points)
    weight = (points - low).astype(np.float32).reshape(spread)
    first = graph.node("Gather", value, graph.ints(low), axis=axis)
    second = graph.node("Gather", value, graph.ints(np.minimum(low + 1, size - 1)), axis=axis)
    return graph.node("Add", graph.node("Mul", first, 1 - weight), graph.node("Mul", second, weight))


@mil_op("upsample_nearest_neighbor", "resize_nearest_neighbor", exact=True)
def upsample_nearest_neighbor(graph: Graph, op: Any) -> str:
    """Nearest neighbor by factors, which are recomputed from the sizes, or to a size."""
    return nearest(graph, op, nearest_indices)


@mil_op("upsample_bilinear")
def upsample_bilinear(graph: Graph, op: Any) -> str:
    """Bilinear by factors, which are recomputed from the sizes."""
    align = bool(param(op, "align_corners"))
    half_pixel = bool(param(op, "half_pixel_centers", not align))
    if align and half_pixel:
        raise unsupported(op, "align_corners and half_pixel_centers exclude each other")
    mode = "STRICT_ALIGN_CORNERS" if align else "UNALIGN_CORNERS" if half_pixel else "DEFAULT"
    return bilinear(graph, op, mode)


@mil_op("resize_bilinear")
def resize_bilinear(graph: Graph, op: Any) -> str:
    """Bilinear to a size."""
    return bilinear(graph, op, param(op, "sampling_mode"))


@mil_op("resize")
def resize(graph: Graph, op: Any) -> str:
    """Bilinear, or the element closest to each grid point, to a size (iOS 17)."""
    shape, wanted = shape_of(op.x), shape_of(op.outputs[0])
    if len(shape) < 3 or shape[:-2] != wanted[:-2]:
        raise unsupported(op, f"it resizes more than the last two axes, to {list(wanted)}")
    mode = param(op, "sampling_mode")
    if param(op, "interpolation_mode") == "LINEAR":
        return bilinear(graph, op, mode)
    if mode != "DEFAULT":
        raise unsupported(op, f"nearest neighbor with sampling_mode {mode!r} is not defined")

    def closest(size: int, target: int) -> np.ndarray:
        points = grid_points(size, target, mode)
        up, down = np.floor(points + 0.5), np.ceil(points - 0.5)
        if not np.array_equal(up, down):
            raise unsupported(op, f"{size} to {target} falls halfway between elements, where it is not defined")
        return up.astype(np.int64)

    return nearest(graph, op, closest)


@mil_op("crop", exact=True)
def crop(graph: Graph, op: Any) -> str:
    """Cut rows and columns off the edges."""
    height, width = shape_of(op.x)[-2:]
    (top, bottom), (left, right) = (np.asarray(param(op, name)).reshape(2) for name in ("crop_height", "crop_width"))
    ends = graph.ints([height - bottom, width - right])
    return graph.node("Slice", graph.tensor(op.x), graph.ints([top, left]), ends, graph.ints([-2, -1]))


_PADDING = {"constant": "zeros", "border": "border", "reflection": "reflection", "symmetric": "reflection"}
_SAMPLING = {"bilinear": "linear", "nearest": "nearest"}


@mil_op("resample")
def resample(graph: Graph, op: Any) -> str:
    """Sample [N, C, H, W] at the (x, y) of ``coordinates``.

    ``reflection`` leaves the edge pixels out, as ONNX's does where corners are aligned; ``symmetric`` repeats them, as
    ONNX's does where they are not.
    """
    sampling, padding = param(op, "sampling_mode").lower(), param(op, "padding_mode").lower()
    align, space = bool(param(op, "align_corners")), param(op, "coordinates_mode").lower()
    if sampling not in _SAMPLING or padding not in _PADDING:
        raise unsupported(op, f"sampling_mode {sampling!r} with padding_mode {padding!r} is not defined here")
    if (padding, align) in (("reflection", False), ("symmetric", True)):
        raise unsupported(op, f"{padding} {'with' if align else 'without'} align_corners is not defined")
    points = graph.tensor(op.coordinates)
    if "int" in str(op.coordinates.dtype.__type_info__()):
        points = graph.cast(points, "f")
    if space == "unnormalized":
        if padding == "symmetric":
            raise unsupported(op, "symmetric padding of unnormalized coordinates is not defined")
        height, width = shape_of(op.x)[-2:]
        span = np.asarray([max(width - 1, 1), max(height - 1, 1)], np.float32)
        points = graph.node("Sub", graph.node("Mul", points, 2 / span), 1.0)
        align = True
    elif space == "normalized_zero_to_one":
        points = graph.node("Sub", graph.node("Mul", points, 2.0), 1.0)
    elif space != "normalized_minus_one_to_one":
        raise unsupported(op, f"coordinates_mode {space!r} is unknown")
    outside = float(param(op, "padding_value")) if padding == "constant" else 0.0
    x = graph.tensor(op.x)
    if outside:
        x = graph.node("Sub", x, outside)
    result = _grid_sample(graph, x, points, _SAMPLING[sampling], _PADDING[padding], align)
    return graph.node("Add", result, outside) if outside else result


@mil_op("affine")
def affine(graph: Graph, op: Any) -> str:
    """Sample under a 2×3 matrix in [-1, 1] coordinates, corners aligned, zeros outside."""
    if not param(op, "align_corners") or param(op, "coordinates_mode").lower() != "normalized_minus_one_to_one":
        raise unsupported(op, "only corner-aligned, normalized coordinates are defined for it")
    batch, (height, width) = shape_of(op.x)[0], shape_of(op.outputs[0])[-2:]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    points = np.stack([x, y, np.ones_like(x)], axis=0).reshape(3, -1).astype(np.float32)
    matrices = graph.reshape(graph.tensor(op.transform_matrix), (shape_of(op.transform_matrix)[0], 2, 3))
    moved = graph.transpose(graph.node("MatMul", matrices, points), [0, 2, 1])
    grid = graph.reshape(moved, (shape_of(op.transform_matrix)[0], height, width, 2))
    grid = graph.node("Expand", grid, graph.ints([batch, height, width, 2]))
    return _grid_sample(graph, graph.tensor(op.x), grid, "linear", "zeros", True)


def _grid_sample(graph: Graph, x: str, grid: str, mode: str, padding: str, align: bool) -> str:
    return graph.node("GridSample", x, grid, mode=mode, padding_mode=padding, align_corners=int(align))
