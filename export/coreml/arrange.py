"""Moving elements without changing them: shapes, copies and permutations, scalars and high ranks included.

MIL holds at most five dimensions. A value of more is carried as a variable of any shape with the same elements in the
same order (:data:`MAX_RANK`), until an operator brings it back: what pixel shuffle and window partition, spelled with
Reshape and Transpose, need.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from export.coreml.mil import mb

MAX_RANK = 5
"""Dimensions that a Core ML tensor can have."""


def reshaped(x: Any, shape: Sequence[int]) -> Any:
    """``x`` with its elements in ``shape``, in the same order; ``()`` makes it a scalar."""
    shape = tuple(int(size) for size in shape)
    if tuple(x.shape) == shape or len(shape) > MAX_RANK:
        return mb.identity(x=x)
    if not shape:
        return mb.squeeze(x=x, axes=list(range(len(x.shape))))
    if not x.shape:
        return mb.expand_dims(x=x, axes=list(range(len(shape))))
    return mb.reshape(x=x, shape=shape)


def broadcast(x: Any, shape: Sequence[int]) -> Any:
    """``x`` copied along its dimensions of size one to ``shape``, or ``x`` itself where it has that shape."""
    shape = tuple(shape)
    if tuple(x.shape) == shape:
        return x
    if x.val is not None:
        return mb.const(val=np.ascontiguousarray(np.broadcast_to(x.val, shape)))
    aligned = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
    reps = [wanted // have for wanted, have in zip(shape, aligned, strict=True)]
    x = reshaped(x, aligned) if aligned != tuple(x.shape) else x
    return mb.tile(x=x, reps=reps) if any(rep > 1 for rep in reps) else x


def transposed(x: Any, shape: Sequence[int], perm: Sequence[int]) -> Any:
    """``x``, which holds the elements of ``shape``, with its axes permuted; any rank.

    Axes of size one are left out and those that stay neighbors count as one, which brings most permutations to five
    axes or fewer. Of those that it does not, each axis is brought to its place by a transposition of four axes.
    The result has the permuted shape, or any shape with the same elements where that is of more than ``MAX_RANK``.
    """
    result = tuple(shape[axis] for axis in perm)
    if len(shape) <= MAX_RANK:
        return mb.transpose(x=x, perm=list(perm))
    merged, order = merge_axes(shape, perm)
    if len(merged) <= MAX_RANK:
        x = mb.transpose(x=mb.reshape(x=x, shape=merged), perm=order) if merged else x
        return reshaped(x, result)
    waiting = list(range(len(merged)))
    for place, axis in enumerate(order):
        before = waiting[: waiting.index(axis)]
        after = waiting[len(before) + 1 :]
        sizes = [prod(merged[i] for i in axes) for axes in (order[:place], before, [axis], after)]
        if before:
            x = mb.transpose(x=mb.reshape(x=x, shape=sizes), perm=[0, 2, 1, 3])
        waiting = before + after
    return reshaped(x, result)


def merge_axes(shape: Sequence[int], perm: Sequence[int]) -> tuple[list[int], list[int]]:
    """The sizes and the permutation that remain when idle axes are dropped and those that stay together are merged."""
    kept = [axis for axis in perm if shape[axis] != 1]
    numbered = sorted(kept)
    places = [numbered.index(axis) for axis in kept]
    groups: list[list[int]] = [places[:1]] if places else []
    for last, place in pairwise(places):
        if place == last + 1:
            groups[-1].append(place)
        else:
            groups.append([place])
    ordered = sorted(groups)
    sizes = [prod(shape[numbered[place]] for place in group) for group in ordered]
    return sizes, [ordered.index(group) for group in groups]
