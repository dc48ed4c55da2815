"""Cross-layer equalization: the channels of a rounded tensor get equal spans, exactly.

Int8 has one scale for a whole activation tensor, so a channel whose values span a hundredth of the tensor's has two or
three steps left. Where a convolution makes such channels, and what reads them can take it back, channel c may hold
s_c x in place of x (:mod:`quantize.units` says where: Nagel et al. 2019, "Data-Free Quantization through Weight
Equalization and Bias Correction", for pairs of convolutions; here for whole chains, with their additions, products and
concatenations). Weights have one scale an output channel, which takes s_c in for nothing; of the reader's weights those
for small channels become small beside the others, as their part of the sum always was.

s_c is the largest that leaves every tensor of that unit its range: rounding noise in channel c falls by s_c, that of
no other channel grows. Where some channels of a tensor keep their unit, the others come down to their range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from quantize.equalize import Statistics
from quantize.graph import drop_unread_initializers
from quantize.rescale import rescale_units
from quantize.units import ONE, Units, channels

MOST = 2.0**12  # times larger a channel may become: beyond that it was silent on the calibration photos
FLAT = 1e-12  # spans under this are of a channel that never changes


def equalize_layers(
    model: ir.Model, names: Iterable[str], statistics: Mapping[str, Statistics], share: float = 1.0
) -> tuple[ir.Model, int]:
    """A copy of ``model`` whose channels have more equal spans, and how many channels were given another unit.

    ``names`` are the tensors that will be rounded, ``statistics`` what their channels hold on photos. ``share``
    is how much of the way to equal spans is gone, as an exponent: 1 all of it, 0 none.
    """
    model = model.clone()
    units = Units(model.graph)
    scales = _scales(model.graph, units, [name for name in names if name in statistics], statistics, share)
    if not scales:
        return model, 0

    def of(value: ir.Value) -> np.ndarray:
        if value.is_initializer():
            return np.ones(channels(value))
        return np.array([scales.get(number, 1.0) for number in units.classes(value).tolist()])

    changed = sum(int((of(value) != 1).sum()) for node in model.graph for value in node.outputs)
    rescale_units(model.graph, of)
    drop_unread_initializers(model.graph)
    return model, changed


def _scales(
    graph: ir.Graph, units: Units, names: list[str], statistics: Mapping[str, Statistics], share: float
) -> dict[int, float]:
    """The factor of each class that gets one."""
    values = {value.name: value for node in graph for value in node.outputs}
    scales: dict[int, float] = {}
    for name in names:
        if name not in values:
            continue
        classes = units.classes(values[name])
        seen = statistics[name]
        spans = np.maximum(seen.inner_high, 0) - np.minimum(seen.inner_low, 0)
        if len(spans) != len(classes) or spans.max() < FLAT:
            continue
        kept = spans[classes == ONE]
        most = kept.max() if kept.size and kept.max() > FLAT else spans.max()
        for number, span in zip(classes.tolist(), spans.tolist(), strict=True):
            if number != ONE and span > FLAT:
                factor = min((most / span) ** share, MOST)
                scales[number] = min(scales.get(number, MOST), factor)
    return scales
