"""Resize: one matrix per axis, written as the cheapest operator that multiplies by exactly that matrix.

:func:`export.hub.decompose.resize_weights.resize_matrices` says what ONNX reads. The matrices that TFLite's kernels
multiply by are computed as those kernels compute them, and compared; so a mode is taken because it reads the same
pixels with the same weights, not because its name is similar. In this order:

- each pixel a whole number of times: concatenations;
- RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR, over two axes at once;
- the same few taps at every pixel, edges repeated (cubic upsampling by a whole factor): a convolution;
- single pixels in any other order: GATHER;
- anything else: a product with the matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from export.hub.decompose.resize_weights import nearest_indices, resize_matrices, resize_offset, scales_and_sizes
from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering, Perm
from export.tflite.ops.formula import Formula
from export.tflite.ops.matmul import fully_connected
from export.tflite.ops.resize_forms import Phases, multiplied_size, repeat_lines, tap_phases, write_phases
from export.tflite.ops.spatial import channels_last
from export.tflite.registry import lowering, unsupported

FLAGS = ((False, True), (True, False), (False, False))  # (align_corners, half_pixel_centers)
ROUNDING = 2e-7  # of a place, per pixel of the axis: float32 on either side
NEAREST_TYPES = (ir.DataType.FLOAT, ir.DataType.UINT8, ir.DataType.INT8)
FIXED_POINT = 16  # bits of the fraction with which the nearest kernel reads 8-bit pictures


@dataclass(frozen=True)
class Step:
    """One operator of a resize: what it does, to the one or two neighboring physical axes from ``axis`` on."""

    kind: str  # "repeat", "nearest", "linear", "gather", "phases" or "matrix"
    axis: int
    matrices: tuple[np.ndarray, ...]
    flags: tuple[bool, bool] = (False, False)


@lowering("Resize", 18, 19)
def resize(context: Lowering, node: ir.Node) -> None:
    """Every interpolation that ONNX defines, over any axes."""
    value, output = node.inputs[0], node.outputs[0]
    if tuple(scales_and_sizes(node)[1]) != context.shape(output):
        raise unsupported(node, f"its scales do not give the output of {list(output.shape)} that the model states.")
    perm, steps = plan(context, node)
    x = context.get(value, perm)
    whole_numbers = np.issubdtype(x.dtype, np.integer) or x.dtype == np.bool_
    if whole_numbers and x.quantization is None and not all(_only_moves(step) for step in steps):
        raise unsupported(node, f"interpolating {x.dtype} numbers is not supported; cast them to float32 first.")
    for step in steps:
        x = _write(context, x, step)
    offset = resize_offset(node)
    if offset is not None:
        x = Formula(context).add(x, context.broadcast_constant(offset, perm))
    context.bind(output, x, perm)


def keeps_scale(context: Lowering, node: ir.Node) -> bool:
    """Whether a quantized input can be resized as it is: numbers are only moved, or interpolated once."""
    steps = plan(context, node)[1]
    interpolated = [step for step in steps if not _only_moves(step)]
    return len(interpolated) <= 1 and all(step.kind == "linear" for step in interpolated)


def only_moves(context: Lowering, node: ir.Node) -> bool:
    """Whether a Resize computes no number, so that a quantized input can be resized as it is."""
    return all(_only_moves(step) for step in plan(context, node)[1])


def _only_moves(step: Step) -> bool:
    return step.kind in ("repeat", "nearest", "gather")


def is_doubling(context: Lowering, node: ir.Node) -> bool:
    """Whether a Resize repeats every row and every column once."""
    before, after = context.shape(node.inputs[0]), context.shape(node.outputs[0])
    if context.attribute(node, "mode", "nearest") != "nearest" or len(before) != 4:
        return False
    if after != (*before[:2], 2 * before[2], 2 * before[3]):
        return False
    read = nearest_indices(node)
    return all(np.array_equal(read[axis], np.arange(2 * before[axis]) // 2) for axis in (2, 3))


# ---- choosing operators


def plan(context: Lowering, node: ir.Node) -> tuple[Perm, list[Step]]:
    """The axis order in which to read the input, and the operators that follow each other."""
    value = node.inputs[0]
    matrices = resize_matrices(node)
    perm = channels_last(len(value.shape)) if matrices and min(matrices) >= 2 else context.place(value).perm
    steps: list[Step] = []
    axis = len(perm) - 1
    while axis >= 0:
        here, above = matrices.get(perm[axis]), matrices.get(perm[axis - 1]) if axis else None
        if here is not None and above is not None:
            steps += _steps(value, axis - 1, (above, here), context.flexible)
            axis -= 2
            continue
        if here is not None:
            steps += _steps(value, axis, (here,), context.flexible)
        axis -= 1
    return perm, steps


def _steps(value: ir.Value, axis: int, matrices: tuple[np.ndarray, ...], flexible: bool) -> list[Step]:
    """The operators for one axis or for two neighboring ones, which a single operator may do together.

    ``flexible`` prefers a convolution, which need not know the size: one that is computed at run time makes all that
    follows leave XNNPACK (a U-Net at 512 x 512 took 12 times as long).
    """
    if all(_repeats(matrix) for matrix in matrices):
        return [Step("repeat", axis, matrices)]
    if flexible and _is_phased(value, matrices):
        return [Step("phases", axis, matrices)]
    picks = all(_picks(matrix) for matrix in matrices)
    for flags in FLAGS if value.dtype == ir.DataType.FLOAT else ():
        # XNNPACK takes RESIZE_BILINEAR alone, so single pixels are read by it too, if it weighs no neighbor.
        agree = np.array_equal if picks else _close
        if all(agree(_linear_kernel(m.shape[1], m.shape[0], flags), m) for m in matrices):
            return [Step("linear", axis, matrices, flags)]
    eight_bits = value.dtype is not None and value.dtype.bitwidth == 8
    for flags in FLAGS if value.dtype in NEAREST_TYPES else ():
        if all(np.array_equal(_nearest_kernel(m.shape[1], m.shape[0], flags, eight_bits), m) for m in matrices):
            return [Step("nearest", axis, matrices, flags)]
    if _is_phased(value, matrices) and not picks:
        return [Step("phases", axis, matrices)]
    if len(matrices) == 2:
        return [*_steps(value, axis, matrices[:1], flexible), *_steps(value, axis + 1, matrices[1:], flexible)]
    return [Step("gather" if picks else "matrix", axis, matrices)]


def _is_phased(value: ir.Value, matrices: tuple[np.ndarray, ...]) -> bool:
    """Whether all axes are enlarged by one whole factor, with the same few taps at every pixel."""
    factors = {matrix.shape[0] / matrix.shape[1] for matrix in matrices}
    return value.dtype == ir.DataType.FLOAT and len(factors) == 1 and all(_phases(m) is not None for m in matrices)


def _phases(matrix: np.ndarray) -> Phases | None:
    return tap_phases(matrix, _tolerance(matrix))


def _tolerance(matrix: np.ndarray) -> float:
    return ROUNDING * (matrix.shape[1] + 10)


def _close(ours: np.ndarray, wanted: np.ndarray) -> bool:
    return np.allclose(ours, wanted, rtol=0, atol=_tolerance(wanted))


def _picks(matrix: np.ndarray) -> bool:
    return bool(np.all(np.count_nonzero(matrix, axis=1) == 1) and np.all(matrix.max(axis=1) == 1))


def _repeats(matrix: np.ndarray) -> bool:
    outputs, size = matrix.shape
    return outputs % size == 0 and _picks(matrix) and np.array_equal(
        matrix.argmax(axis=1), np.arange(outputs) // (outputs // size)
    )  # fmt: skip


def _scale(size: int, outputs: int, align_corners: bool) -> np.float32:
    if align_corners and outputs > 1:
        return np.float32(size - 1) / np.float32(outputs - 1)
    return np.float32(size) / np.float32(outputs)


def _linear_kernel(size: int, outputs: int, flags: tuple[bool, bool]) -> np.ndarray:
    """The matrix of RESIZE_BILINEAR along one axis."""
    align, half = flags
    i, scale = np.arange(outputs, dtype=np.float64), float(_scale(size, outputs, align))
    places = np.clip((i + 0.5) * scale - 0.5 if half else i * scale, 0, size - 1)
    low = np.floor(places).astype(np.int64)
    matrix, rows = np.zeros((outputs, size)), np.arange(outputs)
    np.add.at(matrix, (rows, low), 1 - (places - low))
    np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), places - low)
    return matrix


def _nearest_kernel(size: int, outputs: int, flags: tuple[bool, bool], eight_bits: bool) -> np.ndarray:
    """The matrix of RESIZE_NEAREST_NEIGHBOR along one axis, computed in float32 as the kernel does."""
    align, half = flags
    if eight_bits and not align and not half:
        read = (np.arange(outputs) * ((size << FIXED_POINT) // outputs + 1)) >> FIXED_POINT
    else:
        places = (np.arange(outputs, dtype=np.float32) + np.float32(0.5 * half)) * _scale(size, outputs, align)
        read = np.floor(places + np.float32(0.5) if align else places).astype(np.int64)
    matrix = np.zeros((outputs, size))
    matrix[np.arange(outputs), np.clip(read, 0, size - 1)] = 1
    return matrix


# ---- writing them


def _write(context: Lowering, x: Tensor, step: Step) -> Tensor:
    """``x`` with the step's axes resized."""
    builder, axes = context.builder, len(step.matrices)
    head, tail = x.shape[: step.axis], x.shape[step.axis + axes :]
    outputs = tuple(matrix.shape[0] for matrix in step.matrices)
    shape = (*head, *outputs, *tail)
    if step.kind == "gather":
        read = builder.ints(step.matrices[0].argmax(axis=1))
        return builder.emit("GATHER", [x, read], shape, like=x, axis=step.axis)
    if step.kind == "matrix":
        return _product(context, x, step.axis, step.matrices[0])
    size = x.shape[step.axis : step.axis + axes]
    height, width = size if axes == 2 else (size[0], 1)
    picture = context.reshape(x, (prod(head), height, width, prod(tail)))
    if step.kind == "repeat":
        y = repeat_lines(context, picture, *(outputs[i] // size[i] if i < axes else 1 for i in range(2)))
    elif step.kind == "phases":
        y = write_phases(context, picture, *[_phases(matrix) for matrix in step.matrices])
    else:
        code = "RESIZE_BILINEAR" if step.kind == "linear" else "RESIZE_NEAREST_NEIGHBOR"
        target = outputs if axes == 2 else (*outputs, 1)
        align, half = step.flags
        wanted = builder.ints(target)
        if context.flexible and all(b % a == 0 for a, b in zip(picture.shape[1:3], target, strict=True)):
            factors = (b // a for a, b in zip(picture.shape[1:3], target, strict=True))
            wanted = multiplied_size(context, picture, *factors)
        y = builder.emit(
            code, [picture, wanted], (picture.shape[0], *target, picture.shape[3]), like=x,
            alignCorners=align, halfPixelCenters=half,
        )  # fmt: skip
    return context.reshape(y, shape)


def _product(context: Lowering, x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    head, tail = x.shape[:axis], x.shape[axis + 1 :]
    outputs, size = matrix.shape
    shape = (*head, outputs, *tail)
    if prod(tail) == 1:
        rows = context.reshape(x, (prod(head), size))
        return context.reshape(fully_connected(context, rows, matrix, None), shape)
    planes = context.reshape(x, (prod(head), size, prod(tail)))
    y = context.builder.emit(
        "BATCH_MATMUL", [context.builder.constant(matrix[None]), planes], (prod(head), outputs, prod(tail)),
        adjX=False, adjY=False,
    )  # fmt: skip
    return context.reshape(y, shape)
