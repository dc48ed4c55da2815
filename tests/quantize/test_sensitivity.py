import numpy as np
import pytest

from quantize import count_macs, sensitivity
from quantize.judge import Aim, Judge
from quantize.qdq import calibrated_values, why_not
from quantize.ranges import calibrate
from quantize.sensitivity import Sensitivity, neighbors
from tests.quantize.graphs import Builder, ports, samples, style_net


@pytest.fixture(scope="module")
def measured():
    """A function that makes the :class:`Sensitivity` of a style network, and the names of its convolutions."""
    model = style_net(size=96)
    feeds = samples(model, 2)
    nodes = [node for node in model.graph if why_not(node) is None]
    spans = {name: one.span("minmax") for name, one in calibrate(model, calibrated_values(nodes), feeds)[0].items()}
    judge = Judge(model, feeds, ports(model)["outputs"])
    names = [node.name for node in nodes]
    return lambda: Sensitivity(model, model, judge, spans, Aim(), sum(count_macs(model).values())), names, judge


def test_small_graphs_are_measured_as_they_are(measured):
    make, names, judge = measured
    assert make().judge is judge
    assert make().cost(names) > max(make().cost([name]) for name in names) > 0


def test_large_ones_at_half_the_size_with_costs_that_add_up_as_at_full_size(measured, monkeypatch):
    make, names, _ = measured
    full = make()
    monkeypatch.setattr(sensitivity, "LARGE", 0)
    monkeypatch.setattr(sensitivity, "LEAST_SIDE", 64)
    small = make()
    assert small.judge.expected[0][0].shape == (1, 3, 48, 48)
    small.calibrate(names, full.cost(names))
    assert small.cost(names) == pytest.approx(full.cost(names))
    alone = [[one.cost([name]) for name in names] for one in (full, small)]
    assert np.argmax(alone[0]) == np.argmax(alone[1])


def test_neighbors_round_the_same_tensor():
    b = Builder([1, 3, 48, 48])
    x = b.op("Relu", b.conv(b.conv("image", 3, 8), 8, 8, group=8))
    model = b.build(b.op("Add", b.conv(x, 8, 3), b.conv(x, 8, 3)))
    first, depthwise, one, other = names = [node.name for node in model.graph if node.op_type == "Conv"]
    expected = {(first, depthwise), (depthwise, one), (depthwise, other), (one, other)}
    assert set(neighbors(model, names)) == expected
    assert set(neighbors(model, names[1:])) == expected - {(first, depthwise)}
    b = Builder([1, 3, 48, 48])
    beside = b.build(b.op("Add", b.conv("image", 3, 3), b.conv("image", 3, 3)))
    assert neighbors(beside, [node.name for node in beside.graph if node.op_type == "Conv"]) == []
