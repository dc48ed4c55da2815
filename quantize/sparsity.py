"""Unstructured pruning: weights that matter least become zero, which Core ML's sparse form does not store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quantize.compensate import TINY, Gram, refitted


def prune_smallest(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """``weight`` with the share ``sparsity`` of its numbers replaced by 0: those of the least magnitude."""
    count = round(weight.size * sparsity)
    if count == 0:
        return weight
    pruned = weight.reshape(-1).copy()
    pruned[np.argsort(np.abs(pruned), kind="stable")[:count]] = 0
    return pruned.reshape(weight.shape)


def prune_gradually(weight: np.ndarray, shares: Sequence[float], gram: Gram) -> list[np.ndarray]:
    """``weight`` with each of these rising ``shares`` of zeros, the other numbers making up for them.

    Zero become those numbers that cost the node's output least while the others can move (w_i^2 / [H^-1]_ii), as shares
    of what each output channel carries: a norm behind it would amplify a small one. The others are then fitted anew,
    and the next share is chosen among what they have become, since what a number costs depends on what else is gone.
    """
    rows = gram.rows(weight).astype(np.float32)
    matrix = gram.damped()
    inverse = np.einsum("gkk->gk", np.linalg.inv(matrix))
    carried = np.einsum("grk,gkl,grl->gr", rows, gram.matrix, rows, optimize=True)
    prices = (1.0 / inverse[:, None, :] / np.maximum(carried, TINY)[:, :, None]).astype(np.float32)
    matrix = matrix.astype(np.float32)
    made, now = [], rows
    for share in shares:
        costs = np.square(now) * prices
        kept = np.ones(costs.size, bool)
        kept[np.argsort(costs, axis=None, kind="stable")[: round(costs.size * share)]] = False
        now = refitted(rows, kept.reshape(costs.shape), matrix, now)
        made.append(gram.weight(now, weight.shape))
    return made
