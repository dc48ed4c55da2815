"""A TFLite graph for many picture sizes, out of two graphs of one network lowered at two sizes.

An app resizes the input (``Interpreter.resizeInput``), and TFLite works out every other shape anew from what the
operators hold. So they must not hold the size: the two graphs may differ in the shapes of what is computed and in
nothing else. Lowered for one size, pads are slices, means are pooled in windows that divide the plane and sizes are
constants, all faster; see ``Lowering.flexible`` for what is written instead.
"""

from __future__ import annotations

import numpy as np

from export.tflite.builder import GraphBuilder, Operation, Tensor
from validate.errors import UnsupportedError


def open_shapes(graph: GraphBuilder, other: GraphBuilder) -> None:
    """Mark the axes of ``graph``'s tensors that follow from the picture's size; ``other`` is lowered at another.

    Raises :class:`UnsupportedError` naming the first operator that has the size written in.
    """
    graph.drop_unused()
    other.drop_unused()
    if [operation.code for operation in graph.operations] != [operation.code for operation in other.operations]:
        raise UnsupportedError(
            "TFLite: the network becomes other operators at another size; export one size only, or sizes that larger "
            "powers of two divide."
        )
    for mine, others in zip(graph.inputs, other.inputs, strict=True):
        _open(mine, others)
    for mine, others in zip(graph.operations, other.operations, strict=True):
        _compare(mine, others)


def _compare(one: Operation, two: Operation) -> None:
    if one.options != two.options:
        raise _written_in(one)
    for mine, others in zip(one.inputs, two.inputs, strict=True):
        if (mine is None) != (others is None):
            raise _written_in(one)
        if mine is None or (mine.data is None and others.data is None):
            continue
        if mine.data is None or others.data is None or not np.array_equal(mine.data, others.data, equal_nan=True):
            raise _written_in(one)
    for mine, others in zip(one.outputs, two.outputs, strict=True):
        _open(mine, others)


def _open(mine: Tensor, others: Tensor) -> None:
    mine.open_axes = frozenset(axis for axis, (a, b) in enumerate(zip(mine.shape, others.shape, strict=True)) if a != b)


def _written_in(operation: Operation) -> UnsupportedError:
    name = operation.outputs[0].name
    return UnsupportedError(
        f"TFLite: {operation.code} '{name}' has the picture's size written in, so one file cannot take many sizes; "
        "export one size only."
    )
