import pytest

from export.hub.ranges import bounds
from tests.export.hub.graphs import prepared

INF = float("inf")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("s = Sigmoid(x) t = Tanh(x) y = Sub(s, t)", (-1, 2)),
        ("s = Sigmoid(x) t = Tanh(x) y = Add(s, t)", (-1, 2)),
        ("s = Sigmoid(x) t = Tanh(x) y = Mul(s, t)", (-1, 1)),
        ("t = Tanh(x) y = Mul(t, minus)", (-3, 3)),
        ("s = Sigmoid(x) y = Mul(s, minus)", (-3, 0)),
        ("s = Sigmoid(x) y = Div(s, minus)", (-1 / 3, 0)),
        ("t = Tanh(x) s = Sigmoid(x) y = Div(s, t)", (-INF, INF)),
        ("t = Tanh(x) y = Relu(t)", (0, 1)),
        ("y = Relu(x)", (0, INF)),
        ("y = Clip(x, minus)", (-3, INF)),
        ("t = Tanh(x) y = Clip(t, , zero)", (-1, 0)),
        ("s = Sigmoid(x) t = Tanh(x) y = Concat<axis=1>(s, t)", (-1, 1)),
        ('s = Sigmoid(x) y = Resize<mode="linear">(s, , scales)', (0, 1)),
        ('s = Sigmoid(x) y = Resize<mode="cubic">(s, , scales)', (-INF, INF)),  # overshoots
        ("y = Exp(x)", (-INF, INF)),
    ],
)
def test_bounds(body, expected):
    numbers = {"minus": -3.0, "zero": 0.0, "scales": [1.0, 1, 2, 2]}
    model = prepared("g (float[1,3,4,4] x) => (float[N,C,H,W] y)", body, numbers)
    assert bounds(model.graph.outputs[0]) == pytest.approx(expected)
