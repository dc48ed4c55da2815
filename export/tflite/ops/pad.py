"""Pad: constants as PAD or PADV2; reflected, repeated and wrapped edges as slices and concatenations.

XNNPACK takes neither MIRROR_PAD nor a concatenation of more than four tensors; built from SLICE and CONCATENATION,
padding stays inside the delegate and spares a copy of the activations at each break.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.pieces import concatenate, take
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
    x = _crop(context, placed.tensor, before, after)
    before, after = [max(b, 0) for b in before], [max(a, 0) for a in after]
    if mode == "constant":
        y = _pad_constant(context, node, x, before, after)
    elif mode in ("reflect", "edge", "wrap"):
        for length, b, a in zip(x.shape, before, after, strict=True):
            if max(b, a) > length - (mode == "reflect"):
                raise unsupported(node, f"a {mode} pad of {max(b, a)} is larger than the axis of {length} can give.")
        y = pad_edges(context, x, before, after, mode)
    else:
        raise unsupported(node, f"mode '{mode}' is not supported.")
    context.bind(node.outputs[0], y, placed.perm)


def _crop(context: Lowering, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Negative pads take lines away, before anything is added."""
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if min(b, a) < 0:
            start, stop = max(-b, 0), x.shape[axis] - max(-a, 0)
            x = take(context, x, axis, start, stop - start)
    return x


def _pad_constant(context: Lowering, node: ir.Node, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    if not any(before) and not any(after):
        return x
    fill = context.input(node, 2)
    number = 0.0
    if fill is not None:
        number = context.need_constant(node, 2, "fill value").reshape(-1)[0]
    shape = [d + b + a for d, b, a in zip(x.shape, before, after, strict=True)]
    pads = context.builder.constant(np.stack([before, after], 1).astype(np.int32))
    if x.quantization is not None:
        if number:
            raise unsupported(node, "a quantized tensor is padded with another value than zero.")
        return context.builder.emit("PAD", [x, pads], shape, like=x)
    if number == 0:
        return context.builder.emit("PAD", [x, pads], shape, like=x)
    return context.builder.emit(
        "PADV2", [x, pads, context.builder.constant(np.asarray(number, x.dtype))], shape, like=x
    )


def pad_edges(context: Lowering, x: Tensor, before: list[int], after: list[int], mode: str) -> Tensor:
    """``x`` with lines of its own around it, by physical axis; ``mode`` is reflect, edge or wrap."""
    if mode == "reflect" and max(before + after) > MAX_SLICED_LINES:
        shape = [d + b + a for d, b, a in zip(x.shape, before, after, strict=True)]
        pads = context.builder.constant(np.stack([before, after], 1).astype(np.int32))
        return context.builder.emit("MIRROR_PAD", [x, pads], shape, like=x, mode="REFLECT")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            n = x.shape[axis]
            head, tail = {
                "reflect": (range(b, 0, -1), range(n - 2, n - 2 - a, -1)),
                "edge": ([0] * b, [n - 1] * a),
                "wrap": (range(n - b, n), range(a)),
            }[mode]
            parts = [_lines(context, x, axis, head), x, _lines(context, x, axis, tail)]
            x = concatenate(context, [part for part in parts if part is not None], axis)
    return x


def _lines(context: Lowering, x: Tensor, axis: int, indices: range | list[int]) -> Tensor | None:
    """The lines of ``x`` at ``indices``, in that order; a run of rising indices is one slice."""
    indices = list(indices)
    if not indices:
        return None
    if indices == list(range(indices[0], indices[0] + len(indices))):
        return take(context, x, axis, indices[0], len(indices))
    lines: dict[int, Tensor] = {}
    for index in indices:
        if index not in lines:
            lines[index] = take(context, x, axis, index, 1)
    return concatenate(context, [lines[index] for index in indices], axis)
