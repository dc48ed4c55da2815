"""Cases of operators on whole numbers and truth values, of extreme numbers, and of broadcasting over many axes."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.table import case, ints, normal, positive

INT32, INT64, UINT8, INT8 = np.int32, np.int64, np.uint8, np.int8
LARGEST, SMALLEST = (np.array(getattr(np.iinfo(np.int64), limit)) for limit in ("max", "min"))


def whole(kind: type, *shape: int, low: int = -9, high: int = 10, seed: int = 0) -> np.ndarray:
    """Whole numbers in [low, high), none negative in an unsigned type."""
    low = max(low, 0) if kind is UINT8 else low
    return np.random.default_rng((seed, *shape)).integers(low, high, shape).astype(kind)


def nonzero(kind: type, *shape: int) -> np.ndarray:
    """Whole numbers other than 0."""
    array = whole(kind, *shape, seed=3)
    return np.where(array == 0, 1, array).astype(kind)


for kind in (INT32, INT64, UINT8, INT8):
    a, b = whole(kind, 1, 4, 5, 6), nonzero(kind, 4, 1, 1)
    wide = kind in (INT32, INT64)
    for op_type in ("Add", "Sub", "Mul"):
        case(op_type, a, b, constants=() if wide else (1,), still=not wide)
    case("Div", a, b, constants=())
    for op_type in ("Max", "Min"):
        case(op_type, a, b, whole(kind, 6, seed=1), constants=())
    for fmod in (0, 1):
        case("Mod", a, b, constants=(), fmod=fmod)
    for op_type in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"):
        case(op_type, a, b, constants=())
    case("Abs", a)
    case("Sign", a)
    if kind is not UINT8:
        case("Neg", a)
    case("Where", a > 2, a, b, constants=())
    case("Clip", a, np.asarray(2, kind), np.asarray(5, kind))
    case("Clip", a, np.asarray(2, kind), constants=())
    case("Clip", a, None, np.asarray(5, kind), constants=())
    for target in (1, 6, 7, 9, 2, 3):
        case("Cast", a, still=True, to=target)
    case("ReduceMax", a, ints(2, 3), keepdims=0)
    case("ReduceMin", a, ints(1), keepdims=1)
    for op_type in ("ReduceSum", "ReduceProd", "ReduceL1", "ReduceSumSquare"):
        if kind is INT32:
            case(op_type, whole(kind, 1, 4, 5, 6, low=1, high=3), ints(2), keepdims=0)
    case("Concat", a, a + kind(1), constants=(), axis=-2)
    case("Split", a, ints(1, 3), outputs=2, axis=1)
    case("Split", a, outputs=2, axis=1, num_outputs=2)
    case("Slice", a, ints(-1), ints(-100), ints(2), ints(-2))
    case("Tile", a, ints(1, 2, 1, 3))
    case("Expand", whole(kind, 4, 1, 1), ints(2, 4, 3, 5))
for kind in (INT32, INT64):
    case("Relu", whole(kind, 3, 4))
    case("PRelu", whole(kind, 1, 4, 5, 6), whole(kind, 4, 1, 1), constants=())
    case("MatMul", whole(kind, 2, 3, 4), whole(kind, 4, 5))
    case("MatMul", whole(kind, 2, 1, 3, 4), whole(kind, 3, 4, 2), constants=())
    case("Gemm", whole(kind, 4, 3), whole(kind, 5, 4), whole(kind, 3, 1), constants=(), transA=1, transB=1)
    case("ReduceMean", whole(kind, 1, 4, 16, 16), ints(2, 3))
case("Add", np.uint8([250, 3]), np.uint8([10, 4]))
case("Sub", np.uint8([2, 3]), np.uint8([10, 4]), constants=())
case("Div", np.int64([LARGEST, SMALLEST, SMALLEST + 1, 2**53 + 1, 7, -7, -8, 10**18]),
     np.int64([1, 3, -7, 3, -2, 2, 3, 10**9 + 7]), constants=())  # fmt: skip
case("Div", np.int64([[2**62 + 12345], [-(2**62) - 999]]), np.int64([3, -5, 2**40 + 1, 2**62]), constants=())
for kind in (INT32, INT64):
    case("Mod", np.asarray([7, -7], kind), np.asarray([-1, -1], kind), constants=())
case("Mod", normal(3, 8), positive(8), constants=(), fmod=1)
case("Mod", np.float32([-4.3, 7.2, 5.0, 4.3, -7.2, 8.0]), np.float32([2.1, -3.4, 8.0, -2.1, 3.4, 5.0]), fmod=1)
case("IsInf", np.float32([1, np.inf, -np.inf, np.nan]))
case("IsInf", np.float32([[1, np.inf, -np.inf, np.nan]]), detect_negative=0)
case("IsInf", np.float32([1, np.inf, -np.inf, np.nan]), detect_positive=0)
case("IsInf", np.float32([1, np.inf, -np.inf, np.nan]), detect_positive=0, detect_negative=0)

BASES = np.asarray([[-3, -2, -1], [1, 2, 5]])
for kind in (INT32, INT64):
    for other in (INT32, INT64):
        case("Pow", BASES.astype(kind), np.asarray([0, 3, 4], other), constants=())
    case("Pow", BASES.astype(kind), np.float32(3))
    case("Pow", BASES.astype(kind), kind(5))
    case("Pow", BASES.astype(kind), np.asarray([1, 2, 0], kind))
    case("Pow", normal(2, 3), np.asarray([0, 3, -2], kind), constants=())
case("Pow", np.int32([1, -1, -1]), np.int32([-3, -2, -5]), constants=())
for exponent in (1, -1, 2, 3, 4, -2):
    case("Pow", normal(2, 3), np.float32(exponent))
case("Pow", np.float32([0, 1, 4]), np.float32(-0.5))
case("Pow", np.float32(2), normal(2, 3), constants=(0,))

a, b = (np.random.default_rng(seed).integers(-(2**63), 2**63, (3, 40)) for seed in (0, 1))
a[0, :6], b[0, :6] = [LARGEST, SMALLEST, -1, 0, 2**32 - 1, -(2**32)], [-1, LARGEST, SMALLEST, -1, 2**31, 2**32]
for op_type in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    case(op_type, a, b, constants=())
    case(op_type, a, b[0])
a, b = (np.random.default_rng(seed).integers(-(2**31), 2**31, (3, 40)).astype(np.int32) for seed in (0, 1))
for op_type in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    case(op_type, a, b, constants=())
    case(op_type, a, b[0])
    case(op_type, (a & 255).astype(np.uint8), (b & 255).astype(np.uint8), constants=())
    case(op_type, (a & 255).astype(np.uint8).astype(np.int8), (b[0] & 255).astype(np.uint8).astype(np.int8))
for kind in (INT32, INT64, UINT8, INT8):
    case("BitwiseNot", whole(kind, 3, 7))
for direction in ("LEFT", "RIGHT"):
    case("BitShift", np.uint8([16, 4, 1, 255, 255]), np.uint8([1, 2, 3, 4, 0]), constants=(), direction=direction)

TRUTHS = normal(2, 3, 4, 5) > 0.3
for op_type in ("ReduceMax", "ReduceMin"):
    for axes in (ints(1), ints(2, 3), ints(0, -1)):
        case(op_type, TRUTHS, axes, keepdims=0)
        case(op_type, TRUTHS, axes, keepdims=1)
case("Equal", TRUTHS, TRUTHS[:, :1], constants=())
case("Where", TRUTHS, TRUTHS[0], TRUTHS[:, :1], constants=())
case("Concat", TRUTHS, TRUTHS, constants=(), axis=1)
case("Split", TRUTHS, outputs=2, axis=2, num_outputs=2)
case("Gather", TRUTHS, ints(2, -1), axis=1)
for target in (1, 6, 7, 2, 3):
    case("Cast", TRUTHS, still=True, to=target)
case("Cast", np.float32([-2.7, -0.5, 0.5, 2.7, 100.9]), to=3)
case("Cast", np.float32([0, 0.5, 2.7, 200.9, -2.7, 300.5]), to=2)  # out of range it wraps, as in ONNX Runtime
case("Cast", np.int32([300, -1, 70000, 5]), to=2)
case("Cast", np.int64([2**32 + 5, -1, 2**31]), to=6)

# Broadcasting over up to six axes, from either side, and scalars.
for left, right in [
    ((2, 3, 2, 2, 3, 2), (3, 1, 2, 1, 2)), ((2, 1, 2, 1, 3, 1), (1, 3, 1, 2, 1, 2)), ((3,), (2, 2, 1, 2, 3)), ((), ()),
    ((), (2, 3)), ((1, 1, 1), (1,)), ((1,), (1, 1, 5)), ((2, 1, 4), (3, 1)), ((1, 1, 4, 1), (5, 1, 6)),
]:  # fmt: skip
    for op_type in ("Add", "Div", "Max", "Pow", "Less"):
        a, b = positive(*left), positive(*right, seed=1)
        case(op_type, a, b, constants=())
        case(op_type, a, b, constants=(0,))
        case(op_type, a, b, constants=(1,))
    case("Where", positive(*left) > 1, positive(*right), np.float32(2), constants=())
    case("Sum", positive(*left), positive(*right, seed=1), positive(1, seed=2), constants=(2,))
    case("Mean", positive(*left), positive(*right, seed=1), positive(1, seed=2), constants=())
case("Max", normal(2, 3))
case("Mean", normal(2, 3))

WIDE = np.float32([-90, -11, -1.5, -1, -0.7, -1e-4, 0, 1e-6, 0.3, 0.99, 1, 1.5, 9, 88.9])
SMALL = np.float32([-1, -0.999, -0.5, -1e-4, 0, 1e-6, 0.3, 0.7, 0.9999, 1])
ABOVE = np.float32([1, 1.0001, 1.5, 2, 10, 1e4, 2e4, 1e19, 1e30])
for op_type, x in [
    ("Tan", np.linspace(-9, 9, 40)), ("Asin", SMALL), ("Acos", SMALL), ("Atan", [*WIDE, np.inf, -np.inf, 1e30]),
    ("Sinh", WIDE), ("Cosh", WIDE), ("Asinh", [*WIDE, 1e4, 2e4, -1e30, np.inf]), ("Acosh", ABOVE), ("Atanh", SMALL),
    ("Erf", WIDE),
]:  # fmt: skip
    x = np.asarray(x, np.float32)  # noqa: PLW2901
    case(op_type, x, relative=2e-5 if op_type == "Tan" else 8e-6)
    case(op_type, np.resize(x, (1, 2, 3, 4)), still=True)
for op_type in ("Asin", "Acos", "Acosh", "Atanh"):
    case(op_type, np.float32([-3, 0.5, 3, np.nan]))
case("HardSigmoid", WIDE, alpha=1e-7, beta=0.25)
case("HardSigmoid", WIDE, alpha=-0.3, beta=0.4)
case("Elu", WIDE, alpha=-0.5)
case("Clip", WIDE, np.float32(3), np.float32(-2))
case("Clip", WIDE, None, None)
case("PRelu", normal(2, 3, 4), normal(4))
case("PRelu", normal(2, 3, 4), normal(3, 1), constants=())
case("PRelu", normal(1, 4, 5, 6), normal(1, 4, 5, 6), constants=())
