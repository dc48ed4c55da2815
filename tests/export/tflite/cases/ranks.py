"""Cases of no axes, one axis and six: every family on the ranks that pictures do not have."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.table import case, ints, normal, positive

SCALAR, LINE, SIX = np.float32(0.7), positive(5) / 2, positive(2, 1, 3, 2, 1, 2) / 2
INSIDE = ("Acos", "Asin", "Atanh")  # between -1 and 1

for op_type in (
    "Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Elu", "Selu", "Celu", "HardSigmoid", "Softplus", "Softsign",
    "Mish", "Gelu", "ThresholdedRelu", "Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tan", "Sinh",
    "Cosh", "Asinh", "Atan", "Acos", "Asin", "Atanh", "Floor", "Ceil", "Round", "Sign", "Erf", "IsNaN", "IsInf",
    "Identity", "Dropout",
):  # fmt: skip
    for x in (SCALAR, LINE, SIX):
        case(op_type, np.minimum(x, 0.9) if op_type in INSIDE else x)
for x in (SCALAR, LINE, SIX):
    case("Acosh", x + 1)
    case("Clip", x, np.float32(0.4), np.float32(0.8))
    case("Not", x > 0.6)
    case("Cast", x, to=7)
    case("Pow", x, np.float32(1.7))
    case("PRelu", -x, np.float32(0.3) if x.ndim == 0 else positive(x.shape[-1]))
    case("Where", x > 0.6, x, np.float32(2), constants=())
    for op_type in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Less", "Equal"):
        case(op_type, x, x[..., :1] if x.ndim else np.float32(2), constants=())
    for op_type in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"):  # fmt: skip
        case(op_type, x, keepdims=0)
        case(op_type, x, keepdims=1)
        case(op_type, -x if op_type != "ReduceLogSum" else x, noop_with_empty_axes=1)
    case("Reshape", x, ints(1, -1, 1))
    case("Flatten", x, axis=0)
    case("Unsqueeze", x, ints(0))
    case("Transpose", x)
    case("Expand", x, ints(2, 1, 3, 2, 1, *(x.shape[-1:] or (4,))))
    case("Gather", np.arange(6, dtype=np.float32), (x * 4).astype(np.int64), constants=())
case("Squeeze", normal(1))
case("Reshape", normal(1, 1), np.zeros(0, np.int64))
for x in (LINE, SIX):
    case("Softmax", x, axis=-1)
    case("LogSoftmax", x, axis=0)
    case("ArgMax", x, axis=-1, keepdims=0)
    case("ArgMin", x, axis=0)
    case("TopK", x, ints(2), outputs=2, axis=0 if x.ndim == 1 else 2)
    case("CumSum", x, np.int64(-1))
    case("Concat", x, x, constants=(), axis=-1)
    case("Split", x, ints(1, x.shape[-1] - 1), outputs=2, axis=-1)
    case("Slice", x, ints(-1), ints(-9), ints(x.ndim - 1), ints(-1))
    case("Slice", x, ints(-100), ints(100), ints(-1), ints(2))
    case("Slice", x, ints(-100), ints(-200), ints(-1), ints(-1))
    case("Tile", x, ints(*(1 + i % 2 for i in range(x.ndim))))
    case("GatherElements", x, np.zeros(x.shape, np.int64) - 1, constants=(), axis=-1)
    case("ScatterElements", x, np.zeros((*x.shape[:-1], 1), np.int64) - 1, x[..., :1] * 9, constants=(), axis=-1)
    case("ScatterND", x, ints(1).reshape(1, 1), -x[1:2], constants=())
case("GatherND", SIX, ints(1), constants=())
case("MatMul", normal(2, 1, 3, 1, 4, 5), normal(3, 2, 5, 6), constants=())
case("MatMul", normal(2, 1, 3, 1, 4, 5), normal(5, 6))
case("MatMul", normal(5), normal(5), constants=())
case("MatMul", normal(5), normal(2, 3, 5, 4), constants=())
case("MatMul", normal(2, 3, 4, 5), normal(5))
case("MatMul", normal(4, 5), normal(2, 3, 5, 6), constants=(0,))
for c in (np.float32(2), normal(1), normal(6), normal(3, 1), normal(1, 6), normal(3, 6)):
    case("Gemm", normal(3, 5), normal(5, 6), c, constants=(), alpha=0.5, beta=-2.0)
    case("Gemm", normal(5, 3), normal(6, 5), c, transA=1, transB=1, beta=0.0)
case("Transpose", normal(2, 3, 1, 2, 3, 2), perm=[5, 0, 3, 2, 4, 1])
case("Transpose", normal(2, 3, 2, 2, 3, 2), perm=[0, 4, 1, 5, 2, 3])
