"""Numeric cases for every lowering: for each operator, nodes whose results are compared with ONNX Runtime."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.cases_spatial import SPATIAL
from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, a, bits, f, k, n, simple

_random = np.random.default_rng(7)


def binary(op: str) -> list[Case]:
    """Equal shapes, broadcasting on either side, and a constant."""
    return [
        case(op, X, a(1, 4, 6, 7)),
        case(op, X, k(4, 1, 1, low=0.5, high=2)),
        case(op, a(1, 4, 1, 1), a(1, 1, 6, 7, low=0.5)),
    ]


def logical(op: str) -> list[Case]:
    """Two boolean tensors."""
    return [case(op, bits(1, 3, 5), bits(1, 3, 5))]


def reduction(op: str, low: float = -2.0) -> list[Case]:
    """Spatial axes kept, one negative axis dropped, all axes."""
    x = a(1, 4, 6, 7, low=low)
    return [case(op, x, n(2, 3)), case(op, x, n(-1), keepdims=0), case(op, x)]


_INT8 = Const(_random.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8))
_SCALES = Const(_random.uniform(0.01, 0.03, 6).astype(np.float32))

CASES: dict[str, list[Case]] = {
    **SPATIAL,
    "Relu": simple("Relu"),
    "LeakyRelu": [*simple("LeakyRelu"), *simple("LeakyRelu", alpha=0.2)],
    "PRelu": [
        case("PRelu", X, k(4, 1, 1)),
        case("PRelu", X, k(1)),
        case("PRelu", X, k(1, 1, 6, 7)),
        case("PRelu", a(1, 4, 9), k(4, 1)),
    ],
    "Elu": [*simple("Elu"), *simple("Elu", alpha=0.5)],
    "Selu": [*simple("Selu"), *simple("Selu", alpha=1.5, gamma=1.1)],
    "Celu": [*simple("Celu"), *simple("Celu", alpha=2.0)],
    "Sigmoid": simple("Sigmoid"),
    "HardSigmoid": [*simple("HardSigmoid", -5, 5), *simple("HardSigmoid", -5, 5, alpha=0.3, beta=0.4)],
    "HardSwish": simple("HardSwish", -5, 5),
    "Swish": [*simple("Swish", opset=24), *simple("Swish", opset=24, alpha=1.7)],
    "Tanh": simple("Tanh"),
    "Softplus": simple("Softplus", -8, 8),
    "Softsign": simple("Softsign"),
    "Mish": simple("Mish"),
    "Gelu": [*simple("Gelu"), *simple("Gelu", approximate="tanh")],
    "Softmax": [*simple("Softmax"), *simple("Softmax", axis=1)],
    "LogSoftmax": [*simple("LogSoftmax"), *simple("LogSoftmax", axis=1)],
    "Clip": [
        case("Clip", X, f(-0.5), f(1.2)),
        case("Clip", a(1, 4, 6, 7, low=-9, high=9), f(0), f(6)),
        case("Clip", X, f(0.3)),
        case("Clip", X, None, f(0.3)),
        case("Clip", X, f(1.0), f(-1.0)),
        case("Clip", X),
    ],
    "Add": binary("Add"),
    "Sub": binary("Sub"),
    "Mul": binary("Mul"),
    "Div": [*binary("Div")[1:], case("Div", X, a(1, 4, 6, 7, low=0.5))],
    "Pow": [
        *(case("Pow", a(1, 4, 6, 7, low=0.1), f(exponent)) for exponent in (0.5, 1.0, 1.7)),
        case("Pow", X, f(2.0)),
        case("Pow", X, f(3.0)),
        case("Pow", X, n(2)),
        case("Pow", a(1, 4, 6, 7, low=0.1), a(1, 4, 1, 1)),
        case("Pow", a(1, 4, 1, 1, low=0.1), k(1, 1, 6, 7)),
    ],
    "Min": [case("Min", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Min", X)],
    "Max": [case("Max", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Max", X)],
    "Sum": [case("Sum", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Sum", X)],
    "Mean": [case("Mean", X, a(1, 4, 6, 7), k(4, 1, 1)), case("Mean", X)],
    "Less": binary("Less"),
    "LessOrEqual": binary("LessOrEqual"),
    "Greater": binary("Greater"),
    "GreaterOrEqual": binary("GreaterOrEqual"),
    "Equal": [case("Equal", np.round(X), np.round(a(1, 4, 6, 7))), case("Equal", bits(2, 8), bits(2, 8))],
    "And": logical("And"),
    "Or": logical("Or"),
    "Xor": logical("Xor"),
    "Not": [case("Not", bits(1, 3, 5))],
    "Where": [
        case("Where", bits(1, 4, 6, 7), X, a(1, 4, 6, 7)),
        case("Where", bits(1, 4, 6, 7), a(1, 4, 1, 1), f(3.0)),
        case("Where", bits(6, 1), a(1, 4, 1, 7), k(7)),
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
    "Erf": simple("Erf"),
    "Neg": simple("Neg"),
    "Log": simple("Log", 1e-6),
    "Reciprocal": simple("Reciprocal", 1e-3),
    "Cast": [case("Cast", X, to=6), case("Cast", X, to=9), case("Cast", X, to=1), case("Cast", X, to=7)],
    "ReduceMean": reduction("ReduceMean"),
    "ReduceSum": [*reduction("ReduceSum"), case("ReduceSum", X, n(), noop_with_empty_axes=1)],
    "ReduceMax": reduction("ReduceMax"),
    "ReduceMin": reduction("ReduceMin"),
    "ReduceProd": reduction("ReduceProd", low=1.0),
    "ReduceL1": reduction("ReduceL1"),
    "ReduceL2": reduction("ReduceL2"),
    "ReduceSumSquare": reduction("ReduceSumSquare"),
    "ReduceLogSum": reduction("ReduceLogSum", low=0.1),
    "ReduceLogSumExp": reduction("ReduceLogSumExp"),
    "Reshape": [case("Reshape", X, n(0, 2, -1)), case("Reshape", X, n(1, 2, 2, 6, 7))],
    "Flatten": [case("Flatten", X), case("Flatten", X, axis=2)],
    "Squeeze": [case("Squeeze", a(1, 4, 1, 3), n(0, -2)), case("Squeeze", a(1, 4, 1))],
    "Unsqueeze": [case("Unsqueeze", a(4, 3), n(0, -1))],
    "Transpose": [case("Transpose", X, perm=[0, 2, 3, 1]), case("Transpose", a(2, 3, 4))],
    "Identity": simple("Identity"),
    "Dropout": [case("Dropout", X), case("Dropout", X, f(0.5), Const(np.array(False)))],
    "Concat": [case("Concat", X, k(1, 2, 6, 7), a(1, 1, 6, 7), axis=1), case("Concat", X, a(1, 4, 6, 2), axis=-1)],
    "Split": [
        case("Split", X, n(1, 3), outputs=2, axis=1),
        case("Split", X, outputs=3, axis=2, num_outputs=3),
        case("Split", X, outputs=2, axis=-1, num_outputs=2),
    ],
    "Slice": [
        case("Slice", X, n(1, 2), n(5, -1), n(2, 3)),
        case("Slice", X, n(0, 1), n(1, 4)),
        case("Slice", X, n(-1), n(-(2**62)), n(3), n(-2)),
        case("Slice", X, n(5, 0), n(1, 2**62), n(2, 3), n(-1, 3)),
    ],
    "Expand": [case("Expand", a(1, 4, 1, 1), n(2, 4, 6, 7)), case("Expand", a(4, 1), n(2, 1, 5))],
    "Tile": [case("Tile", a(1, 2, 3), n(2, 1, 3))],
    "Gather": [
        case("Gather", X, n(2, -1, 0), axis=3),
        case("Gather", X, Const(np.array(1)), axis=1),
        case("Gather", a(5, 3), Const(np.array([[0, 4], [1, 1]])), axis=0),
    ],
    "MatMul": [
        case("MatMul", a(2, 3, 4), a(2, 4, 5)),
        case("MatMul", a(1, 2, 3, 4), k(4, 5)),
        case("MatMul", k(3, 4), a(2, 4, 5)),
        case("MatMul", a(2, 4), a(4)),
    ],
    "Gemm": [
        case("Gemm", a(2, 4), k(5, 4), k(5), transB=1),
        case("Gemm", a(2, 4), k(4, 5), alpha=0.5),
        case("Gemm", a(4, 2), a(4, 5), a(2, 5), transA=1, beta=0.3),
        case("Gemm", a(2, 4), k(4, 5), k(1, 5), alpha=0.5, beta=2.0),
        case("Gemm", a(2, 4), k(4, 5), k(2, 1)),
    ],
    "QuantizeLinear": [
        case("QuantizeLinear", X, f(0.02), Const(np.array(5, np.int8))),
        case("QuantizeLinear", X, f(0.02), Const(np.array(130, np.uint8))),
        case("QuantizeLinear", X, f(0.02)),
        case("QuantizeLinear", X, k(4, low=0.01, high=0.03), Const(np.array([0, 5, -5, 9], np.int8)), axis=1),
    ],
    "DequantizeLinear": [
        case("DequantizeLinear", _INT8, _SCALES, Const(np.zeros(6, np.int8)), axis=0),
        case("DequantizeLinear", _INT8, f(0.02), Const(np.array(3, np.int8))),
        case("DequantizeLinear", Const(np.arange(12, dtype=np.uint8).reshape(3, 4)), f(0.02)),
        case("DequantizeLinear", Const(np.array([-70000, 3, 90000], np.int32)), k(3, low=1e-4, high=1e-3), axis=0),
    ],
}
