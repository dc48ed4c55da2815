"""Which values the tensors of a graph take on calibration photos, and which range of them int8 should span.

Calibration streams: one photo is in memory at a time. The graph itself reduces each tensor to its minimum,
its maximum and a thinned-out copy, and of that a histogram is kept, whose size does not depend on the photos.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, gcd, prod

import numpy as np
import onnx_ir as ir

from quantize.bounds import cut, find_bounds
from quantize.graph import add_initializer, append_observers, values_by_name
from quantize.runtime import Sample, open_session, run
from validate.errors import BrushportError

BINS = 8192  # of a histogram; with values over at least half of them, 16 bins or more for an int8 step
THINNED = 2**16  # elements that are looked at, of a tensor on one photo
PERCENTILE = 99.99  # share of the elements that the percentile range holds, in percent
TAIL = 5e-5  # share of a photo's elements that are its tail, on either side
SHRINKING = np.linspace(1.0, 0.2, 33)  # shares of minimum and maximum that the least-squares range tries
METHODS = ("minmax", "percentile", "mse", "entropy")
LEVELS = 256  # of int8


class Histogram:
    """Counts of one tensor's values in ``BINS`` equal bins over [-limit, limit), with the exact extremes.

    ``limit`` is a power of two and doubles when a value lies outside, by adding neighboring bins: what was
    counted stays exactly counted.
    """

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.limit = 0.0
        self.counts = np.zeros(BINS, np.int64)
        self.tails: list[tuple[float, float]] = []  # of each photo, what all but TAIL of the elements lie between

    def add(self, values: np.ndarray, low: float, high: float) -> None:
        """Count ``values``, which are some of a tensor whose extremes are ``low`` and ``high``."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.tails.append(tuple(np.quantile(values, [TAIL, 1 - TAIL]).tolist()))
        self._reach(max(abs(low), abs(high)))
        if self.limit == 0.0:  # nothing but zeros so far
            return
        bins = ((values.astype(np.float64) + self.limit) * (BINS / (2 * self.limit))).astype(np.int64)
        self.counts += np.bincount(bins.clip(0, BINS - 1), minlength=BINS)

    def _reach(self, largest: float) -> None:
        if largest == 0.0 or largest < self.limit:
            return
        limit = float(2.0 ** (np.floor(np.log2(largest)) + 1))
        quarter = BINS // 4
        while 0.0 < self.limit < limit and self.counts.any():
            halved = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.concatenate([np.zeros(quarter, np.int64), halved, np.zeros(quarter, np.int64)])
            self.limit *= 2
        self.limit = limit

    @property
    def centers(self) -> np.ndarray:
        """The middle of each bin."""
        return (np.arange(BINS) + 0.5) * (2 * self.limit / BINS) - self.limit

    def span(self, method: str) -> tuple[float, float]:
        """The range (low, high) that ``method`` of ``METHODS`` chooses; never wider than the extremes.

        minmax: the extremes. percentile: without the outermost (100 - 99.99) / 2 percent on either side. mse:
        with the least expected squared error, which is the rounding noise scale^2 / 12 of the values inside plus
        the clipping error of those outside. entropy: with the least Kullback-Leibler divergence of the clipped
        distribution from its form in 256 levels (Migacz, "8-bit inference with TensorRT", GTC 2017).
        """
        if method == "minmax" or not self.counts.any():
            return self.low, self.high
        finders = {"percentile": self._percentile, "mse": self._least_squares, "entropy": self._least_divergence}
        low, high = finders[method]()
        return float(max(low, self.low)), float(min(high, self.high))

    def _percentile(self) -> tuple[float, float]:
        share = (1 - PERCENTILE / 100) / 2
        cumulated = np.cumsum(self.counts) / self.counts.sum()
        edge = 2 * self.limit / BINS
        first = int(np.searchsorted(cumulated, share, side="right"))
        last = int(np.searchsorted(cumulated, 1 - share, side="left"))
        return first * edge - self.limit, (last + 1) * edge - self.limit

    def _least_squares(self) -> tuple[float, float]:
        centers, counts = self.centers, self.counts
        lows, highs = min(self.low, 0.0) * SHRINKING, max(self.high, 0.0) * SHRINKING
        below = np.array([(counts * np.square(np.minimum(centers - low, 0))).sum() for low in lows])
        above = np.array([(counts * np.square(np.maximum(centers - high, 0))).sum() for high in highs])
        scales = (highs[None, :] - lows[:, None]) / 255
        cost = counts.sum() * np.square(scales) / 12 + below[:, None] + above[None, :]
        i, j = np.unravel_index(np.argmin(cost), cost.shape)
        return lows[i], highs[j]

    def _least_divergence(self) -> tuple[float, float]:
        best, found = np.inf, (self.low, self.high)
        for share in SHRINKING:
            low, high = min(self.low, 0.0) * share, max(self.high, 0.0) * share
            divergence = self._divergence(low, high)
            if divergence < best:
                best, found = divergence, (low, high)
        return found

    def _divergence(self, low: float, high: float) -> float:
        """KL(P || Q): P the counts clipped to low..high, Q those inside, spread evenly within each of the levels."""
        width = 2 * self.limit / BINS
        first = max(0, int(np.floor((low + self.limit) / width)))
        last = min(BINS, int(np.ceil((high + self.limit) / width)))
        inside = self.counts[first:last].astype(np.float64)
        if len(inside) < LEVELS or not inside.any():
            return np.inf
        p = inside.copy()
        p[0] += self.counts[:first].sum()
        p[-1] += self.counts[last:].sum()
        level = np.arange(len(inside)) * LEVELS // len(inside)
        filled = inside > 0
        sums, numbers = np.bincount(level, inside, LEVELS), np.bincount(level, filled, LEVELS)
        q = np.where(filled, (sums / np.maximum(numbers, 1))[level], 0.0)
        p, q = p / p.sum(), q / q.sum()
        seen = p > 0
        return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-12))))


