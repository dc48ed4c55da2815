"""What moves values without changing them: shapes, axes, pieces, indices, borders."""

from __future__ import annotations

import math

import numpy as np

from tests.export.fuzz.builder import BOOL, FLOAT, INT32, INT64, MAX_RANK, Builder, Unsuitable
from tests.export.fuzz.makers.registry import makes

MOSTLY_FLOAT = (FLOAT,) * 7 + (INT32, INT64, BOOL)


@makes("Reshape")
def reshape(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT))
    shape, left = [], x.elements
    for _ in range(b.integer(0, MAX_RANK - 1)):
        side = b.choose([n for n in range(1, min(left, 64) + 1) if left % n == 0])
        shape.append(side)
        left //= side
    shape.append(left)
    if b.chance(40):
        shape[b.integer(0, len(shape) - 1)] = -1
    if b.chance(20) and x.rank and shape[0] == x.shape[0]:
        shape[0] = 0
    b.emit(op_type, [x, b.integers(shape)])


@makes("Flatten")
def flatten(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 5, 1))
    b.emit(op_type, [x], **({"axis": b.integer(-x.rank, x.rank)} if b.chance(70) else {}))


@makes("Squeeze")
def squeeze(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), where=lambda value: 1 in value.shape)
    axes = b.subset([axis for axis, side in enumerate(x.shape) if side == 1])
    axes = [axis - x.rank if b.chance(30) else axis for axis in axes]
    b.emit(op_type, [x, b.integers(axes)] if axes else [x])


@makes("Unsqueeze")
def unsqueeze(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), where=lambda value: value.rank < MAX_RANK)
    rank = x.rank + b.integer(1, min(2, MAX_RANK - x.rank))
    axes = b.subset(range(rank), rank - x.rank)[: rank - x.rank]
    b.emit(op_type, [x, b.integers([axis - rank if b.chance(30) else axis for axis in axes])])


@makes("Transpose")
def transpose(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), rank=(4, 3, 2, 5))
    usual = x.rank == 4 and b.chance(50)
    order = b.choose(((0, 2, 3, 1), (0, 3, 1, 2))) if usual else b.subset(range(x.rank), x.rank)
    b.emit(op_type, [x], **({"perm": list(order)} if b.chance(85) else {}))


@makes("Expand")
def expand(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT))
    shape = [b.integer(1, 4) if side == 1 and b.chance(60) else side for side in x.shape]
    if len(shape) < MAX_RANK and b.chance(30):
        shape.insert(0, b.integer(1, 3))
    elif shape and b.chance(30):
        shape[b.integer(0, len(shape) - 1)] = 1
    b.emit(op_type, [x, b.integers(shape)])


@makes("Tile")
def tile(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), rank=(4, 3, 2, 1, 5))
    b.emit(op_type, [x, b.integers([b.choose((1, 1, 2, 3)) for _ in x.shape])])


@makes("Concat")
def concat(b: Builder, op_type: str) -> None:
    dtype = b.choose(MOSTLY_FLOAT)
    x = b.value(dtype, rank=(4, 3, 2, 5, 1))
    axis = b.axis(x.rank)
    given = [x]
    for _ in range(b.integer(1, 3)):
        same = [
            v
            for v in b.values
            if v.dtype == dtype and v.rank == x.rank and _without(v.shape, axis) == _without(x.shape, axis)
        ]
        if b.chance(60):
            given.append(b.tamed(b.choose(same[::-1])))
        else:
            shape = list(x.shape)
            shape[axis] = b.integer(1, 4)
            given.append(b.tensor(shape, dtype))
    if b.chance(30):
        given.reverse()
    b.emit(op_type, given, axis=axis)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    axis %= len(shape)
    return shape[:axis] + shape[axis + 1 :]


@makes("Split")
def split(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), rank=(4, 3, 2, 1, 5), where=lambda value: value.rank and max(value.shape) > 1)
    axis = b.choose([axis for axis, side in enumerate(x.shape) if side > 1])
    side, parts = x.shape[axis], b.integer(2, min(3, x.shape[axis]))
    axis -= x.rank if b.chance(30) else 0
    if b.chance(60):
        cuts = sorted(b.subset(range(1, side), parts - 1)[: parts - 1])
        lengths = np.diff([0, *cuts, side]).tolist()
        b.emit(op_type, [x, b.integers(lengths)], outputs=parts, axis=axis)
    else:
        if math.ceil(side / math.ceil(side / parts)) != parts:
            raise Unsuitable
        b.emit(op_type, [x], outputs=parts, axis=axis, num_outputs=parts)


@makes("Slice")
def slice_(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), rank=(4, 3, 2, 1, 5))
    axes = b.subset(range(x.rank), 1)
    starts, ends, steps = [], [], []
    for axis in axes:
        side = x.shape[axis]
        step = b.choose((1, 1, 2, -1, -2, 3))
        first, last = sorted((b.integer(0, side - 1), b.integer(0, side - 1)))
        if step > 0:
            start, end = first, b.choose((last + 1, 2**31 - 1, side + 3))
        else:
            start, end = b.choose((last, 2**31 - 1)), first - 1 if first else -side - 1 - b.integer(0, 2)
        starts.append(start - side if start < side and b.chance(25) else start)
        ends.append(end)
        steps.append(step)
    given = [x, b.integers(starts), b.integers(ends), b.integers([a - x.rank if b.chance(20) else a for a in axes])]
    if any(step != 1 for step in steps) or b.chance(30):
        given.append(b.integers(steps))
    b.emit(op_type, given)


