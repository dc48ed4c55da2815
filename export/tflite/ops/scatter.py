"""Writing elements to indexed places: ScatterND, ScatterElements.

Both become: rows ``[P, R]``, one flat place for each of ``[N, R]`` updates. Places that are known at compile time
need no scattering: the result is a GATHER from the rows and the updates behind them. At run time SCATTER_ND, which
adds updates up on zeros, writes or adds them; for ``mul``, ``max`` and ``min`` every place looks at every update.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.formula import Formula
from export.tflite.ops.indices import Index, along_axis, index_of, of_tuples
from export.tflite.ops.pieces import concatenate
from export.tflite.registry import lowering, unsupported

COMBINING = {"add": "ADD", "mul": "MUL", "max": "MAXIMUM", "min": "MINIMUM"}
REDUCING = {"mul": "REDUCE_PROD", "max": "REDUCE_MAX", "min": "REDUCE_MIN"}
MAX_LOOKS = 2**22  # places times updates: 16 MB of float32
MAX_ROUNDS = 8  # updates of one place that are applied one after the other


@lowering("ScatterND", 18)
def scatter_nd(context: Lowering, node: ir.Node) -> None:
    """The data with rows replaced by, or combined with, updates where tuples of indices point to."""
    x, updates = (context.plain(node.inputs[i]) for i in (0, 2))
    depth = node.inputs[1].shape[-1]
    index = of_tuples(context, node, index_of(context, node, 1, x.shape[:depth]), x.shape, 0)
    rows = math.prod(x.shape[depth:])
    y = _scatter(
        context, node, context.reshape(x, (math.prod(x.shape[:depth]), rows)), index,
        context.reshape(updates, (math.prod(index.shape), rows)),
    )  # fmt: skip
    context.bind(node.outputs[0], context.reshape(y, x.shape))


@lowering("ScatterElements", 18)
def scatter_elements(context: Lowering, node: ir.Node) -> None:
    """The data with elements replaced by, or combined with, updates whose index counts along ``axis``."""
    placed = context.place(node.inputs[0])
    x, perm = placed.tensor, placed.perm
    axis = perm.index(context.attribute(node, "axis", 0) % x.rank)
    index = along_axis(context, node, index_of(context, node, 1, x.shape[axis], perm), x.shape, axis)
    updates = context.get(node.inputs[2], perm)
    y = _scatter(
        context, node, context.reshape(x, (math.prod(x.shape), 1)), index,
        context.reshape(updates, (math.prod(updates.shape), 1)),
    )  # fmt: skip
    context.bind(node.outputs[0], context.reshape(y, x.shape), perm)


def _scatter(context: Lowering, node: ir.Node, data: Tensor, index: Index, updates: Tensor) -> Tensor:
    reduction = context.attribute(node, "reduction", "none")
    if reduction != "none" and reduction not in COMBINING:
        raise unsupported(node, f"reduction '{reduction}' is not defined.")
    f = Formula(context)

    def formula(rows: Tensor, news: Tensor) -> Tensor:
        if isinstance(index, np.ndarray):
            places = index.reshape(-1)
            most = np.unique(places, return_counts=True)[1].max()
            if reduction == "none" or most <= MAX_ROUNDS:
                return _at_known_places(context, rows, places, news, reduction)
        flat = index if isinstance(index, Tensor) else context.builder.constant(index)
        flat = context.reshape(flat, (news.shape[0], 1))
        if reduction in REDUCING:
            return _looking_at_all(context, node, rows, flat, news, reduction)
        return _at_run_time(context, rows, flat, news, reduction)

    if reduction == "none" or data.dtype == np.bool_:
        return formula(data, updates)
    return f.widened(formula, data, updates)


def _at_known_places(context: Lowering, rows: Tensor, places: np.ndarray, updates: Tensor, reduction: str) -> Tensor:
    builder, f = context.builder, Formula(context)
    if reduction == "none":  # the last one stays
        source = np.arange(rows.shape[0])
        source[places] = rows.shape[0] + np.arange(len(places))
        both = concatenate(context, [rows, updates], 0)
        return builder.emit("GATHER", [both, builder.ints(source)], rows.shape, like=rows, axis=0)
    left = np.arange(len(places))
    while left.size:
        _, first = np.unique(places[left], return_index=True)
        now = left[np.sort(first)]
        shape = (len(now), rows.shape[1])
        news = builder.emit("GATHER", [updates, builder.ints(now)], shape, like=rows, axis=0)
        olds = builder.emit("GATHER", [rows, builder.ints(places[now])], shape, like=rows, axis=0)
        combined = f.binary(COMBINING[reduction], olds, news)
        rows = _at_known_places(context, rows, places[now], combined, "none")
        left = np.setdiff1d(left, now)
    return rows


def _at_run_time(context: Lowering, rows: Tensor, places: Tensor, updates: Tensor, reduction: str) -> Tensor:
    builder, f = context.builder, Formula(context)
    sums = builder.emit("SCATTER_ND", [places, updates, builder.ints(rows.shape)], rows.shape, like=rows)
    if reduction == "add":
        return f.add(rows, sums)
    shape = (rows.shape[0], 1)
    ones = builder.constant(np.ones((updates.shape[0], 1), np.int32))
    hits = builder.emit("SCATTER_ND", [places, ones, builder.ints(shape)], shape, dtype=np.int32)
    return f.select(f.less(0, hits), sums, rows)


def _looking_at_all(
    context: Lowering, node: ir.Node, rows: Tensor, places: Tensor, updates: Tensor, reduction: str
) -> Tensor:
    f, builder = Formula(context), context.builder
    (count, length), number = rows.shape, updates.shape[0]
    if count * length * number > MAX_LOOKS:
        raise unsupported(
            node, f"'{reduction}' at places known only at run time would take {count * length * number:,} comparisons."
        )
    limits = np.finfo(rows.dtype) if rows.dtype == np.float32 else np.iinfo(rows.dtype)
    low, high = (-np.inf, np.inf) if rows.dtype == np.float32 else (limits.min, limits.max)
    neutral = {"mul": 1, "max": low, "min": high}[reduction]
    here = f.equal(context.reshape(places, (number, 1, 1)), f.tensor(np.arange(count).reshape(count, 1), np.int32))
    looked = f.select(here, context.reshape(updates, (number, 1, length)), neutral)
    best = builder.emit(REDUCING[reduction], [looked, builder.ints([0])], rows.shape, like=rows, keepDims=False)
    return f.binary(COMBINING[reduction], rows, best)
