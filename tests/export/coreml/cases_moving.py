"""Numeric cases of the operators that pick, place and arrange elements."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, a, bits, f, k, n, simple


def at(*indices: object) -> Const:
    """Constant indices."""
    return Const(np.array(indices, np.int64))


def live(indices: object) -> np.ndarray:
    """Indices that are known at run time only."""
    return np.array(indices, np.int64)


_INDICES = live([[[-1, 0, 2], [1, 1, -2]]])
_TIED = np.array([[3, 1, 3, 2, 3, 1], [0, 0, 0, 0, 0, 0], [-1, -2, 5, 5, -2, -1]], np.float32)

MOVING: dict[str, list[Case]] = {
    "Constant": [
        case("Constant", value_floats=[1.5, -2.0]),
        case("Constant", value=numpy_helper.from_array(np.array([[3.0, 4.0]], np.float32))),
    ],
    "Reshape": [
        case("Reshape", X, n(0, 2, -1)),
        case("Reshape", X, n(1, 2, 2, 6, 7)),
        case("Reshape", bits(2, 6), n(3, 4)),
    ],
    "Flatten": [case("Flatten", X), case("Flatten", X, axis=2), case("Flatten", a(3))],
    "Squeeze": [case("Squeeze", a(1, 4, 1, 3), n(0, -2)), case("Squeeze", a(1, 4, 1)), case("Squeeze", a(1, 1))],
    "Unsqueeze": [case("Unsqueeze", a(4, 3), n(0, -1)), case("Unsqueeze", a(), n(0, 1))],
    "Transpose": [
        case("Transpose", X, perm=[0, 2, 3, 1]),
        case("Transpose", a(2, 3, 4)),
        case("Transpose", bits(2, 3), perm=[1, 0]),
        case("Transpose", a(5)),
    ],
    "Identity": simple("Identity"),
    "Dropout": [case("Dropout", X), case("Dropout", X, f(0.5), Const(np.array(False)))],
    "Concat": [
        case("Concat", X, k(1, 2, 6, 7), a(1, 1, 6, 7), axis=1),
        case("Concat", X, a(1, 4, 6, 2), axis=-1),
        case("Concat", X, axis=2),
        case("Concat", live([1, 2]), at(3, 4), axis=0),
        case("Concat", bits(1, 2), bits(1, 3), axis=1),
        case("Concat", *(a(1, 2) for _ in range(40)), axis=0),
    ],
    "Split": [
        case("Split", X, n(1, 3), outputs=2, axis=1),
        case("Split", X, outputs=3, axis=2, num_outputs=3),
        case("Split", a(1, 7), outputs=3, axis=-1, num_outputs=3),
        case("Split", X, outputs=1, axis=-1, num_outputs=1),
    ],
    "Slice": [
        case("Slice", X, n(1, 2), n(5, -1), n(2, 3)),
        case("Slice", X, n(0, 1), n(1, 4)),
        case("Slice", X, n(-1), n(-(2**62)), n(3), n(-2)),
        case("Slice", X, n(5, 0), n(1, 2**62), n(2, 3), n(-1, 3)),
        case("Slice", X, n(-99, 99), n(99, -99), n(2, 3), n(4, -1)),
        case("Slice", bits(3, 4), n(2), n(-9), n(0), n(-1)),
        case("Slice", X, n(0), n(2**62), n(1)),
    ],
    "Expand": [
        case("Expand", a(1, 4, 1, 1), n(2, 4, 6, 7)),
        case("Expand", a(4, 1), n(2, 1, 5)),
        case("Expand", a(), n(2, 3)),
        case("Expand", bits(3, 1), n(3, 4)),
    ],
    "Tile": [case("Tile", a(1, 2, 3), n(2, 1, 3)), case("Tile", bits(2, 3), n(1, 2)), case("Tile", a(2, 3), n(1, 1))],
    "Gather": [
        case("Gather", X, n(2, -1, 0), axis=3),
        case("Gather", X, Const(np.array(1)), axis=1),
        case("Gather", a(5, 3), Const(np.array([[0, 4], [1, 1]])), axis=0),
        case("Gather", a(5, 3), live([[0, -5], [-1, 4]]), axis=0),
        case("Gather", a(5, 3), live(-1), axis=1),
        case("Gather", a(5), live(-2), axis=0),
        case("Gather", bits(5, 3), live([2, -1]), axis=1),
        case("Gather", k(5, 3), live([2, -1]), axis=1),
    ],
    "GatherElements": [
        case("GatherElements", a(1, 2, 3), _INDICES, axis=2),
        case("GatherElements", a(4, 3, 3), live(_INDICES), axis=0),
        case("GatherElements", a(4, 3, 3), at(*_INDICES.tolist()), axis=-2),
        case("GatherElements", bits(2, 3), live([[0, -1, 1]]), axis=0),
    ],
    "GatherND": [
        case("GatherND", a(2, 3, 4), live([[0, -1], [1, 2]])),
        case("GatherND", a(2, 3, 4), live([[[1, 2, -1]], [[0, 0, -4]]])),
        case("GatherND", a(2, 3, 4), live([[-1], [2]]), batch_dims=1),
        case("GatherND", a(2, 3, 4), at([0, 1], [1, -3])),
        case("GatherND", a(2, 3), live([[1, -1]])),
        case("GatherND", a(3), live([[-1], [0]])),
        case("GatherND", bits(2, 3), live([[1, 1]])),
    ],
    "ScatterND": [
        case("ScatterND", a(4, 3), live([[1], [-1]]), a(2, 3)),
        case("ScatterND", a(4, 3), at([1, 2], [-1, 0]), a(2)),
        case("ScatterND", a(4, 3), live([2]), a(3)),
        case("ScatterND", bits(4, 3), live([[2], [0]]), bits(2, 3)),
        *(
            case("ScatterND", a(4, 3), live([[1], [1], [0]]), a(3, 3), reduction=r)
            for r in ("add", "mul", "max", "min")
        ),
    ],
    "ScatterElements": [
        case("ScatterElements", a(3, 4), live([[1, 0, 2, -1]]), a(1, 4), axis=0),
        case("ScatterElements", a(3, 4), at([0, -1], [2, 1]), a(2, 2), axis=1),
        case("ScatterElements", a(6), live([5, -6]), a(2)),
        case("ScatterElements", bits(3, 4), live([[-1], [2]]), bits(2, 1), axis=1),
        *(
            case("ScatterElements", a(3, 4), live([[1, 1, 0]]), a(1, 3), axis=1, reduction=r)
            for r in ("add", "mul", "max")
        ),
    ],
    "TopK": [
        case("TopK", X, n(3), outputs=2, axis=1),
        case("TopK", X, n(2), outputs=2, axis=-1, largest=0),
        case("TopK", _TIED, n(4), outputs=2),
        case("TopK", _TIED, n(6), outputs=2, largest=0),
        case("TopK", _TIED.T.copy(), n(3), outputs=2, axis=0),
    ],
    "ReverseSequence": [
        case("ReverseSequence", a(4, 3, 2), live([1, 4, 2])),
        case("ReverseSequence", a(3, 5), live([5, 2, 3]), batch_axis=0, time_axis=1),
    ],
}
