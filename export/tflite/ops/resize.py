"""Resize: nearest and linear, wherever a TFLite kernel reads exactly the places ONNX reads.

Both sides' source coordinates are computed for every output line and compared, so a mode is taken because it
reads the same pixels, not because its name is similar.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.pieces import concatenate
from export.tflite.registry import lowering, unsupported

TOLERANCE = 1e-4  # in source pixels; float32 rounding of coordinates up to a few thousand
FLAGS = ((False, True), (True, False), (False, False))  # (align_corners, half_pixel_centers)


@lowering("Resize", 18, 19)
def resize(context: Lowering, node: ir.Node) -> None:
    """Nearest and linear interpolation of height and width."""
    if context.attribute(node, "antialias", 0):
        raise unsupported(node, "antialiasing has no TFLite kernel.")
    if context.attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise unsupported(node, "only the aspect ratio policy 'stretch' is supported.")
    _resize(context, node, context.attribute(node, "mode", "nearest"), *_modes(context, node))


def _resize(context: Lowering, node: ir.Node, mode: str, coordinates: str, rounding: str) -> None:
    x = context.nhwc(node)
    output = context.shape(node.outputs[0])[2:]
    if context.shape(node.outputs[0])[:2] != context.shape(node.inputs[0])[:2]:
        raise unsupported(node, "only height and width can be resized.")
    wanted = _wanted_sources(context, node, coordinates)
    if mode in ("linear", "bilinear"):
        y = _linear(context, node, x, output, wanted)
    elif mode == "nearest":
        y = _nearest(context, node, x, output, [_round(node, c, rounding) for c in wanted])
    else:
        raise unsupported(node, f"mode '{mode}' has no TFLite kernel; use nearest or linear.")
    context.bind(node.outputs[0], y, NHWC)


def _wanted_sources(context: Lowering, node: ir.Node, coordinates: str) -> list[np.ndarray]:
    """Where ONNX reads, for each output row and for each output column."""
    size, output = context.shape(node.inputs[0])[2:], context.shape(node.outputs[0])[2:]
    scales = context.constant(context.input(node, 2))
    factors = [o / n for o, n in zip(output, size, strict=True)]
    if scales is not None and scales.size:
        axes = [axis % 4 for axis in context.attribute(node, "axes", range(4))]
        factors = [float(scales[axes.index(i + 2)]) if i + 2 in axes else 1.0 for i in range(2)]
    return [_onnx_sources(node, n, o, f, coordinates) for n, o, f in zip(size, output, factors, strict=True)]


def is_doubling(context: Lowering, node: ir.Node) -> bool:
    """Whether a Resize repeats every row and every column once."""
    before, after = context.shape(node.inputs[0]), context.shape(node.outputs[0])
    if context.attribute(node, "mode", "nearest") != "nearest" or len(before) != 4:
        return False
    if after != (*before[:2], 2 * before[2], 2 * before[3]):
        return False
    coordinates, rounding = _modes(context, node)
    read = [_round(node, c, rounding) for c in _wanted_sources(context, node, coordinates)]
    return all(
        np.array_equal(np.clip(r, 0, n - 1), np.arange(2 * n) // 2) for r, n in zip(read, before[2:], strict=True)
    )


def _modes(context: Lowering, node: ir.Node) -> tuple[str, str]:
    coordinates = context.attribute(node, "coordinate_transformation_mode", "half_pixel")
    return coordinates, context.attribute(node, "nearest_mode", "round_prefer_floor")


def _onnx_sources(node: ir.Node, size: int, output: int, scale: float, mode: str) -> np.ndarray:
    """Where each output line reads, in source lines; the specification's formulas."""
    i = np.arange(output, dtype=np.float64)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and output > 1):
        return (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return np.zeros(1)
    if mode == "align_corners":
        return i * (size - 1) / (output - 1) if output > 1 else np.zeros(1)
    if mode == "asymmetric":
        return i / scale
    if mode == "half_pixel_symmetric":
        adjusted = output / (scale * size)
        return size / 2 * (1 - adjusted) + (i + 0.5) / scale - 0.5
    raise unsupported(node, f"coordinate mode '{mode}' has no TFLite kernel.")


def _round(node: ir.Node, sources: np.ndarray, mode: str) -> np.ndarray:
    rounded = {
        "round_prefer_floor": lambda c: np.ceil(c - 0.5),
        "round_prefer_ceil": lambda c: np.floor(c + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }.get(mode)
    if rounded is None:
        raise unsupported(node, f"nearest mode '{mode}' is not defined.")
    return rounded(sources)


def _tflite_scale(size: int, output: int, align_corners: bool) -> float:
    return (size - 1) / (output - 1) if align_corners and output > 1 else size / output


def _linear(context: Lowering, node: ir.Node, x: Tensor, output: tuple[int, int], wanted: list[np.ndarray]) -> Tensor:
    for align, half in FLAGS:
        read = []
        for n, o in zip(x.shape[1:3], output, strict=True):
            i = np.arange(o, dtype=np.float64)
            scale = _tflite_scale(n, o, align)
            read.append((i + 0.5) * scale - 0.5 if half else i * scale)
        if _agree(x, read, wanted):
            return _emit(context, "RESIZE_BILINEAR", x, output, align, half)
    raise unsupported(
        node, "TFLite's bilinear kernel cannot read the places that these scales and coordinates ask for."
    )


def _nearest(context: Lowering, node: ir.Node, x: Tensor, output: tuple[int, int], wanted: list[np.ndarray]) -> Tensor:
    factors = [o // n for n, o in zip(x.shape[1:3], output, strict=True)]
    repeated = [np.arange(n * f) // f for n, f in zip(x.shape[1:3], factors, strict=True)]
    if all(len(r) == o for r, o in zip(repeated, output, strict=True)) and _agree(x, repeated, wanted):
        return repeat_lines(context, x, *factors)
    for align, half in FLAGS:
        read = []
        for n, o in zip(x.shape[1:3], output, strict=True):
            position = (np.arange(o, dtype=np.float64) + 0.5 * half) * _tflite_scale(n, o, align)
            read.append(np.floor(position + 0.5) if align else np.floor(position + 1e-6))
        if _agree(x, read, wanted):
            return _emit(context, "RESIZE_NEAREST_NEIGHBOR", x, output, align, half)
    raise unsupported(node, "TFLite's nearest kernel cannot read the places that these scales and coordinates ask for.")


def _agree(x: Tensor, read: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    """Whether both read the same places of ``x``; what lies outside is its edge."""
    return all(
        np.allclose(np.clip(r, 0, n - 1), np.clip(w, 0, n - 1), rtol=0, atol=TOLERANCE)
        for r, w, n in zip(read, wanted, x.shape[1:3], strict=True)
    )


def _emit(context: Lowering, code: str, x: Tensor, output: tuple[int, int], align: bool, half: bool) -> Tensor:
    shape = (x.shape[0], *output, x.shape[3])
    size = context.builder.ints(output)
    return context.builder.emit(code, [x, size], shape, like=x, alignCorners=align, halfPixelCenters=half)


def repeat_lines(context: Lowering, x: Tensor, rows: int, columns: int) -> Tensor:
    """Every line of ``x`` (NHWC) repeated: nearest upsampling by whole factors as two concatenations.

    ``[.., W, C]`` beside itself is ``[.., W, 2C]``, which read as ``[.., 2W, C]`` holds each pixel twice; the same for
    rows of ``W * C`` numbers. XNNPACK has no nearest-neighbor resize, but takes both.
    """
    n, h, w, c = x.shape
    if columns > 1:
        x = context.reshape(concatenate(context, [x] * columns, 3), (n, h, w * columns, c))
    if rows > 1:
        line = context.reshape(x, (n, h, 1, w * columns * c))
        x = context.reshape(concatenate(context, [line] * rows, 2), (n, h * rows, w * columns, c))
    return x
