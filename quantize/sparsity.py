"""Unstructured pruning: the smallest weights become zero, which Core ML's sparse form does not store."""

from __future__ import annotations

import numpy as np


def prune_smallest(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """``weight`` with the share ``sparsity`` of its numbers, those of the least magnitude, replaced by 0."""
    count = round(weight.size * sparsity)
    if count == 0:
        return weight
    pruned = weight.reshape(-1).copy()
    pruned[np.argsort(np.abs(pruned), kind="stable")[:count]] = 0
    return pruned.reshape(weight.shape)
