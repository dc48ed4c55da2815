"""Resize is a product with one matrix per axis, Y = A₁ ×₁ (A₂ ×₂ … X), plus a constant where it extrapolates.

Along an axis of ``n`` pixels, output ``i`` samples the input at a place x(i) that the coordinate transformation mode
defines. Nearest takes one pixel there, linear weighs two with 1 - d, cubic four with Keys' function

    w(d) = (a + 2) d³ - (a + 3) d² + 1  for d <= 1,  a d³ - 5a d² + 8a d - 4a  for 1 < d < 2,

d being the distance. Antialiasing, when shrinking by ``s`` < 1, stretches both functions by 1 / s and divides the
weights by their sum. A pixel outside the input is the nearest inside, or is left out (``exclude_outside``) and the
other weights divided by their sum; a *place* outside is ``extrapolation_value`` under ``tf_crop_and_resize``.

Source: https://onnx.ai/onnx/operators/onnx__Resize.html. Places are computed in float32, as ONNX Runtime does, so
that ties between two pixels fall alike. Where ONNX Runtime and ONNX's reference differ, the specification's text
decides.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, constant, dims
from validate.errors import UnsupportedError

TIE = 1e-6  # of a pixel: a place so near to the middle between two pixels is a tie to ONNX Runtime
ROUNDINGS = {
    "round_prefer_floor": lambda x: np.ceil(x.astype(np.float64) - 0.5 - TIE),
    "round_prefer_ceil": lambda x: np.floor(x.astype(np.float64) + 0.5 + TIE),
    "floor": np.floor,
    "ceil": np.ceil,
}
FRACTION = 1e-3  # of a pixel: a size nearer to a whole number is one, give or take float32
SUPPORT = {"linear": 1.0, "cubic": 2.0}  # how many pixels each interpolation reaches, to one side


def resize_matrices(node: ir.Node) -> dict[int, np.ndarray]:
    """For each axis that a Resize changes, its float32 matrix of shape (output size, input size).

    The result of the node is its input multiplied by every matrix along that matrix's axis, in any order, plus
    :func:`resize_offset`. Axes are not negative and those the node leaves alone are missing. Takes Resize since
    opset 10 in opset-11-and-later form, with a static input shape; the output's shape need not be known. Raises
    :class:`UnsupportedError` if ``roi``, ``scales`` or ``sizes`` is no constant, or for an unknown mode.
    """
    return {axis: _matrix(node, axis, places) for axis, places in resize_places(node).items()}


def resize_offset(node: ir.Node) -> np.ndarray | None:
    """What to add after the matrices: ``extrapolation_value`` wherever a place lies outside, else ``None``.

    Float32; its rank is the input's and it broadcasts to the output. Raises like :func:`resize_matrices`.
    """
    value = float(attribute(node, "extrapolation_value", 0.0))
    if value == 0.0 or _coordinates(node) != "tf_crop_and_resize":
        return None
    shape = _input_shape(node)
    inside = np.ones([1] * len(shape), bool)
    for axis, places in resize_places(node).items():
        column = [1] * len(shape)
        column[axis] = -1
        inside = inside & ~_outside(places, shape[axis]).reshape(column)
    return None if inside.all() else np.where(inside, np.float32(0), np.float32(value))


def nearest_indices(node: ir.Node) -> dict[int, np.ndarray]:
    """For each axis that a nearest Resize changes, the int64 input index of every output; for a Gather per axis.

    Places that are extrapolated read the edge here. Raises like :func:`resize_matrices`.
    """
    shape = _input_shape(node)
    return {axis: _nearest(node, places, shape[axis]) for axis, places in resize_places(node).items()}


def resize_places(node: ir.Node) -> dict[int, np.ndarray]:
    """Where each output samples, float32 in input pixels and not clamped, for each axis that changes at all.

    Raises like :func:`resize_matrices`.
    """
    shape = _input_shape(node)
    scales, sizes = scales_and_sizes(node)
    roi = _roi(node)
    places = {}
    for axis, (size, out, scale) in enumerate(zip(shape, sizes, scales, strict=True)):
        found = _places(node, size, out, scale, roi[axis])
        if out != size or not np.array_equal(found, np.arange(size)):
            places[axis] = found
    if places and tuple(sizes) == shape:
        raise _unsupported(node, "ONNX Runtime copies an input whose size stays, against the specification")
    return places


def scales_and_sizes(node: ir.Node) -> tuple[list[float], list[int]]:
    """Scale and output size of every axis, as the coordinates use them: given or following from each other."""
    shape = _input_shape(node)
    axes = _axes(node)
    scales, sizes = [1.0] * len(shape), list(shape)
    given_scales, given_sizes = _parameter(node, 2, "scales"), _parameter(node, 3, "sizes")
    if given_sizes is not None:
        ratios = [int(given_sizes[k]) / shape[axis] for k, axis in enumerate(axes)]
        policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
        if policy not in ("stretch", "not_larger", "not_smaller"):
            raise _unsupported(node, f"keep_aspect_ratio_policy '{policy}' is not defined")
        for k, axis in enumerate(axes):
            if policy == "stretch":
                scales[axis], sizes[axis] = ratios[k], int(given_sizes[k])
            else:
                scales[axis] = min(ratios) if policy == "not_larger" else max(ratios)
                sizes[axis] = math.floor(scales[axis] * shape[axis] + 0.5)
    elif given_scales is not None:
        for k, axis in enumerate(axes):
            scales[axis] = float(given_scales[k])
            sizes[axis] = math.floor(np.float32(scales[axis]) * np.float32(shape[axis]))
    else:
        raise _unsupported(node, "it has neither scales nor sizes")
    if not all(size > 0 for size in sizes):
        raise _unsupported(node, f"its output {sizes} is empty")
    return scales, sizes


def _places(node: ir.Node, size: int, out: int, scale: float, roi: tuple[float, float]) -> np.ndarray:
    mode = _coordinates(node)
    i, factor, half = np.arange(out, dtype=np.float32), np.float32(scale), np.float32(0.5)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and out > 1):
        return (i + half) / factor - half
    if mode == "pytorch_half_pixel":
        return np.zeros(1, np.float32)
    if mode == "half_pixel_symmetric":
        offset = np.float32(size / 2) * (np.float32(1) - np.float32(out) / (factor * np.float32(size)))
        return (float(offset) + (i + 0.5).astype(np.float64) / float(factor) - 0.5).astype(np.float32)
    if mode == "asymmetric":
        return i / factor
    if mode == "tf_half_pixel_for_nn":
        return (i + half) / factor
    if mode == "align_corners":
        if out > 1 and abs(scale * size - out) > FRACTION:
            raise _unsupported(
                node,
                "it aligns the corners of a fractional size, which ONNX Runtime and ONNX's own tests read differently",
            )
        return i * np.float32(size - 1) / np.float32(max(1, out - 1))
    if mode == "tf_crop_and_resize":
        if scale == 1 and roi != (0.0, 1.0):
            raise _unsupported(node, "ONNX Runtime ignores roi along an axis of scale 1, against the specification")
        start, end, last = np.float32(roi[0]), np.float32(roi[1]), np.float32(size - 1)
        if out == 1:
            return np.full(1, half * (start + end) * last, np.float32)
        return start * last + i * (end - start) * last / np.float32(out - 1)
    raise _unsupported(node, f"coordinate_transformation_mode '{mode}' is not defined")


def _matrix(node: ir.Node, axis: int, places: np.ndarray) -> np.ndarray:
    size = _input_shape(node)[axis]
    mode = attribute(node, "mode", "nearest")
    if mode == "nearest":
        matrix = np.zeros((len(places), size))
        matrix[np.arange(len(places)), _nearest(node, places, size)] = 1
    elif mode in SUPPORT:
        scale = scales_and_sizes(node)[0][axis]
        antialias = attribute(node, "antialias", 0)
        if antialias and scale != 1 and len(places) == size:
            raise _unsupported(node, "ONNX Runtime leaves alone an axis whose size stays, against the specification")
        shrink = min(1.0, scale) if antialias else 1.0
        matrix = _weights(node, mode, places.astype(np.float64), size, shrink)
    else:
        raise _unsupported(node, f"mode '{mode}' is not defined")
    if _coordinates(node) == "tf_crop_and_resize":
        matrix[_outside(places, size)] = 0
    return matrix.astype(np.float32)


def _weights(node: ir.Node, mode: str, places: np.ndarray, size: int, shrink: float) -> np.ndarray:
    """Rows of interpolation weights, in float64; ``shrink`` < 1 is the scale to antialias for."""
    exclude = bool(attribute(node, "exclude_outside", 0))
    antialias = bool(attribute(node, "antialias", 0))
    reach = math.ceil(SUPPORT[mode] / shrink)
    matrix, rows = np.zeros((len(places), size)), np.arange(len(places))
    low = np.floor(places).astype(np.int64)
    for offset in range(-reach, reach + 2):
        pixel = low + offset
        weight = _kernel(node, mode, (places - pixel) * shrink)
        if exclude:
            weight = np.where((pixel >= 0) & (pixel < size), weight, 0)
        np.add.at(matrix, (rows, np.clip(pixel, 0, size - 1)), weight)
    if exclude or antialias:
        total = matrix.sum(axis=1, keepdims=True)
        matrix /= np.where(total == 0, 1, total)
    return matrix


def _kernel(node: ir.Node, mode: str, distance: np.ndarray) -> np.ndarray:
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    a = float(attribute(node, "cubic_coeff_a", -0.75))
    near = ((a + 2) * d - (a + 3)) * d**2 + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _nearest(node: ir.Node, places: np.ndarray, size: int) -> np.ndarray:
    mode = attribute(node, "nearest_mode", "round_prefer_floor")
    if mode not in ROUNDINGS:
        raise _unsupported(node, f"nearest_mode '{mode}' is not defined")
    return np.clip(ROUNDINGS[mode](places), 0, size - 1).astype(np.int64)


def _outside(places: np.ndarray, size: int) -> np.ndarray:
    return (places < 0) | (places > size - 1)


def _coordinates(node: ir.Node) -> str:
    return attribute(node, "coordinate_transformation_mode", "half_pixel")


def _axes(node: ir.Node) -> list[int]:
    rank = len(_input_shape(node))
    return [axis % rank for axis in attribute(node, "axes", range(rank))]


def _roi(node: ir.Node) -> list[tuple[float, float]]:
    """Start and end of the region of interest on each axis; (0, 1) is the whole."""
    regions = [(0.0, 1.0)] * len(_input_shape(node))
    if _coordinates(node) != "tf_crop_and_resize":
        return regions
    given = _parameter(node, 1, "roi")
    if given is None:
        raise _unsupported(node, "tf_crop_and_resize needs the input roi")
    axes = _axes(node)
    for k, axis in enumerate(axes):
        regions[axis] = float(given[k]), float(given[len(axes) + k])
    return regions


def _input_shape(node: ir.Node) -> tuple[int, ...]:
    shape = dims(node.inputs[0])
    if shape is None:
        raise _unsupported(node, "the shape of its input is not fixed")
    return shape


def _parameter(node: ir.Node, index: int, name: str) -> np.ndarray | None:
    """A constant input; ``None`` where the node leaves it out or it is empty, which means the same."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        return None
    array = constant(value)
    if array is None and dims(value) != (0,):
        raise _unsupported(node, f"its {name} are computed at run time")
    return array if array is not None and array.size else None


def _unsupported(node: ir.Node, reason: str) -> UnsupportedError:
    return UnsupportedError(f"Node '{node.name}' ({node.op_type}) cannot be expressed: {reason}.")
