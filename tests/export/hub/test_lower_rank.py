import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.lower_rank import MAX_RANK, lower_rank
from export.hub.passes.rewrite import dims
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,12,4,6] x) => (float[N,C,H,W] y)"
SEVEN = "s = Reshape(x, seven)"  # [1, 2, 3, 2, 4, 2, 3]
WEIGHTS = {
    "seven": np.array([1, 2, 3, 2, 4, 2, 3]),
    "all": np.array([1, 12, 4, 6]),
    "six": np.array([1, 2, 3, 8, 2, 3]),
    "fewer": np.array([1, 4, 4, 6]),
    "rows": np.array([1, 4, 4, 9]),
    "channels": normal(1, 2, 3, 1, 1, 1, 1),
    "rank2": normal(2, 3),
    "second": np.array([2]),
    "ends": np.array([1, 2, 6]),
    "every": np.array([], np.int64),
    "picked": np.array([[0, 1, 2], [1, 2, 2]]),
    "three": np.array([1, 4, 24, 6]),
    "odd": normal(1, 2, 1, 2, 1, 2, 1),
    "small": np.float32(0.1),
}
LOWERED = {
    "unary": "f = LeakyRelu(s) y = Reshape(f, all)",
    "Clip": "f = Clip(s, small) y = Reshape(f, all)",
    "broadcasting": "f = Mul(s, channels) y = Reshape(f, all)",
    "fewer axes": "f = Sub(rank2, s) y = Reshape(f, all)",
    "Where": "c = Less(s, channels) f = Where(c, s, small) y = Reshape(f, all)",
    "Softmax": "f = Softmax<axis=-5>(s) y = Reshape(f, all)",
    "ReduceSum": "f = ReduceSum<keepdims=0>(s, second) y = Reshape(f, fewer)",
    "ReduceL2 of several": "f = ReduceL2(s, ends) e = Expand(f, seven) y = Reshape(e, all)",
    "Gather": "f = Gather<axis=6>(s, picked) y = Reshape(f, three)",
}
KEPT = {
    "all axes, and none": "r = ReduceMean(s) y = Mul(x, x)",
    "Transpose": "f = Transpose<perm=[0,2,1,3,4,5,6]>(s) y = Reshape(f, all)",
    "axes that alternate": "f = Add(s, odd) y = Reshape(f, all)",
}


def widest(model) -> int:
    """The most axes an operator sees that computes something."""
    moving = ("Reshape", "Expand")
    return max(len(dims(v)) for node in model.graph if node.op_type not in moving for v in node.inputs if v is not None)


@pytest.mark.parametrize("body", LOWERED.values(), ids=LOWERED)
def test_lowered(body):
    model = prepared(IMAGE, f"{SEVEN} {body}", WEIGHTS)
    assert widest(model) > MAX_RANK
    assert apply(lower_rank, model) >= 1
    assert widest(model) <= MAX_RANK


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_kept(body):
    model = prepared(IMAGE, f"{SEVEN} {body}", WEIGHTS)
    assert apply(lower_rank, model) == 0


def test_stays_lowered():
    """No other pass brings the axes back, and the views between the operators are few."""
    body = "a = LeakyRelu(s) b = Softmax<axis=2>(a) f = ReduceSum<keepdims=0>(b, second) y = Reshape(f, fewer)"
    model = prepared(IMAGE, f"{SEVEN} {body}", WEIGHTS)
    fired = apply_simplify(model)
    assert widest(model) <= MAX_RANK
    assert fired["lower_rank"] == 3
    assert ops(model)["Reshape"] <= 4


def test_views_of_many_axes_are_not_unwrapped_again():
    """Between two operators that keep their seven axes, where a View meets no other."""
    body = "a = Add(s, odd) b = LeakyRelu(a) c = Mul(b, odd) y = Reshape(c, all)"
    assert apply_simplify(prepared(IMAGE, f"{SEVEN} {body}", WEIGHTS))["lower_rank"] == 1


def apply_simplify(model) -> dict[str, int]:
    found = {}

    def rewrite(m) -> int:
        found.update(simplify(m))
        return sum(found.values())

    apply(rewrite, model)
    return found
