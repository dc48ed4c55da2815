"""Cases of operators that move, join, reduce and multiply: shapes, axes, matrices."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.table import case, ints, normal, positive

PICTURE = normal(1, 6, 4, 5)
ROW = normal(3, 8)

for axis in (1, 2, -1):
    case("Concat", PICTURE, normal(1, 6, 4, 5, seed=1), constants=(), still=True, axis=axis)
    case("Concat", PICTURE, normal(1, 6, 4, 5, seed=1), still=True, axis=axis)
case("Concat", *(normal(1, i + 1, 4, 5) for i in range(7)), constants=(), still=True, axis=1)
case("Concat", ROW, normal(2, 8), constants=(), axis=0)
case("Concat", ROW, axis=0)
for axis, outputs in ((1, 2), (1, 6), (2, 2), (3, 5)):
    case("Split", PICTURE, outputs=outputs, still=True, axis=axis, num_outputs=outputs)
case("Split", PICTURE, ints(1, 2, 3), outputs=3, still=True, axis=1)
case("Split", ROW, outputs=2, axis=-1, num_outputs=2)
for starts, ends, axes, steps in [
    ([1], [3], [1], None),
    ([1, 0], [3, -1], [2, 3], None),
    ([0], [9223372036854775807], [3], [2]),
    ([-1], [-9223372036854775807], [3], [-1]),
    ([4], [0], [1], [-2]),
    ([0, 0], [1, 2], None, None),
]:
    axes = None if axes is None else ints(*axes)  # noqa: PLW2901
    steps = (ints(*steps),) if steps else ()  # noqa: PLW2901
    case("Slice", PICTURE, ints(*starts), ints(*ends), *((axes, *steps) if axes is not None else ()), still=True)
case("Slice", ROW, ints(1), ints(7), ints(1))
case("Tile", PICTURE, ints(1, 2, 3, 1), still=True)
case("Tile", ROW, ints(2, 2))
case("Expand", normal(1, 6, 1, 1), ints(1, 6, 4, 5), still=True)
case("Expand", normal(6, 1), ints(2, 6, 5))
case("Expand", ROW, ints(3, 8))

case("Transpose", PICTURE, perm=[0, 2, 3, 1])
case("Transpose", PICTURE, perm=[0, 1, 3, 2])
case("Transpose", PICTURE, perm=[3, 2, 1, 0])
case("Transpose", ROW)
case("Transpose", normal(2, 3, 4, 2, 3), perm=[0, 3, 1, 4, 2])
for shape in (
    (1, 2, 3, 4, 5),
    (1, 6, 20),
    (6, 4, 5),
    (1, 120),
    (2, 60),
    (1, 6, 2, 10),
    (1, 6, 5, 4),
    (-1,),
    (1, 24, 5, 1),
):
    case("Reshape", PICTURE, ints(*shape))
case("Reshape", normal(1, 6, 1, 1), ints(1, 6), still=True)
case("Reshape", normal(1, 6), ints(1, 6, 1, 1), still=True)
case("Reshape", ROW, ints(2, 3, 2, 2))
case("Reshape", ROW, ints(0, -1, 1, 1), still=True)
case("Flatten", PICTURE)
case("Flatten", normal(1, 6, 1, 1), still=True)
case("Flatten", PICTURE, axis=2)
case("Squeeze", normal(1, 6, 1, 1), ints(2, 3), still=True)
case("Squeeze", normal(1, 6, 1, 1))
case("Squeeze", normal(1, 6, 1, 5), ints(2))
case("Unsqueeze", ROW, ints(2, 3), still=True)
case("Unsqueeze", ROW, ints(0, 3))
case("Unsqueeze", PICTURE, ints(2))

for op_type in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"):  # fmt: skip
    for keepdims in (0, 1):
        for axes in (ints(2, 3), ints(1), ints(-1, 0), ints(1, 2, 3)):
            case(op_type, positive(1, 6, 4, 5), axes, keepdims=keepdims, still=bool(keepdims))
        case(op_type, positive(3, 8), ints(1), keepdims=keepdims)
        case(op_type, positive(3, 8), keepdims=keepdims)
    case(op_type, positive(3, 8), keepdims=1, noop_with_empty_axes=1)
case("ReduceMean", normal(1, 3, 32, 48), ints(2, 3), still=True)
case("ReduceMean", normal(1, 3, 31, 37), ints(2, 3), still=True)

for axis in (1, 2, -1):
    case("Softmax", PICTURE, axis=axis, still=axis == 1)
    case("LogSoftmax", PICTURE, axis=axis, still=axis == 1)
    case("ArgMax", PICTURE, axis=axis, still=True)
    case("ArgMax", PICTURE, axis=axis, keepdims=0, still=axis == 1)
case("Softmax", ROW)
case("LogSoftmax", ROW, axis=0)
case("ArgMax", ROW, axis=1)

case("MatMul", ROW, normal(8, 5))
case("MatMul", normal(2, 3, 8), normal(8, 5))
case("MatMul", normal(1, 2, 3, 8), normal(8, 5))
case("MatMul", normal(2, 3, 8), normal(2, 8, 5), constants=())
case("MatMul", normal(1, 2, 3, 8), normal(1, 2, 8, 5), constants=())
case("MatMul", normal(4, 1, 3, 8), normal(2, 8, 5), constants=())
case("MatMul", normal(8), normal(8, 5), constants=())
case("MatMul", ROW, normal(8), constants=())
case("MatMul", ROW, normal(8, 5), constants=())
case("MatMul", normal(5, 3), ROW, constants=(0,))
case("Gemm", ROW, normal(8, 5), normal(5))
case("Gemm", ROW, normal(5, 8), normal(5), transB=1, alpha=0.5, beta=2.0)
case("Gemm", ROW, normal(3, 5), normal(8, 1), transA=1)
case("Gemm", ROW, normal(8, 5))
case("Gemm", ROW, normal(5, 8), normal(3, 5), transB=1, alpha=0.5, beta=2.0, constants=())
case("Gemm", ROW, normal(8, 5), np.float32([[0.5]]))
