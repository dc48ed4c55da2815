import numpy as np
import pytest

from export.hub.passes.drop_expand import drop_expand
from tests.export.hub.graphs import apply, ops, prepared

IMAGE = "g (float[1,4,6,8] x, float[1,4,1,1] w) => (float[N,C,H,W] y)"
WEIGHTS = {"full": np.array([1, 4, 6, 8]), "rows": np.array([1, 4, 6, 1])}
DROPPED = {
    "squeeze and excite": "e = Expand(w, full) y = Mul(x, e)",
    "first": "e = Expand(w, full) y = Sub(e, x)",
    "one of two": "e = Expand(w, full) f = Expand(w, full) y = Add(e, f)",
    "in part": "e = Expand(w, rows) y = Max(x, e, w)",
    "Where": "c = Greater(x, w) e = Expand(w, full) y = Where(c, x, e)",
}
KEPT = {
    "not as far": "s = Sigmoid(w) e = Expand(s, full) y = Add(w, e)",
    "PRelu": "e = Expand(w, full) y = PRelu(e, x)",
    "no broadcasting": "e = Expand(w, full) y = Concat<axis=1>(x, e)",
}


@pytest.mark.parametrize("body", DROPPED.values(), ids=DROPPED)
def test_dropped(body):
    model = prepared(IMAGE, body, WEIGHTS)
    before = ops(model)["Expand"]
    assert apply(drop_expand, model) == 1
    assert ops(model)["Expand"] == before - 1


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_kept(body):
    model = prepared(IMAGE, body, WEIGHTS)
    assert apply(drop_expand, model) == 0
