"""Unstructured pruning: the smallest weights become zero, which Core ML's sparse form does not store."""

from __future__ import annotations

import numpy as np

from quantize.compensate import Gram, compensated


def prune_smallest(weight: np.ndarray, sparsity: float, gram: Gram | None = None) -> np.ndarray:
    """``weight`` with the share ``sparsity`` of its numbers replaced by 0: those of the least magnitude.

    With a ``gram`` (:mod:`quantize.compensate`), those that cost the node's output least, as shares of what each output
    channel carries (a norm behind it would amplify a small one), and the others make up for them.
    """
    count = round(weight.size * sparsity)
    if count == 0:
        return weight
    if gram is None:
        pruned = weight.reshape(-1).copy()
        pruned[np.argsort(np.abs(pruned), kind="stable")[:count]] = 0
        return pruned.reshape(weight.shape)
    rows = gram.rows(weight).astype(np.float64)
    width = rows.shape[2]
    inverse = np.einsum("gkk->gk", gram.inverse(np.broadcast_to(np.arange(width), (len(rows), width))))
    carried = np.einsum("grk,gkl,grl->gr", rows, gram.matrix, rows, optimize=True)
    costs = np.square(rows) / inverse[:, None, :] / np.maximum(carried, 1e-30)[:, :, None]
    kept = np.ones(rows.size, bool)
    kept[np.argsort(costs.reshape(-1), kind="stable")[:count]] = False
    kept = kept.reshape(rows.shape)

    def fix(column: np.ndarray, place: np.ndarray) -> np.ndarray:
        return column * np.take_along_axis(kept, place[:, None, None], axis=2)[:, :, 0]

    return compensated(weight, gram, fix)
