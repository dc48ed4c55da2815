"""Headroom: ranges reach beyond the calibration photos where that costs next to nothing.

A photo unlike those that ranges were set by (one color all over, light that none of them has) drives tensors beyond
their ranges, and what is clipped early ruins all that follows. Wider ranges would hold it, at coarser steps: a range
that is g times as wide has rounding noise of g^2 times the energy. What a tensor's rounding costs the picture is known
(:mod:`quantize.sensitivity`), and most of it comes from a few tensors. So with n tensors and costs c, the range of each
may grow by g = sqrt(1 + share / (n c)), which together costs ``share`` of the aim at most: next to nothing for the few
that matter, up to ``MOST`` for the many that do not. None grows beyond what the photos make probable: the greatest
extreme of a photo, and as much again as that lies outside the median photo's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from quantize.qdq import calibrated_values
from quantize.ranges import Histogram

SHARE = 0.1  # of what the aim allows
MOST = 4.0  # times as wide as before, at most
LEAST_COST = 1e-9

Span = tuple[float, float]


def with_headroom(
    model: ir.Model,
    costs: Mapping[str, float],
    spans: Mapping[str, Span],
    histograms: Mapping[str, Histogram],
    share: float = SHARE,
) -> dict[str, Span]:
    """``spans`` (low, high) by tensor, wider where that costs ``share`` of the aim in all.

    ``costs`` is what each quantized node of ``model`` costs alone, as a share of what the aim allows; ``histograms``
    are those of the tensors that may grow. A side that is the same on all photos, such as the 0 of a Relu, stays.
    """
    growth: dict[str, float] = {}
    for node in model.graph:
        if node.name in costs:
            factor = float(np.sqrt(1.0 + share / len(costs) / max(costs[node.name], LEAST_COST)))
            for name in calibrated_values([node]):
                growth[name] = min(growth.get(name, MOST), factor)
    widened = dict(spans)
    for name, factor in growth.items():
        if name in histograms and name in spans:
            widened[name] = _widened(spans[name], probable(histograms[name]), factor)
    return widened


def probable(histogram: Histogram) -> Span:
    """What another photo may reach: the extremes of photos, and as much again as they lie outside the median's."""
    lows, highs = np.array(histogram.tails).reshape(-1, 2).T
    return float(2 * lows.min() - np.median(lows)), float(2 * highs.max() - np.median(highs))


def _widened(span: Span, wanted: Span, factor: float) -> Span:
    low, high = min(span[0], 0.0), max(span[1], 0.0)  # zero is always in a range
    wanted = min(wanted[0], low), max(wanted[1], high)
    more = (wanted[1] - wanted[0]) - (high - low)
    part = 1.0 if more <= 0 else min(1.0, (factor - 1) * (high - low) / more)
    return low + part * (wanted[0] - low), high + part * (wanted[1] - high)