@makes("Gather")
def gather(b: Builder, op_type: str) -> None:
    x = b.value(b.choose(MOSTLY_FLOAT), rank=(4, 3, 2, 1))
    axis = b.axis(x.rank)
    indices = _indices(b, b.choose(((2,), (), (3,), (1,), (2, 2))), x.shape[axis])
    b.emit(op_type, [x, indices], axis=axis)


@makes("GatherElements")
def gather_elements(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1))
    axis = b.axis(x.rank)
    shape = list(x.shape)
    shape[axis] = b.integer(1, 4)
    if b.chance(30):
        shape = [b.integer(1, side) if i != axis % x.rank else side for i, side in enumerate(shape)]
    b.emit(op_type, [x, _indices(b, shape, x.shape[axis])], axis=axis)


@makes("GatherND")
def gather_nd(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1))
    deep = b.integer(1, x.rank)
    rows = b.choose(((2,), (), (2, 3)))
    indices = np.stack([b.random.integers(0, x.shape[axis], rows) for axis in range(deep)], -1).astype(np.int64)
    b.emit(op_type, [x, b.fed(indices) if b.chance(25) else b.constant(indices)])


@makes("ScatterND")
def scatter_nd(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1))
    deep = b.integer(1, x.rank)
    cells = math.prod(x.shape[:deep])
    places = b.random.permutation(cells)[: b.integer(1, min(cells, 4))]  # twice the same place has no defined order
    indices = np.stack(np.unravel_index(places, x.shape[:deep]), -1).astype(np.int64)
    b.emit(op_type, [x, b.constant(indices), b.tensor((len(places), *x.shape[deep:]))])


def _indices(b: Builder, shape, side: int):
    array = b.random.integers(-side if b.chance(30) else 0, side, shape)
    array = np.asarray(array, b.choose((np.int64, np.int64, np.int32)))
    return b.fed(array) if b.chance(25) else b.constant(array)


@makes("Pad")
def pad(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 5, 1))
    mode = b.choose(("constant", "constant", "reflect", "edge", "wrap"))
    axes = b.subset(range(x.rank), 1) if b.chance(40) else list(range(x.rank))
    if mode != "constant" and b.chance(60):
        axes = axes[-2:]
    limits = [{"reflect": x.shape[a] - 1, "wrap": x.shape[a]}.get(mode, 3) for a in axes]
    before, after = ([b.integer(0, min(3, limit)) for limit in limits] for _ in range(2))
    if mode == "constant" and b.chance(15):  # cropping
        place = b.integer(0, len(axes) - 1)
        before[place] = -b.integer(0, x.shape[axes[place]] - 1)
    fill = b.constant(np.float32(b.choose((0, 1.5, -2)))) if mode == "constant" and b.chance(60) else None
    given = [x, b.integers(before + after), fill]
    if axes != list(range(x.rank)):
        given.append(b.integers(axes))
    while given[-1] is None:
        given.pop()
    b.emit(op_type, given, mode=mode)


@makes("Trilu")
def trilu(b: Builder, op_type: str) -> None:
    x = b.value(rank=(2, 3, 4))
    k = [b.constant(np.asarray(b.integer(-2, 2), np.int64))] if b.chance(60) else []
    b.emit(op_type, [x, *k], upper=b.choose((1, 0)))


@makes("OneHot")
def one_hot(b: Builder, op_type: str) -> None:
    depth = b.integer(2, 5)
    rank = b.integer(1, 3)
    indices = b.random.integers(-1, depth + 1, b.shape(rank)).astype(np.int64)
    given = [
        b.fed(indices),
        b.integers([depth]),
        b.constant(np.float32([0, 1]) if b.chance(60) else np.float32([-1, 2])),
    ]
    b.emit(op_type, given, axis=b.axis(rank + 1))


@makes("EyeLike")
def eye_like(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value(rank=2)], k=b.integer(-1, 2))


@makes("CenterCropPad")
def center_crop_pad(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2))
    axes = sorted(b.subset(range(x.rank), 1))
    b.emit(op_type, [x, b.integers([b.integer(1, 9) for _ in axes])], axes=axes)


@makes("ScatterElements")
def scatter_elements(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2, 1))
    axis = b.axis(x.rank)
    shape = [b.integer(1, side) for side in x.shape]
    lines = b.random.permuted(np.broadcast_to(np.arange(x.shape[axis]), _last(shape, axis, x.shape[axis])), axis=-1)
    indices = np.moveaxis(lines[..., : shape[axis]], -1, axis).astype(np.int64)  # no place twice
    b.emit(op_type, [x, b.constant(indices), b.tensor(shape)], axis=axis)


def _last(shape: list[int], axis: int, side: int) -> list[int]:
    others = [n for i, n in enumerate(shape) if i != axis % len(shape)]
    return [*others, side]


@makes("ReverseSequence")
def reverse_sequence(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 3, 2))
    time, batch = b.choose(((0, 1), (1, 0)))
    lengths = b.random.integers(1, x.shape[time] + 1, x.shape[batch]).astype(np.int64)
    b.emit(op_type, [x, b.constant(lengths)], time_axis=time, batch_axis=batch)


@makes("Col2Im")
def col2im(b: Builder, op_type: str) -> None:
    image, block = [b.integer(2, 6) for _ in range(2)], [b.integer(1, 2) for _ in range(2)]
    strides = [b.integer(1, 2) for _ in range(2)]
    blocks = math.prod((n - k) // s + 1 for n, k, s in zip(image, block, strides, strict=True))
    x = b.fed(b.numbers((b.integer(1, 2), math.prod(block) * b.integer(1, 3), blocks)))
    b.emit(op_type, [x, b.integers(image), b.integers(block)], strides=strides)
