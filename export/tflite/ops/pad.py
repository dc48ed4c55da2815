"""Pad: constants as PAD or PADV2; reflected, repeated and wrapped edges as slices and concatenations.

XNNPACK takes neither MIRROR_PAD nor a concatenation of more than four tensors; built from SLICE and CONCATENATION,
padding stays inside the delegate and spares a copy of the activations at each break. Wide edges are one GATHER.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.pieces import concatenate, take
from export.tflite.ops.spatial import pad_axes
from export.tflite.registry import lowering, unsupported

# Beyond this many lines at one edge, single-line slices cost more than the breaks that MIRROR_PAD causes.
MAX_SLICED_LINES = 16


@lowering("Pad", 18, 19, 21)
def pad(context: Lowering, node: ir.Node) -> None:
    """Pads of any axes, in the modes constant, reflect, edge and wrap."""
    value = node.inputs[0]
    placed = context.place(value)
    rank = len(placed.perm)
    pads = [int(p) for p in context.need_constant(node, 1, "list of pads")]
    axes = context.constant(context.input(node, 3))
    axes = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        physical = placed.perm.index(axis)
        before[physical], after[physical] = pads[i], pads[i + len(axes)]
    mode = context.attribute(node, "mode", "constant")
    x = _crop(context, node, placed.tensor, before, after)
    before, after = [max(b, 0) for b in before], [max(a, 0) for a in after]
    if mode == "constant":
        y = _pad_constant(context, node, x, before, after)
    elif mode in ("reflect", "edge", "wrap"):
        for length, b, a in zip(x.shape, before, after, strict=True):
            if mode == "reflect" and max(b, a) >= length:
                raise unsupported(node, f"a reflected pad of {max(b, a)} is larger than an axis of {length} can give.")
        y = pad_edges(context, x, before, after, mode)
    else:
        raise unsupported(node, f"mode '{mode}' is not supported.")
    context.bind(node.outputs[0], y, placed.perm)


def _crop(context: Lowering, node: ir.Node, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Negative pads take lines away, before anything is added."""
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if min(b, a) < 0:
            start, stop = max(-b, 0), x.shape[axis] - max(-a, 0)
            if stop <= start:
                raise unsupported(node, "it takes away more than there is.")
            x = take(context, x, axis, start, stop - start)
    return x


def _pad_constant(context: Lowering, node: ir.Node, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    if not any(before) and not any(after):
        return x
    value = context.input(node, 2)
    fill = None if value is None else context.constant(value)
    if value is None or (fill is not None and not fill.any()):
        return pad_axes(context, x, before, after)
    if x.quantization is not None:
        raise unsupported(node, "a quantized tensor is padded with another value than zero.")
    if fill is None:
        return pad_axes(context, x, before, after, context.reshape(context.plain(value), ()))
    return pad_axes(context, x, before, after, fill.reshape(()).astype(x.dtype))


def pad_edges(context: Lowering, x: Tensor, before: list[int], after: list[int], mode: str) -> Tensor:
    """``x`` with lines of its own around it, by physical axis; ``mode`` is reflect, edge or wrap."""
    if mode == "reflect" and (context.flexible or max(before + after) > MAX_SLICED_LINES):
        return _mirror_pad(context, x, before, after, "REFLECT")
    if mode == "edge" and context.flexible and max(before + after) <= 1:  # one line: the edge is its own mirror
        return _mirror_pad(context, x, before, after, "SYMMETRIC")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            n = x.shape[axis]
            order = np.pad(np.arange(n), (b, a), mode)
            head, tail = order[:b], order[b + n :]
            if sum(len(end) for end in (head, tail) if not _is_run(end)) > MAX_SLICED_LINES:
                shape = [len(order) if i == axis else d for i, d in enumerate(x.shape)]
                x = context.builder.emit("GATHER", [x, context.builder.ints(order)], shape, like=x, axis=axis)
                continue
            parts = [_lines(context, x, axis, head), x, _lines(context, x, axis, tail)]
            x = concatenate(context, [part for part in parts if part is not None], axis)
    return x


def _mirror_pad(context: Lowering, x: Tensor, before: list[int], after: list[int], mode: str) -> Tensor:
    shape = [d + b + a for d, b, a in zip(x.shape, before, after, strict=True)]
    pads = context.builder.constant(np.stack([before, after], 1).astype(np.int32))
    return context.builder.emit("MIRROR_PAD", [x, pads], shape, like=x, mode=mode)


def _is_run(indices: np.ndarray) -> bool:
    return len(indices) > 0 and np.array_equal(indices, indices[0] + np.arange(len(indices)))


def _lines(context: Lowering, x: Tensor, axis: int, indices: np.ndarray) -> Tensor | None:
    """The lines of ``x`` at ``indices``, in that order; a run of rising indices is one slice."""
    if not len(indices):
        return None
    if _is_run(indices):
        return take(context, x, axis, int(indices[0]), len(indices))
    lines = {int(index): take(context, x, axis, int(index), 1) for index in dict.fromkeys(indices)}
    return concatenate(context, [lines[int(index)] for index in indices], axis)
