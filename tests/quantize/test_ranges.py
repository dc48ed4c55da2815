import numpy as np
import pytest

from quantize.ranges import BINS, Histogram, calibrate
from tests.quantize.graphs import Builder, run, samples, style_net
from validate.errors import BrushportError


def filled(*chunks):
    histogram = Histogram()
    for chunk in chunks:
        histogram.add(chunk, float(chunk.min()), float(chunk.max()))
    return histogram


def test_growing_loses_nothing():
    random = np.random.default_rng(0)
    chunks = [random.normal(0, scale, 5000).astype(np.float32) for scale in (0.1, 3.0, 0.5, 40.0)]
    histogram = filled(*chunks)
    every = np.concatenate(chunks)
    at_once = np.histogram(every, BINS, (-histogram.limit, histogram.limit))[0]
    assert histogram.counts.sum() == every.size
    assert np.abs(np.cumsum(histogram.counts) - np.cumsum(at_once)).max() <= 1
    assert histogram.span("minmax") == (every.min(), every.max())


def test_percentile_leaves_the_outermost_out():
    values = np.random.default_rng(0).normal(0, 1, 400_000).astype(np.float32)
    values[:5] = 1000.0
    low, high = filled(values).span("percentile")
    expected = np.percentile(values, [0.005, 99.995])
    assert (low, high) == pytest.approx(tuple(expected), abs=2 * 2048 / BINS)


def test_least_squares_finds_the_least_error():
    values = np.random.default_rng(0).laplace(0, 1, 200_000).astype(np.float32)

    def error(low, high):
        scale = (high - low) / 255
        return np.square(np.clip(np.round((values - low) / scale), 0, 255) * scale + low - values).mean()

    histogram = filled(values)
    best = error(*histogram.span("mse"))
    assert best < 0.8 * error(*histogram.span("minmax"))
    tried = [
        error(values.min() * f, values.max() * g) for f in np.linspace(0.2, 1, 15) for g in np.linspace(0.2, 1, 15)
    ]
    assert best <= min(tried) * 1.03


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("values", [[0.0, 0.0], [2.0, 2.0], [-1.0, -3.0], [0.0, 1.0], [1e-30, 1e30]])
def test_spans_stay_within_the_extremes(method, values):
    values = np.array(values, np.float32)
    low, high = filled(values).span(method)
    assert np.isfinite([low, high]).all()
    assert min(values.min(), 0) <= low <= high <= max(values.max(), 0)


def test_calibrate_sees_every_sample_and_exact_extremes():
    model = style_net()
    names = ["image", model.graph.outputs[0].name]
    feeds = samples(model, 3)
    histograms, count = calibrate(model, names, iter(feeds))
    assert count == 3
    assert histograms["image"].low == min(feed["image"].min() for feed in feeds)
    assert histograms["image"].high == max(feed["image"].max() for feed in feeds)
    assert histograms["image"].counts.sum() == 3 * 3 * 48 * 48
    painted = [run(model, feed)[0] for feed in feeds]
    assert histograms[names[1]].low == pytest.approx(min(p.min() for p in painted), rel=1e-5)
    assert histograms[names[1]].high == pytest.approx(max(p.max() for p in painted), rel=1e-5)


def test_thinning_of_large_tensors_meets_every_column():
    b = Builder([1, 3, 256, 256])
    model = b.build(b.op("Relu", "image"))
    ramp = np.broadcast_to(np.arange(256, dtype=np.float32) / 255, (1, 3, 256, 256))
    histograms, _ = calibrate(model, ["image"], [{"image": np.ascontiguousarray(ramp)}])
    assert np.count_nonzero(histograms["image"].counts) == 256
    assert histograms["image"].counts.sum() < 3 * 256 * 256


def test_nothing_to_calibrate_on_and_values_that_are_not_finite():
    model = style_net()
    with pytest.raises(BrushportError, match="no calibration photos"):
        calibrate(model, ["image"], [])
    with pytest.raises(BrushportError, match="not finite for calibration photo 1"):
        calibrate(model, ["image"], [{"image": np.full((1, 3, 48, 48), np.nan, np.float32)}])
    with pytest.raises(BrushportError, match="ONNX Runtime cannot run"):
        calibrate(model, ["image"], [{"image": np.zeros((1, 3, 8, 8), np.float32)}])
