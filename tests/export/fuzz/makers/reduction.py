"""Along axes: reductions, softmax, normalization, sorting, products."""

from __future__ import annotations

import numpy as np

from tests.export.fuzz.builder import FLOAT, INT32, INT64, Builder, Unsuitable
from tests.export.fuzz.makers.registry import makes


@makes("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare")
def reduce(b: Builder, op_type: str) -> None:
    integers = op_type in {"ReduceSum", "ReduceMax", "ReduceMin"} and b.chance(15)
    x = b.value(b.choose((INT32, INT64)) if integers else FLOAT, rank=(4, 3, 2, 5, 1))
    _reduce(b, op_type, x, magnitude=x.size**2 if op_type == "ReduceSumSquare" else x.size * 4)


@makes("ReduceLogSum")
def reduce_log_sum(b: Builder, op_type: str) -> None:
    _reduce(b, op_type, b.positive(b.value(rank=(4, 3, 2, 5, 1))))


@makes("ReduceLogSumExp")
def reduce_log_sum_exp(b: Builder, op_type: str) -> None:
    _reduce(b, op_type, b.within(b.value(rank=(4, 3, 2, 5, 1)), 3.0))


@makes("ReduceProd")
def reduce_prod(b: Builder, op_type: str) -> None:
    x = b.within(b.value(rank=(4, 3, 2, 5, 1)), 1.5)
    _reduce(b, op_type, x, magnitude=100.0)


def _reduce(b: Builder, op_type: str, x, magnitude: float | None = None) -> None:
    axes = [axis - x.rank if b.chance(30) else axis for axis in b.subset(range(x.rank))]
    given = [x, b.integers(axes)] if axes or b.chance(30) else [x]
    attributes = {"keepdims": b.choose((1, 0))} if b.chance(70) else {}
    if not axes and b.chance(30):
        attributes["noop_with_empty_axes"] = 1
    b.emit(op_type, given, magnitude=magnitude, **attributes)


@makes("ArgMax", "ArgMin")
def arg(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1, 5))
    attributes = {"axis": b.axis(x.rank), "keepdims": b.choose((1, 0))}
    if b.chance(20):
        attributes["select_last_index"] = 1
    b.emit(op_type, [x], **attributes)


@makes("TopK")
def top_k(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1))
    axis = b.axis(x.rank)
    k = b.integer(1, x.shape[axis])
    b.emit(op_type, [x, b.integers([k])], outputs=2, axis=axis, largest=b.choose((1, 0)))


@makes("CumSum")
def cum_sum(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1, 5))
    axis = b.constant(np.asarray(b.axis(x.rank), b.choose((np.int64, np.int32))))
    b.emit(op_type, [x, axis], magnitude=x.size * 4, exclusive=b.choose((0, 1)), reverse=b.choose((0, 1)))


@makes("Softmax", "LogSoftmax", "Hardmax")
def softmax(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1, 5))
    b.emit(op_type, [x], **({"axis": b.axis(x.rank)} if b.chance(80) else {}))


@makes("LpNormalization")
def lp_normalization(b: Builder, op_type: str) -> None:
    x = b.positive(b.value(rank=(4, 3, 2)))
    b.emit(op_type, [x], magnitude=1.0, axis=b.axis(x.rank), p=b.choose((2, 1)))


@makes("MeanVarianceNormalization")
def mean_variance(b: Builder, op_type: str) -> None:
    x = _varied(b, b.value(rank=4), axes := sorted(b.subset(range(4), 1)))
    b.emit(op_type, [x], axes=axes)


@makes("LayerNormalization")
def layer_norm(b: Builder, op_type: str) -> None:
    x = b.value(rank=(3, 4, 2))
    axis = b.axis(x.rank)
    _varied(b, x, list(range(axis % x.rank, x.rank)))
    shape = x.shape[axis % x.rank :]
    bias = [b.tensor(shape, fed=10)] if b.chance(60) else []
    b.emit(op_type, [x, b.tensor(shape, fed=10), *bias], axis=axis, epsilon=b.choose((1e-5, 1e-2)))


@makes("InstanceNormalization")
def instance_norm(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 5))
    _varied(b, x, list(range(2, x.rank)))
    b.emit(op_type, [x, b.tensor(x.shape[1:2], fed=10), b.tensor(x.shape[1:2], fed=10)], epsilon=b.choose((1e-5, 1e-2)))


@makes("GroupNormalization")
def group_norm(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3))
    groups = b.choose([n for n in range(1, x.shape[1] + 1) if x.shape[1] % n == 0])
    if x.elements // x.shape[0] // groups < 4:
        raise Unsuitable
    scale, bias = (b.tensor(x.shape[1:2], fed=10) for _ in range(2))
    b.emit(op_type, [x, scale, bias], num_groups=groups, epsilon=b.choose((1e-5, 1e-2)))


@makes("BatchNormalization")
def batch_norm(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 5))
    size = x.shape[1:2]
    variance = b.constant(np.abs(b.numbers(size)) + 0.5)
    b.emit(op_type, [x, b.tensor(size, fed=5), b.tensor(size, fed=5), b.constant(b.numbers(size)), variance])


def _varied(b: Builder, x, axes: list[int]):
    """``x`` where enough values are normalized together; of one value, the variance is nothing but rounding."""
    if np.prod([x.shape[axis] for axis in axes], dtype=int) < 4:
        raise Unsuitable
    return x


@makes("MatMul")
def mat_mul(b: Builder, op_type: str) -> None:
    x = b.value(rank=(2, 3, 4, 1))
    inner, wide = x.shape[-1], b.integer(1, 6)
    kind = b.integer(0, 3)
    shape = {0: (inner, wide), 1: (*x.shape[:-2], inner, wide), 2: (inner,), 3: (1, inner, wide)}[kind]
    pair = [x, b.tensor(shape, fed=40)]
    if b.chance(20) and x.rank >= 2:
        pair = [b.tensor((wide, x.shape[-2])), x]
    b.emit(op_type, pair, magnitude=x.size * 6)


@makes("Gemm")
def gemm(b: Builder, op_type: str) -> None:
    x = b.value(rank=2)
    flip_a, flip_b = b.choose((0, 1)), b.choose((0, 1))
    rows, inner = x.shape[::-1] if flip_a else x.shape
    wide = b.integer(1, 6)
    given = [x, b.tensor((wide, inner) if flip_b else (inner, wide), fed=25)]
    if b.chance(60):
        given.append(b.tensor(b.choose(((wide,), (rows, wide), (1, wide), (rows, 1), ())), fed=20))
    attributes = {"alpha": 0.5, "beta": 2.0} if b.chance(30) else {}
    b.emit(op_type, given, magnitude=x.size * 6, transA=flip_a, transB=flip_b, **attributes)


@makes("Einsum")
def einsum(b: Builder, op_type: str) -> None:
    equation, rank = b.choose(
        (("ij,jk->ik", 2), ("bij,bjk->bik", 3), ("bchw,cd->bdhw", 4), ("bij->bji", 3), ("bij->bi", 3))
    )
    x = b.value(rank=rank)
    left, _, right = equation.partition("->")[0].partition(",")
    sides = dict(zip(left, x.shape, strict=True))
    given = [b.tensor(tuple(sides.setdefault(letter, 3) for letter in right), fed=40)] if right else []
    b.emit(op_type, [x, *given], magnitude=x.size * 6, equation=equation)
