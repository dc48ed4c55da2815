import numpy as np
import pytest

from export.hub.passes.fuse_hard_swish import fuse_hard_swish
from export.hub.passes.order_operands import order_operands
from tests.export.hub.graphs import apply, ops, prepared

IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "zero": np.float32(0),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "three": np.float32(3),
    "minus_three": np.float32(-3),
    "six": np.float32(6),
    "seven": np.float32(7),
    "sixth": np.float32(1 / 6),
    "fifth": np.float32(0.2),
    "one_each": np.full((4, 1, 1), 3),
}
CLIP = "a = Add(z, three) c = Clip(a, zero, six) "
SWISHES = {
    "product, then division": CLIP + "m = Mul(z, c) y = Div(m, six)",
    "product, then factor": CLIP + "m = Mul(c, z) y = Mul(sixth, m)",
    "division, then product": CLIP + "d = Div(c, six) y = Mul(z, d)",
    "factor on the other side": CLIP + "d = Mul(z, sixth) y = Mul(c, d)",
    "division on the other side": CLIP + "d = Div(z, six) y = Mul(d, c)",
    "subtraction of minus three": "a = Sub(z, minus_three) c = Clip(a, zero, six) d = Div(c, six) y = Mul(z, d)",
    "clip to one": "b = Mul(z, sixth) a = Add(half, b) c = Clip(a, zero, one) y = Mul(z, c)",
    "relu and minimum": "a = Add(z, three) r = Relu(a) c = Min(r, six) d = Div(c, six) y = Mul(d, z)",
    "maximum and minimum": "a = Add(z, three) r = Max(a, zero) c = Min(six, r) m = Mul(z, c) y = Div(m, six)",
    "hard sigmoid": "h = HardSigmoid<alpha=0.16666667, beta=0.5>(z) y = Mul(z, h)",
    "hard sigmoid first": "h = HardSigmoid<alpha=0.16666667, beta=0.5>(z) y = Mul(h, z)",
}
SIGMOIDS = {
    "division": CLIP + "y = Div(c, six)",
    "factor": CLIP + "y = Mul(c, sixth)",
    "clip to one": "b = Div(z, six) a = Add(b, half) y = Clip(a, zero, one)",
    "Keras": "b = Mul(z, fifth) a = Add(half, b) y = Clip(a, zero, one)",
}
OTHERS = {
    "another bound": "a = Add(z, three) c = Clip(a, zero, seven) m = Mul(z, c) y = Div(m, six)",
    "another divisor": CLIP + "m = Mul(z, c) y = Div(m, seven)",
    "another offset": "a = Add(z, half) c = Clip(a, zero, six) m = Mul(z, c) y = Div(m, six)",
    "no lower bound": "a = Add(z, three) c = Min(a, six) m = Mul(z, c) y = Div(m, six)",
    "divided by the product": CLIP + "m = Mul(z, c) y = Div(six, m)",
    "another tensor": CLIP + "s = Sigmoid(z) m = Mul(s, c) y = Div(m, six)",
    "another hard sigmoid": "h = HardSigmoid(z) y = Mul(z, h)",
    "the wrong way round": "a = Sub(three, z) c = Clip(a, zero, six) m = Mul(z, c) y = Div(m, six)",
    "plain clip": "y = Clip(z, zero, one)",
}


@pytest.mark.parametrize("before", ["z = Neg(x)", "z = Relu(x)", "z = Mul(x, seven)"])
@pytest.mark.parametrize("body", SWISHES.values(), ids=SWISHES)
def test_hard_swish(body, before):
    model = prepared(IMAGE, f"{before} {body}", WEIGHTS)
    apply(order_operands, model, tolerance=0)
    assert apply(fuse_hard_swish, model) >= 1
    assert ops(model) == {before.split()[2].split("(")[0]: 1, "HardSwish": 1}


@pytest.mark.parametrize("before", ["z = Neg(x)", "z = Relu(x)"])
@pytest.mark.parametrize("body", SIGMOIDS.values(), ids=SIGMOIDS)
def test_hard_sigmoid(body, before):
    model = prepared(IMAGE, f"{before} {body}", WEIGHTS)
    apply(order_operands, model, tolerance=0)
    assert apply(fuse_hard_swish, model) == 1
    assert ops(model) == {before.split()[2].split("(")[0]: 1, "HardSigmoid": 1}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_stays(body):
    model = prepared(IMAGE, f"z = Neg(x) {body}", WEIGHTS)
    apply(order_operands, model, tolerance=0)
    before = ops(model)
    assert apply(fuse_hard_swish, model) == 0
    assert ops(model) == before
