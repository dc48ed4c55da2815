"""Element by element: activations, arithmetic, comparisons, logic, casts."""

from __future__ import annotations

import numpy as np

from tests.export.fuzz.builder import BOOL, FLOAT, INT32, INT64, Builder, Value
from tests.export.fuzz.makers.registry import makes

BOUNDED = {"Sigmoid", "Tanh", "Sin", "Cos", "Erf", "Sign", "HardSigmoid", "Softsign"}
GROWING = {"Exp", "Sinh", "Cosh"}
MOST_EXPONENT = 3.0  # exp of what is larger leaves no digits for the rest


@makes("Relu", "Abs", "Neg", "Ceil", "Floor", "Round", "Sign", "Sigmoid", "Tanh", "Sin", "Cos", "Atan", "Asinh")
def unary(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], magnitude=1.0 if op_type in BOUNDED else None)


@makes("Erf", "Softplus", "Softsign", "HardSwish", "Mish", "Identity")
def unary_without_attributes(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], magnitude=1.0 if op_type in BOUNDED else None)


@makes("Exp", "Sinh", "Cosh", "Tan")
def growing(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.within(b.value(), 1.2 if op_type == "Tan" else MOST_EXPONENT)], magnitude=20.0)


@makes("Log", "Sqrt", "Reciprocal")
def of_positives(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.positive(b.value())])


@makes("Acosh")
def acosh(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.positive(b.value(), 1.5)])


@makes("Asin", "Acos", "Atanh")
def of_the_unit(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.within(b.value(), 0.9)], magnitude=3.0)


@makes("LeakyRelu", "Elu", "Celu", "ThresholdedRelu")
def with_alpha(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], **({"alpha": b.choose((0.5, 0.125, 1.5))} if b.chance(50) else {}))


@makes("Selu")
def selu(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], **({"alpha": 1.5, "gamma": 0.75} if b.chance(50) else {}))


@makes("HardSigmoid")
def hard_sigmoid(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], magnitude=1.0, **({"alpha": 0.25, "beta": 0.375} if b.chance(50) else {}))


@makes("Gelu")
def gelu(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], **({"approximate": "tanh"} if b.chance(50) else {}))


@makes("Shrink")
def shrink(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()], lambd=b.choose((0.5, 0.3)), bias=b.choose((0.0, 0.25)))


@makes("Clip")
def clip(b: Builder, op_type: str) -> None:
    dtype = FLOAT if not b.chance(20) else b.choose((INT32, INT64))
    low, high = (b.constant(np.dtype(dtype).type(limit)) if b.chance(70) else None for limit in (-1, 2))
    b.emit(op_type, [b.value(dtype), low, high])


@makes("PRelu")
def prelu(b: Builder, op_type: str) -> None:
    x = b.value()
    b.emit(op_type, [x, b.tensor(narrower(b, x), fed=15)], magnitude=x.size * 3)


@makes("Add", "Sub", "Mul")
def arithmetic(b: Builder, op_type: str) -> None:
    dtype = FLOAT if not b.chance(15) else b.choose((INT32, INT64))
    x, y = operands(b, dtype)
    b.emit(op_type, [x, y], magnitude=x.size * y.size if op_type == "Mul" else x.size + y.size)


@makes("Max", "Min", "Mean", "Sum")
def variadic(b: Builder, op_type: str) -> None:
    given = [b.value()]
    for _ in range(b.integer(1, 2)):
        given.append(other(b, given[0]))
    if b.chance(10):
        given = given[:1]
    b.emit(op_type, given, magnitude=sum(value.size for value in given))


@makes("Div")
def divide(b: Builder, op_type: str) -> None:
    if b.chance(15):
        dtype = b.choose((INT32, INT64))
        x = b.value(dtype)
        b.emit(op_type, [x, b.constant(nonzero(b, narrower(b, x), dtype))])
        return
    x, y = operands(b, FLOAT)
    b.emit(op_type, [x, b.positive(y, 0.5)], magnitude=2 * x.size)


@makes("Mod")
def modulo(b: Builder, op_type: str) -> None:
    dtype = b.choose((FLOAT, INT32, INT64))
    x = b.value(dtype)
    fmod = 1 if dtype == FLOAT or b.chance(30) else 0
    divisor = np.abs(b.numbers(narrower(b, x))) + 0.5 if dtype == FLOAT else nonzero(b, narrower(b, x), dtype)
    b.emit(op_type, [x, b.constant(divisor.astype(dtype))], fmod=fmod)


@makes("Pow")
def power(b: Builder, op_type: str) -> None:
    x = b.value(where=lambda value: value.size < 30)
    if b.chance(50):
        b.emit(op_type, [x, b.constant(np.float32(b.choose((2, 3, 1))), exact=True)], magnitude=x.size**3)
    else:
        exponent = b.constant(b.numbers(narrower(b, x)).clip(-1.5, 1.5))
        b.emit(op_type, [b.positive(x, 0.5), exponent], magnitude=x.size**2)


@makes("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def comparison(b: Builder, op_type: str) -> None:
    b.emit(op_type, operands(b, b.choose((FLOAT, FLOAT, INT32, INT64))))


@makes("And", "Or", "Xor")
def logic(b: Builder, op_type: str) -> None:
    b.emit(op_type, operands(b, BOOL))


@makes("Not")
def negation(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value(BOOL)])


@makes("IsNaN", "IsInf")
def oddity(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()])


@makes("Where")
def where(b: Builder, op_type: str) -> None:
    condition = b.value(BOOL)
    dtype = b.choose((FLOAT, FLOAT, INT32, INT64))
    x = other(b, condition, dtype)
    b.emit(op_type, [condition, x, other(b, condition, dtype)])


@makes("Cast")
def cast(b: Builder, op_type: str) -> None:
    x = b.value(b.choose((FLOAT, BOOL, INT32, INT64)))
    to = b.choose((FLOAT, INT32, INT64, BOOL))
    import onnx

    b.emit(op_type, [x], to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(to)))


@makes("CastLike")
def cast_like(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value(b.choose((FLOAT, BOOL, INT32))), b.value(b.choose((FLOAT, INT32, BOOL)))])


@makes("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(b: Builder, op_type: str) -> None:
    b.emit(op_type, operands(b, b.choose((INT32, INT64))))


@makes("BitwiseNot")
def bitwise_not(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value(b.choose((INT32, INT64)))])


@makes("Dropout")
def dropout(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value()])


def narrower(b: Builder, x: Value) -> tuple[int, ...]:
    """A shape that broadcasts to that of ``x``: axes left out in front, some of length one."""
    kept = x.shape[b.integer(0, x.rank) :]
    return tuple(1 if b.chance(30) else side for side in kept)


def nonzero(b: Builder, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    array = b.numbers(shape, dtype)
    return np.where(array == 0, np.ones_like(array), array)


def other(b: Builder, x: Value, dtype: str = FLOAT) -> Value:
    """An operand that broadcasts against ``x``: a value of the graph, a constant, an input."""

    def fits(value: Value) -> bool:
        try:
            shape = np.broadcast_shapes(value.shape, x.shape)
        except ValueError:
            return False
        return np.prod(shape, dtype=int) <= 1500

    if b.chance(50):
        found = [value for value in b.values if value.dtype == dtype and fits(value)]
        if found:
            return b.tamed(b.choose(found[::-1]))
    return b.tensor(narrower(b, x), dtype)


def operands(b: Builder, dtype: str) -> list[Value]:
    """Two operands, the broader one first or second."""
    x = b.value(dtype)
    pair = [x, other(b, x, dtype)]
    return pair[::-1] if b.chance(30) else pair
