import numpy as np
import pytest

from quantize.headroom import MOST, SHARE, probable, with_headroom
from quantize.ranges import calibrate
from tests.quantize.graphs import Builder, samples


def network():
    b = Builder([1, 3, 48, 48])
    x = b.op("Relu", b.conv("image", 3, 4))
    y = b.conv(x, 4, 3)
    return b.build(y), x, y


def calibrated():
    model, x, y = network()
    histograms, _ = calibrate(model, [x, y], samples(model))
    return model, x, y, histograms, {name: histogram.span("percentile") for name, histogram in histograms.items()}


def nodes(model):
    return [node.name for node in model.graph if node.op_type == "Conv"]


def test_what_costs_nothing_reaches_as_far_as_is_probable_and_a_relu_stays_at_zero():
    model, x, y, histograms, spans = calibrated()
    grown = with_headroom(model, dict.fromkeys(nodes(model), 0.0), spans, histograms)
    for name in (x, y):
        _, high = probable(histograms[name])
        wide = min(high, 0 + spans[name][1] * MOST)
        assert grown[name][1] == pytest.approx(max(wide, spans[name][1]), rel=1e-6)
    assert grown[x][0] == 0.0
    assert grown[y][0] < spans[y][0]


def test_what_costs_grows_by_no_more_noise_than_its_share():
    model, x, y, histograms, spans = calibrated()
    first, second = nodes(model)
    costs = {first: 0.5, second: 1e-12}
    grown = with_headroom(model, costs, spans, histograms)
    width = {name: (np.ptp(grown[name]) / np.ptp((min(spans[name][0], 0), spans[name][1]))) for name in (x, y)}
    most = np.sqrt(1 + SHARE / 2 / 0.5)
    assert 1 < width[x] <= most * (1 + 1e-9)  # the second reads it, too: the dearer decides
    assert width[y] > most


def test_other_tensors_keep_their_range():
    model, x, y, histograms, spans = calibrated()
    grown = with_headroom(model, dict.fromkeys(nodes(model), 0.0), spans | {"image": (0.0, 1.0)}, {y: histograms[y]})
    assert grown[x] == spans[x]
    assert grown["image"] == (0.0, 1.0)


def test_probable_is_the_extreme_and_as_much_again_as_it_lies_outside_the_median():
    model, x, _, histograms, _ = calibrated()
    lows, highs = np.array(histograms[x].tails).T
    low, high = probable(histograms[x])
    assert high == pytest.approx(highs.max() + (highs.max() - np.median(highs)))
    assert low == pytest.approx(lows.min() - (np.median(lows) - lows.min()))
    assert len(histograms[x].tails) == len(samples(model))
