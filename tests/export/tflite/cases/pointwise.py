"""Cases of operators that work number by number: activations, arithmetic, functions, logic, casts, quantization."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.table import case, normal, positive

PICTURE = 3 * normal(1, 4, 5, 6)
ROW = 3 * normal(2, 7)
SPACE = 3 * normal(2, 3, 2, 2, 3)

for op_type, attributes in [
    ("Relu", {}), ("Sigmoid", {}), ("Tanh", {}), ("HardSwish", {}), ("LeakyRelu", {}), ("LeakyRelu", {"alpha": 0.2}),
    ("Elu", {}), ("Elu", {"alpha": 0.5}), ("Selu", {}), ("Celu", {}), ("Celu", {"alpha": 2.0}), ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 0.1666666716337204, "beta": 0.5}), ("Softplus", {}), ("Softsign", {}), ("Mish", {}),
    ("Gelu", {}), ("Gelu", {"approximate": "tanh"}), ("ThresholdedRelu", {}), ("ThresholdedRelu", {"alpha": 0.3}),
    ("Abs", {}), ("Neg", {}), ("Exp", {}), ("Sin", {}), ("Cos", {}), ("Floor", {}), ("Ceil", {}), ("Round", {}),
    ("Sign", {}), ("Erf", {}), ("IsNaN", {}), ("Identity", {}), ("Dropout", {}),
]:  # fmt: skip
    for x in (PICTURE, ROW, SPACE):
        case(op_type, x, still=True, **attributes)
case("Round", np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))
case("Mish", np.float32([-90, -20, 0, 15, 25, 90]))
case("Softplus", np.float32([-90, -20, 0, 15, 25, 90]))
case("Erf", np.float32([-4, -1e-3, 0, 1e-3, 4]), tolerance=1e-6)
case("IsNaN", np.float32([1, np.nan, np.inf]))
for op_type in ("Log", "Sqrt", "Reciprocal"):
    for x in (positive(1, 4, 5, 6), positive(7)):
        case(op_type, x, still=True)

for bounds in [(0, 6), (-1, 1), (0, 1), (0, None), (None, 2), (-0.5, 0.7), (0, 255)]:
    low, high = (None if b is None else np.float32(b) for b in bounds)
    case("Clip", PICTURE, *((low,) if high is None else (low, high)), still=True)
case("Clip", ROW, np.float32(-1), np.float32(1.5), constants=())
case("PRelu", PICTURE, normal(4, 1, 1), still=True)
case("PRelu", PICTURE, normal(1), still=True)
case("PRelu", PICTURE, normal(5, 6), still=True)
case("PRelu", PICTURE, normal(4, 1, 1), constants=())
case("PRelu", ROW, normal(7))

OTHERS = [normal(1, 4, 5, 6, seed=1), normal(4, 1, 1), normal(1, 4, 1, 1), normal(5, 6), normal(6), normal(1), normal()]
for op_type in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"):
    for other in OTHERS:
        other = np.where(np.abs(other) < 0.1, np.float32(0.5), other)  # noqa: PLW2901 - no division by almost zero
        case(op_type, PICTURE, other, still=True)
        case(op_type, other, PICTURE, constants=(0,), still=True)
        case(op_type, PICTURE, other, constants=())
    case(op_type, ROW, normal(7), still=True)
    case(op_type, normal(1, 4, 1, 1), normal(1, 4, 5, 6), constants=(), still=True)
    case(op_type, SPACE, np.full((3, 1, 2, 1), 0.5, np.float32))
for op_type in ("Add", "Sub", "Mul"):
    case(op_type, np.int32([[4, -6], [9, 3]]), np.int32([[2, 3], [3, -1]]))
case("Max", PICTURE, normal(6), normal(1, 4, 5, 6, seed=2), constants=(1,))
case("Sum", PICTURE)
for exponent in (2, 0.5, -0.5, 3, 1.7):
    case("Pow", positive(1, 4, 5, 6), np.float32(exponent), still=True)
case("Pow", positive(1, 4, 5, 6), normal(4, 1, 1), still=True)
case("Mod", np.int32([[7, -7, 5]]), np.int32([[3, 3, -3]]))

for op_type in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"):
    case(op_type, np.round(PICTURE), np.round(normal(4, 1, 1)), still=True)
    case(op_type, np.round(PICTURE), np.round(normal(6)), constants=())
    case(op_type, np.round(ROW), np.float32(0))
TRUTHS = PICTURE > 0
for op_type in ("And", "Or", "Xor"):
    case(op_type, TRUTHS, normal(4, 1, 1) > 0, still=True)
    case(op_type, TRUTHS[0, 0], TRUTHS[0, 1], constants=())
case("Not", TRUTHS, still=True)
case("Not", TRUTHS[0, 0])
case("Where", TRUTHS, PICTURE, normal(4, 1, 1), constants=(2,), still=True)
case("Where", TRUTHS, np.float32(1), PICTURE, constants=(1,), still=True)
case("Where", ROW > 0, ROW, normal(7), constants=())

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
for target in (INT32, INT64, BOOL, FLOAT):
    case("Cast", PICTURE, still=True, to=target)
case("Cast", TRUTHS, still=True, to=FLOAT)
case("Cast", np.int32([[-3, 0, 5]]), to=FLOAT)
