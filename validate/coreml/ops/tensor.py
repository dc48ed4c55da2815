"""Joining, splitting, padding, filling, sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from validate.coreml.graph import Graph, kind_of, param, shape_of, unsupported
from validate.coreml.registry import mil_op

_NUMPY = {"f": np.float32, "i": np.int32, "b": np.bool_}
_PAD_MODE = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@mil_op("concat", exact=True)
def concat(graph: Graph, op: Any) -> str:
    """Join along ``axis``, one after the other or interleaved; scalars become a vector."""
    shape = shape_of(op.values[0]) or (1,)
    names = graph.tensors(*op.values)
    if not shape_of(op.values[0]):
        names = [graph.reshape(name, (1,)) for name in names]
    axis = int(param(op, "axis")) % len(shape)
    if not param(op, "interleave"):
        return graph.node("Concat", *names, axis=axis)
    tall = [graph.reshape(name, (*shape[: axis + 1], 1, *shape[axis + 1 :])) for name in names]
    return graph.reshape(graph.node("Concat", *tall, axis=axis + 1), shape_of(op.outputs[0]))


@mil_op("stack", exact=True)
def stack(graph: Graph, op: Any) -> str:
    """Join along a new axis."""
    shape = shape_of(op.values[0])
    axis = int(param(op, "axis")) % (len(shape) + 1)
    tall = [graph.reshape(name, (*shape[:axis], 1, *shape[axis:])) for name in graph.tensors(*op.values)]
    return graph.node("Concat", *tall, axis=axis)


@mil_op("split", exact=True)
def split(graph: Graph, op: Any) -> list[str]:
    """Cut along ``axis`` into the sizes of the results."""
    axis = int(param(op, "axis"))
    sizes = [shape_of(var)[axis] for var in op.outputs]
    parts = graph.node("Split", graph.tensor(op.x), graph.ints(sizes), outputs=len(sizes), axis=axis)
    return [parts] if len(sizes) == 1 else parts


@mil_op("tile", exact=True)
def tile(graph: Graph, op: Any) -> str:
    """Repeat along each axis."""
    return graph.node("Tile", graph.tensor(op.x), graph.ints(param(op, "reps")))


@mil_op("pad", exact=True)
def pad(graph: Graph, op: Any) -> str:
    """Pad the last axes with a constant, with the mirrored inside, or with the edge."""
    mode, rank = param(op, "mode"), len(op.x.shape)
    if mode not in _PAD_MODE:
        raise unsupported(op, f"mode {mode!r} is unknown")
    pads = np.asarray(param(op, "pad"), np.int64).reshape(-1, 2)
    pads = np.concatenate([np.zeros((rank - len(pads), 2), np.int64), pads])
    inputs = [graph.tensor(op.x), graph.ints(pads.T.reshape(-1))]
    if mode == "constant":
        inputs.append(graph.constant(_NUMPY[kind_of(op.x)](param(op, "constant_val", 0))))
    elif mode == "reflect" and any(n <= max(pair) for n, pair in zip(shape_of(op.x), pads, strict=True) if max(pair)):
        raise unsupported(op, f"it reflects by {pads.tolist()}, which is not less than its size")
    elif mode == "replicate" and any(n < max(pair) for n, pair in zip(shape_of(op.x), pads, strict=True)):
        raise unsupported(op, f"it repeats the edge {pads.tolist()} times, which is more than its size")
    return graph.node("Pad", *inputs, mode=_PAD_MODE[mode])


@mil_op("fill", "fill_like", exact=True)
def fill(graph: Graph, op: Any) -> str:
    """A tensor of one value."""
    kind = kind_of(op.outputs[0])
    return graph.constant(np.full(shape_of(op.outputs[0]), param(op, "value"), _NUMPY[kind]))


@mil_op("band_part", exact=True)
def band_part(graph: Graph, op: Any) -> str:
    """Zero outside a band around the diagonal of the last two axes."""
    rows, columns = shape_of(op.x)[-2:]
    lower, upper = int(param(op, "lower")), int(param(op, "upper"))
    offset = np.arange(rows)[:, None] - np.arange(columns)[None, :]
    keep = ((lower < 0) | (offset <= lower)) & ((upper < 0) | (-offset <= upper))
    return graph.node("Where", keep, graph.tensor(op.x), _NUMPY[kind_of(op.x)](0))


@mil_op("one_hot", exact=True)
def one_hot(graph: Graph, op: Any) -> str:
    """``on_value`` at each index along a new ``axis``, ``off_value`` elsewhere."""
    shape, depth = shape_of(op.indices), int(param(op, "one_hot_vector_size"))
    axis = int(param(op, "axis")) % (len(shape) + 1)
    indices = graph.reshape(graph.tensor(op.indices), (*shape[:axis], 1, *shape[axis:]))
    positions = np.arange(depth, dtype=np.int32).reshape(depth, *([1] * (len(shape) - axis)))
    number = _NUMPY[kind_of(op.outputs[0])]
    on, off = number(param(op, "on_value")), number(param(op, "off_value"))
    return graph.node("Where", graph.node("Equal", indices, positions), on, off)


@mil_op("cumsum")
def cumsum(graph: Graph, op: Any) -> str:
    """Running sum along ``axis``, accumulated in float32."""
    axis = int(param(op, "axis")) % len(op.x.shape)
    return graph.node(
        "CumSum",
        graph.tensor(op.x),
        graph.ints(axis),
        exclusive=int(bool(param(op, "exclusive"))),
        reverse=int(bool(param(op, "reverse"))),
    )


@mil_op("topk", exact=True)
def topk(graph: Graph, op: Any) -> list[str]:
    """The ``k`` largest (or, ascending, smallest) values along ``axis`` and their positions."""
    values, positions = graph.node(
        "TopK",
        graph.tensor(op.x),
        graph.ints([int(param(op, "k"))]),
        outputs=2,
        axis=int(param(op, "axis")),
        largest=int(not param(op, "ascending")),
        sorted=1,
    )
    return [values, graph.cast(positions, "i")][: len(op.outputs)]


@mil_op("argsort")
def argsort(graph: Graph, op: Any) -> str:
    """The positions that sort ``axis``."""
    axis = int(param(op, "axis"))
    count = shape_of(op.x)[axis]
    _, positions = graph.node(
        "TopK",
        graph.tensor(op.x),
        graph.ints([count]),
        outputs=2,
        axis=axis,
        largest=int(not param(op, "ascending")),
        sorted=1,
    )
    return graph.cast(positions, "i")


@mil_op("sliding_windows", exact=True)
def sliding_windows(graph: Graph, op: Any) -> str:
    """All windows of ``size`` along ``axis``, as a new axis after it."""
    axis = int(param(op, "axis")) % len(op.x.shape)
    size, stride = int(param(op, "size")), int(param(op, "stride"))
    count = shape_of(op.outputs[0])[axis]
    positions = np.arange(count)[:, None] * stride + np.arange(size)[None, :]
    return graph.node("Gather", graph.tensor(op.x), graph.ints(positions), axis=axis)