def calibrate(model: ir.Model, names: Sequence[str], samples: Iterable[Sample]) -> tuple[dict[str, Histogram], int]:
    """Histograms of the tensors ``names`` over all ``samples``, and how many samples there were.

    Raises :class:`BrushportError` when there are none, or a tensor is not finite for one of them.
    """
    histograms = {name: Histogram() for name in names}
    session = open_session(_reducing(model, names))
    count = 0
    for count, sample in enumerate(samples, start=1):
        reduced = iter(run(session, sample))
        for name, histogram in histograms.items():
            low, high, values = float(next(reduced)), float(next(reduced)), next(reduced)
            if not (np.isfinite(low) and np.isfinite(high)):
                raise BrushportError(f"The float model's tensor {name} is not finite for calibration photo {count}.")
            histogram.add(values, low, high)
    if count == 0:
        raise BrushportError("There are no calibration photos.")
    return histograms, count


def _reducing(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """A copy of ``model`` whose outputs are minimum, maximum and a thinned-out copy of each of ``names``.

    All of them after the tensor was cut to its bounds, where it has any (:mod:`quantize.bounds`).
    """
    bounds = find_bounds(model)
    model = model.clone()
    graph = model.graph
    values = values_by_name(graph)
    graph.outputs.clear()
    observers = []
    for name in names:
        value, cutting = cut(graph, values[name], bounds.get(name))
        minimum = ir.node("ReduceMin", [value], {"keepdims": 0})
        maximum = ir.node("ReduceMax", [value], {"keepdims": 0})
        flat = ir.node("Reshape", [value, _integer(graph, f"{name}_flat", -1)])
        picked = {"start": 0, "end": 2**31 - 1, "axis": 0, "step": _step(prod(values[name].shape))}
        numbers = [_integer(graph, f"{name}_{what}", number) for what, number in picked.items()]
        thinned = ir.node("Slice", [flat.outputs[0], *numbers])
        observers.append([*cutting, minimum, maximum, flat, thinned])
        for node, suffix in ((minimum, "min"), (maximum, "max"), (thinned, "thinned")):
            output = node.outputs[0]
            output.name, output.type = f"{name}_{suffix}", ir.TensorType(ir.DataType.FLOAT)
            graph.outputs.append(output)
    append_observers(graph, observers)
    return model


def _step(size: int) -> int:
    """Take every how many-th element: a number that shares no factor with the shape, so all columns are met."""
    step = ceil(size / THINNED)
    while gcd(step, size) != 1:
        step += 1
    return step


def _integer(graph: ir.Graph, name: str, number: int) -> ir.Value:
    return add_initializer(graph, name, np.array([number], np.int64))
