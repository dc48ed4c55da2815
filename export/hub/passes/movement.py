"""Reading chains of Reshape, Transpose and their relatives as one permutation of a tensor's factors.

Every such chain cuts the axes of x into factors, permutes the factors and joins them again:

    chain(x) = reshape(transpose(reshape(x, factors), order), shape)

where the factors are as few as the chain allows. Two chains are the same function exactly if their factors, order
and final shape are. Axes of length 1 hold no factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, dims, produced_by

VIEW_OPS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
MOVING_OPS = (*VIEW_OPS, "Transpose")

Step = tuple[str, tuple[int, ...]]
"""("view", new shape) or ("permute", perm)."""


@dataclass(frozen=True)
class Movement:
    """Where a chain of views and permutations puts each element of a tensor of shape ``source``."""

    source: tuple[int, ...]
    factors: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def keeps_order(self) -> bool:
        """Whether it is a Reshape."""
        return len(self.order) < 2


def movement(source: tuple[int, ...], steps: Sequence[Step]) -> Movement | None:
    """The movement that ``steps`` make of a tensor of shape ``source``; ``None`` if no factors express it."""
    if 0 in source:
        return None
    sizes: dict[int, int] = {}
    layout: list[list[int]] = []
    origin: list[int] = []  # the factors in the order of the source
    for size in source:
        layout.append([])
        if size != 1:
            sizes[len(sizes)] = size
            layout[-1].append(len(sizes) - 1)
            origin.append(len(sizes) - 1)
    for kind, argument in steps:
        if kind == "permute":
            layout = [layout[axis] for axis in argument]
            continue
        cut = _cut([factor for axis in layout for factor in axis], argument, sizes, origin)
        if cut is None:
            return None
        layout = cut
    shape = tuple(prod(sizes[factor] for factor in axis) for axis in layout)
    place = {factor: i for i, factor in enumerate(origin)}
    return _joined(source, [sizes[f] for f in origin], [place[f] for axis in layout for f in axis], shape)


def _cut(factors: list[int], shape: tuple[int, ...], sizes: dict[int, int], origin: list[int]) -> list | None:
    """Deal ``factors`` out to the axes of ``shape``, splitting those that reach over the end of one."""
    layout: list[list[int]] = []
    left = list(reversed(factors))
    for size in shape:
        axis: list[int] = []
        filled = 1
        while filled < size:
            if not left:
                return None
            factor = left.pop()
            if filled * sizes[factor] > size:
                outer, rest = size // filled, sizes[factor]
                if size % filled or rest % outer:
                    return None
                inner = len(sizes)
                sizes[factor], sizes[inner] = outer, rest // outer
                origin.insert(origin.index(factor) + 1, inner)
                left.append(inner)
            axis.append(factor)
            filled *= sizes[factor]
        if filled != size:
            return None
        layout.append(axis)
    return None if left else layout


def _joined(source: tuple[int, ...], sizes: list[int], order: list[int], shape: tuple[int, ...]) -> Movement:
    """Join factors that are neighbors, in the same order, before and after."""
    runs: list[list[int]] = []
    for factor in order:
        if runs and runs[-1][-1] + 1 == factor:
            runs[-1].append(factor)
        else:
            runs.append([factor])
    ranked = sorted(runs)
    return Movement(
        source,
        tuple(prod(sizes[factor] for factor in run) for run in ranked),
        tuple(ranked.index(run) for run in runs),
        shape,
    )


def read_chain(value: ir.Value) -> Iterator[tuple[ir.Node, ...]]:
    """Every chain of moving nodes that ends in ``value``, the nodes from last to first, the longest chain first."""
    chain: list[ir.Node] = []
    while (node := produced_by(value, *MOVING_OPS)) is not None and dims(node.inputs[0]) is not None:
        chain.append(node)
        value = node.inputs[0]
    for length in range(len(chain), 0, -1):
        yield tuple(chain[:length])


def chain_movement(chain: Sequence[ir.Node]) -> Movement | None:
    """What ``chain``, the nodes from last to first, does to the input of its first node."""
    steps = [step_of(node) for node in reversed(chain)]
    source = dims(chain[-1].inputs[0])
    return None if source is None or None in steps else movement(source, steps)


def step_of(node: ir.Node) -> Step | None:
    """One node as a step of :func:`movement`."""
    if node.op_type == "Transpose":
        rank = len(node.inputs[0].shape)
        return "permute", tuple(attribute(node, "perm", tuple(range(rank))[::-1]))
    shape = dims(node.outputs[0])
    return None if shape is None else ("view", shape)


def shortest_steps(move: Movement) -> list[Step]:
    """The fewest views and permutations that make ``move``."""
    if move.keeps_order:
        return [] if move.shape == move.source else [("view", move.shape)]
    options: list[list[Step]] = []
    perm = _axes_in_order(move.source, move.factors, move.order)
    if perm is not None:
        padded = _with_unit_axes(move.source, perm, move.shape)
        options.append([("permute", padded)])
        options.append([("permute", padded), ("view", move.shape)])
    turned = view_then_permute(move)
    if turned is not None:
        options.append(turned)
    options.append([("view", move.factors), ("permute", move.order), ("view", move.shape)])
    return next(steps for steps in sorted(options, key=len) if movement(move.source, steps) == move)


def view_then_permute(move: Movement) -> list[Step] | None:
    """A view and a permutation that make ``move``, if there are such."""
    back = tuple(sorted(range(len(move.order)), key=move.order.__getitem__))
    axes = _axes_in_order(move.shape, tuple(move.factors[i] for i in move.order), back)
    if axes is None or move.keeps_order:
        return None
    full = _with_unit_axes(move.shape, axes, None)
    before = tuple(move.shape[axis] for axis in full)
    return [("view", before), ("permute", tuple(full.index(axis) for axis in range(len(full))))]


def _axes_in_order(shape: tuple[int, ...], factors: tuple[int, ...], order: tuple[int, ...]) -> list[int] | None:
    """The axes of ``shape`` longer than 1 in the order that ``order`` gives the factors.

    ``None`` where the factors of one axis do not stay together.
    """
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    starts, position = {}, 1
    for axis in reversed(axes):
        starts[axis] = position = position * shape[axis]
    ends, position = [], 1
    for factor in reversed(factors):
        ends.append((position, position * factor))
        position *= factor
    spans = ends[::-1]  # of each factor, from the inner end in elements
    result: list[int] = []
    for factor in order:
        low, high = spans[factor]
        for axis in axes:
            if starts[axis] // shape[axis] >= low and starts[axis] <= high:
                result.append(axis)
    return result if len(result) == len(axes) else None


def _with_unit_axes(shape: tuple[int, ...], axes: list[int], wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    """``axes`` and the axes of length 1: where ``wanted`` has such, else in front."""
    units = [axis for axis, size in enumerate(shape) if size == 1]
    if (
        wanted is None
        or len(wanted) != len(shape)
        or tuple(shape[a] for a in axes) != tuple(d for d in wanted if d > 1)
    ):
        return (*units, *axes)
    rest, ones = list(axes), list(units)
    return tuple(ones.pop(0) if size == 1 else rest.pop(0) for size in wanted)
