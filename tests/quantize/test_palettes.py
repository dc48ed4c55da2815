"""Palettes hold as few numbers as they say, and lie where the squared error is least."""

from __future__ import annotations

import numpy as np
import pytest

from quantize.palettes import palettize, table_of

_random = np.random.default_rng(3)
WEIGHT = (_random.standard_normal((24, 16, 3, 3)) * _random.uniform(0.05, 1, (24, 1, 1, 1))).astype(np.float32)


def error(made: np.ndarray, weight: np.ndarray = WEIGHT) -> float:
    return float(np.mean(np.square(made - weight, dtype=np.float64)))


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_one_table_of_so_many_half_precision_numbers(bits: int) -> None:
    made = palettize(WEIGHT, bits)
    assert 0.95 * 2**bits <= len(np.unique(made)) <= 2**bits
    assert np.array_equal(made, made.astype(np.float16).astype(np.float32))


def test_as_good_as_the_best_clustering() -> None:
    """Against coremltools' exact k-means in one dimension."""
    from validate.coreml.tools import load_coremltools

    load_coremltools()
    from coremltools._deps import _kmeans1d

    for bits in (2, 4, 6):
        best = _kmeans1d.cluster(WEIGHT.astype(np.float64).ravel(), 2**bits)
        optimum = error(np.array(best.centroids)[np.array(best.clusters)].reshape(WEIGHT.shape))
        assert optimum * 0.999 <= error(palettize(WEIGHT, bits)) < optimum * 1.1


@pytest.mark.parametrize("axis", [0, 1])
def test_groups_have_tables_of_their_own(axis: int) -> None:
    made = palettize(WEIGHT, 4, axis, 8)
    for part in np.split(made, WEIGHT.shape[axis] // 8, axis=axis):
        assert len(np.unique(part)) == 16
    assert len(np.unique(made)) > 16


def test_groups_suit_channels_that_differ() -> None:
    assert error(palettize(WEIGHT, 4, 0, 4)) < 0.9 * error(palettize(WEIGHT, 4))


def test_channels_that_cannot_be_divided_share_a_table() -> None:
    assert np.array_equal(palettize(WEIGHT, 4, 0, 7), palettize(WEIGHT, 4))


def test_numbers_on_a_palette_stay() -> None:
    once = palettize(WEIGHT, 4)
    assert np.array_equal(palettize(once, 4), once)
    assert np.array_equal(palettize(once, 6), once)


def test_counts_weigh() -> None:
    """Two clusters of 0, 1 and 3: with a million at 1, that is a center of its own."""
    values = np.array([0.0, 1.0, 3.0])
    assert np.allclose(table_of(values, np.array([1.0, 1.0, 1.0]), 2), [0.5, 3])
    assert np.allclose(table_of(values, np.array([1.0, 1e6, 1.0]), 2)[0], 1, atol=1e-5)
