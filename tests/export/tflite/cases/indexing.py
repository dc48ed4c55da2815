"""Cases of operators that pick, write, rank and accumulate along axes."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.numbers import whole
from tests.export.tflite.cases.table import case, ints, normal, positive

PICTURE = normal(1, 6, 4, 5)
ROW = normal(3, 8)
SPACE = normal(2, 3, 2, 4, 3)
TIES = np.round(normal(2, 5, 4, 3))


def places(length: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Indices into an axis of ``length``, some of them negative."""
    return np.random.default_rng((seed, *shape)).integers(-length, length, shape)


for op_type in ("ArgMax", "ArgMin"):
    for axis in (0, 1, -1):
        for last in (0, 1):
            for keepdims in (0, 1):
                case(op_type, TIES, axis=axis, select_last_index=last, keepdims=keepdims)
    for kind in (np.int32, np.int64, np.uint8, np.int8):
        case(op_type, whole(kind, 4, 6), axis=1)
        case(op_type, whole(kind, 4, 6), axis=0, select_last_index=1, keepdims=0)
    case(op_type, np.int64([[np.iinfo(np.int64).min, 5, np.iinfo(np.int64).max, 2**53, 2**53 + 1]]), axis=1)
    case(op_type, SPACE, axis=3)
    case(op_type, normal(5), axis=0, keepdims=0)

for axis in (-1, 0, 1):
    for largest in (0, 1):
        case("TopK", TIES, ints(2), outputs=2, axis=axis, largest=largest)
        case("TopK", SPACE, ints(1), outputs=2, axis=axis, largest=largest)
for kind in (np.int32, np.int64):
    case("TopK", whole(kind, 3, 7), ints(4), outputs=2)
    case("TopK", np.asarray([np.iinfo(kind).min, 3, np.iinfo(kind).max, -1, 3], kind), ints(5), outputs=2, largest=0)
case("TopK", normal(9), ints(9), outputs=2, sorted=1)

for exclusive in (0, 1):
    for reverse in (0, 1):
        case("CumSum", PICTURE, np.int64(1), exclusive=exclusive, reverse=reverse, still=True)
        case("CumSum", SPACE, np.int32(-2), exclusive=exclusive, reverse=reverse)
        case("CumSum", whole(np.int32, 3, 4), np.int64(0), exclusive=exclusive, reverse=reverse)
case("CumSum", whole(np.int64, 5), np.int64(0))

for indices in (ints(2, 0, -1), np.int64(3), np.asarray([[0, 1], [2, -3]], np.int64)):
    case("Gather", PICTURE, indices, still=indices.ndim == 1, axis=1)
    case("Gather", PICTURE, indices, constants=(), axis=-2)
    case("Gather", ROW, indices, constants=(), axis=1)
    case("Gather", np.arange(24, dtype=np.int64).reshape(4, 6), indices.astype(np.int32), constants=(0,), axis=0)
case("Gather", PICTURE, np.asarray([3, 1], np.int32), constants=(), still=True, axis=2)

for constants in ((1,), ()):
    for axis, shape in ((0, (1, 2, 4, 1)), (1, (1, 9, 4, 5)), (2, (1, 6, 3, 5)), (-1, (1, 3, 2, 8))):
        case("GatherElements", PICTURE, places(PICTURE.shape[axis], *shape), constants=constants, axis=axis)
    case("GatherElements", ROW, places(3, 2, 8).astype(np.int32), constants=constants, axis=0)
    case("GatherElements", whole(np.int64, 5), places(5, 7), constants=constants)
    case("GatherND", SPACE, places(2, 4, 1), constants=constants)
    case("GatherND", SPACE, places(2, 4, 3, 5), constants=constants)
    case("GatherND", SPACE, places(2, 2, 4, 2), constants=constants, batch_dims=1)
    case("GatherND", SPACE, places(2, 2, 3, 1, 2), constants=constants, batch_dims=2)
    case("GatherND", TIES > 0, places(2, 3, 2), constants=constants)

    case("ScatterND", SPACE, ints(1, -2).reshape(2, 1), normal(2, 3, 2, 4, 3), constants=constants)
    case("ScatterND", PICTURE, np.int64([[0, 1, 2], [0, -1, 0], [0, 3, 3]]), normal(3, 5), constants=constants)
    case("ScatterND", ROW, np.int64([[[0, 1], [2, -1]]]), normal(1, 2), constants=constants)
    case("ScatterND", TIES > 0, ints(1).reshape(1, 1), normal(1, 5, 4, 3) > 0, constants=constants)
    rows = np.int64([[0], [1], [0], [-1], [0]])
    for reduction in ("add", "mul", "max", "min"):
        case("ScatterND", ROW, rows, normal(5, 8), constants=constants, reduction=reduction)
        case("ScatterND", whole(np.int32, 4, 3), rows, whole(np.int32, 5, 3), constants=constants, reduction=reduction)
    case("ScatterElements", PICTURE, np.int64([[[[1, 0, 2, -1, -2]]]]), normal(1, 1, 1, 5), constants=constants, axis=1)
    case("ScatterElements", PICTURE, np.int64([[[[1, 0, -1]]]]), normal(1, 1, 1, 3), constants=constants, axis=-1)
    for reduction in ("add", "mul", "max", "min"):
        case("ScatterElements", ROW, places(8, 3, 9), positive(3, 9), constants=constants, reduction=reduction, axis=1)
    case("ScatterElements", whole(np.int64, 6), ints(1, 3), np.int64([7, 8]), constants=constants)
