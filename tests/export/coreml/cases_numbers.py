"""Numeric cases of the elementwise operators, reductions and products."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, a, bits, f, k, n, simple


def binary(op: str) -> list[Case]:
    """Equal shapes, broadcasting on either side, a constant on either side, scalars."""
    return [
        case(op, X, a(1, 4, 6, 7)),
        case(op, X, k(4, 1, 1, low=0.5, high=2)),
        case(op, a(1, 4, 1, 1), a(1, 1, 6, 7, low=0.5)),
        case(op, k(6, 1), a(2, 1, 7, low=0.5)),
        case(op, a(), a(3, 4, low=0.5)),
        case(op, a(), a(low=0.5)),
    ]


def logical(op: str) -> list[Case]:
    """Two boolean tensors, equal, broadcast, and a constant."""
    return [
        case(op, bits(1, 3, 5), bits(1, 3, 5)),
        case(op, bits(3, 1), bits(2, 1, 5)),
        case(op, bits(4), Const(bits(4))),
    ]


def reduction(op: str, low: float = -2.0) -> list[Case]:
    """Spatial axes kept, one negative axis dropped, all axes, all dropped, none, a scalar."""
    x = a(1, 4, 6, 7, low=low)
    cases = [case(op, x, n(2, 3)), case(op, x, n(-1), keepdims=0), case(op, x), case(op, x, keepdims=0)]
    return [*cases, case(op, x, n(), noop_with_empty_axes=1), case(op, x, n()), case(op, a(low=low))]


_SPECIAL = np.array([-np.inf, -3, -0.0, 0, 2, np.inf, np.nan], np.float32)
_TIED = np.array([[3, 1, 3, 2, 3, 1], [0, 0, 0, 0, 0, 0], [-1, -2, 5, 5, -2, -1]], np.float32)


def argument(op: str) -> list[Case]:
    """Along the last axis and another, ties, the last of them."""
    return [
        case(op, X, axis=1),
        case(op, X, axis=-1, keepdims=0),
        *(case(op, _TIED, axis=axis, select_last_index=last) for axis in (0, 1) for last in (0, 1)),
        case(op, a(5), keepdims=0),
    ]


NUMBERS: dict[str, list[Case]] = {
    "Relu": simple("Relu"),
    "LeakyRelu": [*simple("LeakyRelu"), *simple("LeakyRelu", alpha=0.2), *simple("LeakyRelu", alpha=1.5)],
    "PRelu": [
        case("PRelu", X, k(4, 1, 1)),
        case("PRelu", X, k(1)),
        case("PRelu", X, k(1, 1, 6, 7)),
        case("PRelu", X, k(7)),
        case("PRelu", X, a(4, 1, 1)),
        case("PRelu", a(1, 4, 9), k(4, 1)),
        case("PRelu", a(3), k()),
    ],
    "Elu": [*simple("Elu"), *simple("Elu", alpha=0.5)],
    "Selu": [*simple("Selu"), *simple("Selu", alpha=1.5, gamma=1.1)],
    "Celu": [*simple("Celu"), *simple("Celu", alpha=2.0)],
    "ThresholdedRelu": [
        *simple("ThresholdedRelu", alpha=0.5),
        case("ThresholdedRelu", np.array([0.5, 1, 1.5, -1], np.float32)),
        case("ThresholdedRelu", np.array([-0.5, -1, -1.5, 1], np.float32), alpha=-1.0),
    ],
    "Sigmoid": simple("Sigmoid"),
    "HardSigmoid": [*simple("HardSigmoid", -5, 5), *simple("HardSigmoid", -5, 5, alpha=0.3, beta=0.4)],
    "HardSwish": simple("HardSwish", -5, 5),
    "Swish": [*simple("Swish", opset=24), *simple("Swish", opset=24, alpha=1.7)],
    "Tanh": simple("Tanh"),
    "Softplus": simple("Softplus", -8, 8),
    "Softsign": simple("Softsign"),
    "Mish": simple("Mish"),
    "Gelu": [*simple("Gelu"), *simple("Gelu", approximate="tanh")],
    "Softmax": [*simple("Softmax"), *simple("Softmax", axis=1), case("Softmax", np.round(a(5, low=90, high=99)))],
    "LogSoftmax": [
        *simple("LogSoftmax"),
        *simple("LogSoftmax", axis=1),
        case("LogSoftmax", np.round(a(2, 5, low=900, high=910))),
    ],
    "Clip": [
        case("Clip", X, f(-0.5), f(1.2)),
        case("Clip", a(1, 4, 6, 7, low=-9, high=9), f(0), f(6)),
        case("Clip", X, f(0.3)),
        case("Clip", X, None, f(0.3)),
        case("Clip", X, f(1.0), f(-1.0)),
        case("Clip", X),
        case("Clip", X, a(), a()),
    ],
    "Add": binary("Add"),
    "Sub": binary("Sub"),
    "Mul": binary("Mul"),
    "Div": [
        *binary("Div")[1:3],
        case("Div", X, a(1, 4, 6, 7, low=0.5)),
        case("Div", X, f(4.0)),
        case("Div", f(3.0), a(5, low=1)),
    ],
    "Mod": [
        case("Mod", np.array([7.5, -7.5, 7.5, -7.5, 4], np.float32), np.array([2, 2, -2, -2, 2], np.float32), fmod=1),
        case("Mod", np.array([7, -7, 5], np.float32), f(np.inf), fmod=1),
        case("Mod", a(3, 4), k(1, 4, low=0.4), fmod=1),
    ],
    "Pow": [
        *(case("Pow", a(1, 4, 6, 7, low=0.1), f(exponent)) for exponent in (0.5, 1.0, 1.7, -1.0, -2.0, 0.0)),
        *(case("Pow", X, f(exponent)) for exponent in (2.0, 3.0, 4.0, 5.0, 7.0)),
        case("Pow", X, n(2)),
        case("Pow", a(1, 4, 6, 7, low=0.1), a(1, 4, 1, 1)),
        case("Pow", a(1, 4, 1, 1, low=0.1), k(1, 1, 6, 7)),
        case("Pow", a(3), np.array([2, 3, 0], np.int32)),
    ],
    "Min": [case("Min", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Min", X), case("Min", a(3, 1), a(1, 4))],
    "Max": [case("Max", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Max", X), case("Max", a(3, 1), a(1, 4))],
    "Sum": [case("Sum", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Sum", X), case("Sum", a(3, 1), a(1, 4), a())],
    "Mean": [case("Mean", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Mean", X), case("Mean", a(3, 1), a(1, 4))],
    "Less": binary("Less"),
    "LessOrEqual": binary("LessOrEqual"),
    "Greater": binary("Greater"),
    "GreaterOrEqual": binary("GreaterOrEqual"),
    "Equal": [
        case("Equal", np.round(X), np.round(a(1, 4, 6, 7))),
        case("Equal", bits(2, 8), bits(2, 8)),
        case("Equal", np.round(a(3, 1)), np.round(a(2, 1, 4))),
    ],
    "And": logical("And"),
    "Or": logical("Or"),
    "Xor": logical("Xor"),
    "Not": [case("Not", bits(1, 3, 5))],
    "BitwiseNot": [case("BitwiseNot", np.array([0, 1, -1, 700], np.int32))],
    **{
        op: [
            case(op, np.array([[0, 5, -1, -700], [9, 8, -8, 3]], np.int32), np.array([3, -7, 12, -5], np.int32)),
            case(op, np.array([6, -3], np.int32), Const(np.array(5, np.int32))),
        ]
        for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
    },
    "Where": [
        case("Where", bits(1, 4, 6, 7), X, a(1, 4, 6, 7)),
        case("Where", bits(1, 4, 6, 7), a(1, 4, 1, 1), f(3.0)),
        case("Where", bits(6, 1), a(1, 4, 1, 7), k(7)),
        case("Where", bits(6, 1), f(2.0), f(3.0)),
        case("Where", bits(6, 1), a(6, 7), f(-1.5)),
        case("Where", Const(bits(6, 1)), f(5.0), a(6, 7)),
    ],
    "Abs": simple("Abs"),
    "Exp": simple("Exp"),
    "Sqrt": simple("Sqrt", 0),
    "Floor": simple("Floor"),
    "Ceil": simple("Ceil"),
    "Round": [*simple("Round", -9, 9), case("Round", np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]], np.float32))],
    "Sign": [case("Sign", np.array([[-2.5, 0.0, 1.5]], np.float32))],
    "Sin": simple("Sin"),
    "Cos": simple("Cos"),
    "Tan": simple("Tan", -1, 1),
    "Asin": simple("Asin", -1, 1),
    "Acos": simple("Acos", -1, 1),
    "Atan": simple("Atan"),
    "Sinh": simple("Sinh"),
    "Cosh": simple("Cosh"),
    "Atanh": simple("Atanh", -0.9, 0.9),
    "Asinh": [*simple("Asinh"), case("Asinh", np.array([-9e3, -300, -1, 0, 1e-3, 1, 40, 3e4], np.float32))],
    "Acosh": [*simple("Acosh", 1, 9), case("Acosh", np.array([1, 1.001, 1.5, 40, 3e4], np.float32))],
    "Erf": simple("Erf"),
    "Neg": simple("Neg"),
    "Log": simple("Log", 1e-6),
    "Reciprocal": simple("Reciprocal", 1e-3),
    "IsNaN": [case("IsNaN", _SPECIAL)],
    "IsInf": [
        case("IsInf", _SPECIAL, detect_positive=positive, detect_negative=negative)
        for positive in (0, 1)
        for negative in (0, 1)
    ],
    "Cast": [
        *(case("Cast", X, to=to) for to in (6, 9, 1, 7)),
        case("Cast", np.array([0, 3.7, 254.9, 128], np.float32), to=2),
        case("Cast", np.array([0, 300, -1, -200, 128], np.int32), to=3),
        case("Cast", bits(3), to=2),
    ],
    "ReduceMean": reduction("ReduceMean"),
    "ReduceSum": reduction("ReduceSum"),
    "ReduceMax": [*reduction("ReduceMax"), case("ReduceMax", bits(3, 4), n(1), keepdims=0)],
    "ReduceMin": [*reduction("ReduceMin"), case("ReduceMin", bits(3, 4), n(1), keepdims=0)],
    "ReduceProd": reduction("ReduceProd", low=1.0),
    "ReduceL1": reduction("ReduceL1"),
    "ReduceL2": reduction("ReduceL2"),
    "ReduceSumSquare": reduction("ReduceSumSquare"),
    "ReduceLogSum": reduction("ReduceLogSum", low=0.1),
    "ReduceLogSumExp": reduction("ReduceLogSumExp"),
    "ArgMax": argument("ArgMax"),
    "ArgMin": argument("ArgMin"),
    "CumSum": [
        case("CumSum", X, Const(np.array(2)), exclusive=exclusive, reverse=reverse)
        for exclusive in (0, 1)
        for reverse in (0, 1)
    ]
    + [case("CumSum", X, n(-3)), case("CumSum", np.array([5, -3, 900], np.int32), n(0))],
    "MatMul": [
        case("MatMul", a(2, 3, 4), a(2, 4, 5)),
        case("MatMul", a(1, 2, 3, 4), k(4, 5)),
        case("MatMul", a(2, 3, 4), k(4, 5)),
        case("MatMul", a(3, 4), k(4, 5)),
        case("MatMul", k(3, 4), a(2, 4, 5)),
        case("MatMul", k(3, 3), a(3, 3)),
        case("MatMul", a(2, 1, 3, 4), a(5, 4, 2)),
        case("MatMul", a(2, 4), a(4)),
        case("MatMul", a(4), a(3, 4, 2)),
        case("MatMul", a(4), k(4, 2)),
        case("MatMul", a(4, low=0.5), a(4, low=0.5)),
        case("MatMul", np.array([[90, -70], [3, 4]], np.int32), np.array([[5], [6]], np.int32)),
    ],
    "Gemm": [
        case("Gemm", a(2, 4), k(5, 4), k(5), transB=1),
        case("Gemm", a(2, 4), k(4, 5), alpha=0.5),
        case("Gemm", a(4, 2), a(4, 5), a(2, 5), transA=1, beta=0.3),
        case("Gemm", a(2, 4), k(4, 5), k(1, 5), alpha=0.5, beta=2.0),
        case("Gemm", a(2, 4), k(4, 5), k(2, 1)),
        case("Gemm", a(2, 4), k(4, 5), a(5), beta=0.5),
        case("Gemm", a(2, 4), a(5, 4), a(2, 1), transB=1, alpha=1.5),
        case("Gemm", a(2, 4), k(4, 5), k()),
    ],
}
