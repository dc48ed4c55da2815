"""Gathering and scattering by index."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.registry import mil_op

_REDUCTION = {"update": "none", "add": "add", "mul": "mul", "max": "max", "min": "min"}


def _reduction(op: Any) -> str:
    mode = param(op, "mode")
    if mode not in _REDUCTION:
        raise unsupported(op, f"mode {mode!r} is not among {', '.join(_REDUCTION)}")
    return _REDUCTION[mode]


@mil_op("gather", exact=True)
def gather(graph: Graph, op: Any) -> str:
    """Slices of x along ``axis`` at ``indices``, separately for each of the first ``batch_dims`` axes."""
    x, indices = graph.tensor(op.x), graph.tensor(op.indices)
    axis, batch = int(param(op, "axis")) % len(op.x.shape), int(param(op, "batch_dims", 0))
    if batch == 0:
        return graph.node("Gather", x, indices, axis=axis)
    if axis != batch:
        raise unsupported(op, f"axis {axis} with batch_dims {batch} is not supported, only the first axis after them")
    tuples = graph.reshape(graph.node("Cast", indices, to=TensorProto.INT64), (*shape_of(op.indices), 1))
    return graph.node("GatherND", x, tuples, batch_dims=batch)


@mil_op("gather_along_axis", exact=True)
def gather_along_axis(graph: Graph, op: Any) -> str:
    """Elements of x along ``axis``, one for each index."""
    return graph.node("GatherElements", graph.tensor(op.x), graph.tensor(op.indices), axis=int(param(op, "axis")))


@mil_op("gather_nd", exact=True)
def gather_nd(graph: Graph, op: Any) -> str:
    """Slices of x at the index tuples in the last axis of ``indices``."""
    indices = graph.node("Cast", graph.tensor(op.indices), to=TensorProto.INT64)
    return graph.node("GatherND", graph.tensor(op.x), indices, batch_dims=int(param(op, "batch_dims", 0)))


@mil_op("scatter")
def scatter(graph: Graph, op: Any) -> str:
    """A copy of ``data`` with the slices along ``axis`` at ``indices`` updated."""
    data, updates = graph.tensors(op.data, op.updates)
    rank, depth = len(op.data.shape), len(op.indices.shape)
    axis = int(param(op, "axis")) % rank
    to_front = [axis, *(a for a in range(rank) if a != axis)]
    first = list(range(axis, axis + depth))
    updates_to_front = [*first, *(a for a in range(rank - 1 + depth) if a not in first)]
    indices = graph.node("Cast", graph.tensor(op.indices), to=TensorProto.INT64)
    tuples = graph.reshape(indices, (*shape_of(op.indices), 1))
    result = graph.node(
        "ScatterND",
        graph.transpose(data, to_front),
        tuples,
        graph.transpose(updates, updates_to_front),
        reduction=_reduction(op),
    )
    return graph.transpose(result, [to_front.index(a) for a in range(rank)])


@mil_op("scatter_along_axis")
def scatter_along_axis(graph: Graph, op: Any) -> str:
    """A copy of ``data`` with elements along ``axis`` updated."""
    data, updates = graph.tensors(op.data, op.updates)
    indices, axis = graph.tensor(op.indices), int(param(op, "axis"))
    return graph.node("ScatterElements", data, indices, updates, axis=axis, reduction=_reduction(op))


@mil_op("scatter_nd")
def scatter_nd(graph: Graph, op: Any) -> str:
    """A copy of ``data`` with slices at index tuples updated."""
    data, updates = graph.tensors(op.data, op.updates)
    indices = graph.node("Cast", graph.tensor(op.indices), to=TensorProto.INT64)
    return graph.node("ScatterND", data, indices, updates, reduction=_reduction(op))
