"""Palettes: a weight's numbers are those of a small table, and the file holds places in it.

The table minimizes sum_i h_i (w_i - p(w_i))^2 over tables of k numbers, p(w) the nearest of them: k-means in one
dimension. There, clusters are intervals of the sorted numbers and their sums differences of cumulated sums, so a step
of Lloyd's algorithm costs a binary search for each of the k bounds, however many numbers there are. It starts where
the best table of a smooth density lies: as dense as the density's cube root (Panter and Dite, 1951).
"""

from __future__ import annotations

import numpy as np

from quantize.compensate import Gram, compensated

ITERATIONS = 200
BINS = 64  # of the histogram that the start is taken from: smooth, so that it holds for small tensors, too


def palettize(
    weight: np.ndarray, bits: int, axis: int = 0, group_size: int = 0, gram: Gram | None = None
) -> np.ndarray:
    """``weight`` with every number replaced by one of ``2**bits``, which are fp16 numbers held as float32.

    There is one table for the whole tensor, or with ``group_size`` one for every so many channels along ``axis``;
    the whole tensor shares one where the channels cannot be divided so. Numbers that are few enough already stay, but
    for fp16. Each becomes the nearest of its table, or with a ``gram`` (:mod:`quantize.compensate`) the nearest to what
    makes up for those before.
    """
    channels = weight.shape[axis]
    parts = channels // group_size if group_size and channels % group_size == 0 else 1
    tables = [_table(part, bits) for part in np.split(weight, parts, axis=axis)]
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    which = np.broadcast_to(np.repeat(np.arange(parts), channels // parts).reshape(shape), weight.shape)
    if gram is None:
        return _nearest(weight, which, tables)
    owners = gram.rows(which)[:, :, 0]
    return compensated(weight, gram, lambda column, place: _nearest(column, owners, tables))


def _table(weight: np.ndarray, bits: int) -> np.ndarray:
    halves = weight.astype(np.float16).astype(np.float64)  # NumPy's sort of float16 is wrong on some processors
    values, counts = np.unique(halves, return_counts=True)
    return table_of(values, counts.astype(np.float64), 2**bits).astype(np.float16).astype(np.float32)


def _nearest(values: np.ndarray, which: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Each of ``values`` replaced by the nearest number of the table that ``which`` says."""
    made = np.empty(values.shape, np.float32)
    for number, table in enumerate(tables):
        mine = which == number
        made[mine] = table[np.searchsorted((table[1:] + table[:-1]) / 2, values[mine])]
    return made


def table_of(values: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    """The table of at most ``size`` numbers for sorted ``values`` that count ``counts`` times, sorted, float64."""
    if len(values) <= size:
        return values
    mass = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * values)])
    table = _start(values, counts, size)
    for _ in range(ITERATIONS):
        bounds = np.concatenate([[0], np.searchsorted(values, (table[1:] + table[:-1]) / 2), [len(values)]])
        masses = np.diff(mass[bounds])
        moved = np.where(masses > 0, np.diff(moment[bounds]) / np.maximum(masses, 1e-300), table)
        if np.array_equal(moved, table):
            break
        table = moved
    return np.unique(table)


def _start(values: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    density, edges = np.histogram(values, BINS, weights=counts)
    spread = np.cumsum(np.cbrt(density))
    wanted = (np.arange(size) + 0.5) / size * spread[-1]
    return np.interp(wanted, np.concatenate([[0.0], spread]), edges)
