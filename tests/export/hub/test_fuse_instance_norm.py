import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.fuse_instance_norm import fuse_instance_norm
from tests.export.hub.graphs import apply, build, normal, ops, prepared

IMAGE = "g (float[1,5,6,7] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "hw": np.array([2, 3]),
    "last": np.array([2]),
    "negative": np.array([-1, -2]),
    "all": np.array([1, 2, 3]),
    "column": np.array([1, 5, 1, 1]),
    "flat": np.array([1, 5, -1]),
    "eps": np.float32(1e-3),
    "two": np.float32(2),
    "half": np.float32(0.5),
    "minus_half": np.float32(-0.5),
    "one": np.float32(1),
    "unbias": np.float32(42 / 41),
    "three": np.float32(3),
    "count": np.float32(42),
    "gamma": normal(1, 5, 1, 1),
    "beta": normal(5, 1, 1),
    "row": normal(7),
}
MEAN = "m = ReduceMean<keepdims=1>(x, hw) d = Sub(x, m) "
VARIANCE = MEAN + "q = Mul(d, d) v = ReduceMean<keepdims=1>(q, hw) e = Add(v, eps) "
STD = VARIANCE + "s = Sqrt(e) "

SPELLINGS = {
    "division": STD + "y = Div(d, s)",
    "squeezed variance": MEAN + "q = Mul(d, d) v = ReduceMean<keepdims=0>(q, hw) "
    "c = Reshape(v, column) e = Add(eps, c) s = Sqrt(e) y = Div(d, s)",
    "negative axes": "m = ReduceMean<keepdims=1>(x, negative) d = Sub(x, m) q = Pow(d, two) "
    "v = ReduceMean<keepdims=1>(q, negative) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "global average pools": "m = GlobalAveragePool(x) d = Sub(x, m) q = Pow(d, two) v = GlobalAveragePool(q) "
    "e = Add(v, eps) s = Pow(e, half) y = Div(d, s)",
    "mean taken twice": STD + "n = GlobalAveragePool(x) f = Sub(x, n) y = Div(f, s)",
    "reciprocal": STD + "r = Reciprocal(s) y = Mul(d, r)",
    "one over": STD + "r = Div(one, s) y = Mul(r, d)",
    "negative power": VARIANCE + "r = Pow(e, minus_half) y = Mul(d, r)",
    "sum": "t = ReduceSum(x, hw) m = Div(t, count) d = Sub(x, m) q = Mul(d, d) w = ReduceSum(q, hw) "
    "v = Div(w, count) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "sum of squares": MEAN + "w = ReduceSumSquare(d, hw) v = Div(w, count) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "unbiased": MEAN
    + "q = Mul(d, d) b = ReduceMean(q, hw) v = Mul(b, unbias) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "three times the variance": MEAN
    + "q = Mul(d, d) b = ReduceMean(q, hw) v = Mul(b, three) e = Add(v, one) s = Sqrt(e) y = Div(d, s)",
    "moments": "m = ReduceMean(x, hw) k = Mul(x, x) p = ReduceMean(k, hw) n = Mul(m, m) v = Sub(p, n) "
    "e = Add(v, eps) s = Sqrt(e) d = Sub(x, m) y = Div(d, s)",
    "flat view": "z = Reshape(x, flat) m = ReduceMean<keepdims=1>(z, last) d = Sub(z, m) q = Mul(d, d) "
    "v = ReduceMean<keepdims=1>(q, last) e = Add(v, eps) s = Sqrt(e) n = Div(d, s) sh = Shape(x) y = Reshape(n, sh)",
    "statistics of a flat view": "z = Reshape(x, flat) a = ReduceMean<keepdims=0>(z, last) m = Reshape(a, column) "
    "b = ReduceMean<keepdims=1>(z, last) c = Sub(z, b) q = Mul(c, c) w = ReduceMean<keepdims=0>(q, last) "
    "e = Add(w, eps) r = Sqrt(e) s = Reshape(r, column) d = Sub(x, m) y = Div(d, s)",
    "no epsilon": MEAN + "q = Mul(d, d) v = ReduceMean<keepdims=1>(q, hw) s = Sqrt(v) y = Div(d, s)",
}
SCALED = {
    "scale behind": STD + "n = Div(d, s) k = Mul(n, gamma) y = Add(k, beta)",
    "scale on the numerator": STD + "k = Mul(gamma, d) n = Div(k, s) y = Add(n, beta)",
    "scale on the inverse": VARIANCE + "r = Pow(e, minus_half) k = Mul(r, gamma) n = Mul(d, k) y = Add(beta, n)",
    "scale over deviation": STD + "k = Div(gamma, s) n = Mul(k, d) y = Add(n, beta)",
    "TensorFlow": VARIANCE
    + "r = Pow(e, minus_half) f = Mul(r, gamma) p = Mul(x, f) o = Mul(m, f) b = Sub(beta, o) y = Add(p, b)",
    "TensorFlow without shift": STD
    + "f = Reciprocal(s) p = Mul(f, x) o = Mul(f, m) n = Sub(p, o) k = Mul(n, gamma) y = Add(k, beta)",
}
NOT_THE_SAME = {
    "epsilon outside the root": MEAN
    + "q = Mul(d, d) v = ReduceMean<keepdims=1>(q, hw) r = Sqrt(v) s = Add(r, eps) y = Div(d, s)",
    "over channels too": "m = ReduceMean<keepdims=1>(x, all) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, all) "
    "e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "over all axes": "m = ReduceMean<keepdims=1>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q) "
    "e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "rows only": "m = ReduceMean<keepdims=1>(x, last) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<keepdims=1>(q, last) "
    "e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "another tensor's deviation": "z = Relu(x) m = ReduceMean(z, hw) d = Sub(z, m) q = Mul(d, d) v = ReduceMean(q, hw) "
    "e = Add(v, eps) s = Sqrt(e) n = ReduceMean(x, hw) f = Sub(x, n) y = Div(f, s)",
    "not centered": STD + "y = Div(x, s)",
    "variance instead of deviation": VARIANCE + "y = Div(d, e)",
    "second moment": "m = ReduceMean(x, hw) d = Sub(x, m) q = Mul(x, x) v = ReduceMean(q, hw) e = Add(v, eps) "
    "s = Sqrt(e) y = Div(d, s)",
    "other mean": STD + "n = Mul(m, two) f = Sub(x, n) y = Div(f, s)",
    "cube": MEAN + "q = Mul(d, d) c = Mul(q, q) v = ReduceMean(c, hw) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "scale along the row, inside": STD + "k = Mul(row, d) y = Div(k, s)",
}


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS)
def test_spelling(body):
    model = prepared(IMAGE, body, WEIGHTS)
    assert apply(fuse_instance_norm, model) == 1
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1}


@pytest.mark.parametrize("body", SCALED.values(), ids=SCALED)
def test_scale_and_shift_are_absorbed(body):
    model = prepared(IMAGE, body, WEIGHTS)
    assert apply(fuse_instance_norm, model) == 1
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1}


@pytest.mark.parametrize("body", SCALED.values(), ids=SCALED)
def test_computed_scale_and_shift_stay(body):
    """What a style input decides is multiplied and added behind the norm."""
    signature = "g (float[1,5,6,7] x, float[1,5,1,1] gamma, float[1,5,1,1] beta) => (float[N,C,H,W] y)"
    model = prepared(signature, body, {k: v for k, v in WEIGHTS.items() if k not in ("gamma", "beta")})
    assert apply(fuse_instance_norm, model) == 1
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1, "Mul": 1, "Add": 1}


@pytest.mark.parametrize("body", NOT_THE_SAME.values(), ids=NOT_THE_SAME)
def test_stays(body):
    model = prepared(IMAGE, body, WEIGHTS)
    assert apply(fuse_instance_norm, model) == 0
    assert ops(model)["InstanceNormalization"] == 0


def test_statistics_along_the_width_that_look_like_channels():
    """A mean of shape (C,) broadcasts along the width: with C == W it fits, and is no instance norm."""
    body = (
        "m = ReduceMean<keepdims=0>(x, hw) f = Reshape(m, flat) d = Sub(x, f) q = Mul(d, d) "
        "v = ReduceMean<keepdims=1>(q, hw) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)"
    )
    weights = {"hw": np.array([2, 3]), "flat": np.array([5]), "eps": np.float32(1e-3)}
    model = prepared("g (float[1,5,6,5] x) => (float[N,C,H,W] y)", body, weights)
    assert apply(fuse_instance_norm, model) == 0


def test_older_opset_with_axes_as_attribute():
    from export.hub.folding import fold_constants
    from export.hub.opset import standardize
    from export.hub.shapes import infer_shapes

    body = (
        "m = ReduceMean<axes=[2,3]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes=[2,3]>(q) e = Add(v, eps) "
        "s = Sqrt(e) y = Div(d, s)"
    )
    model = standardize(build(IMAGE, body, {"eps": np.float32(1e-3)}, opset=11))
    fold_constants(model)
    infer_shapes(model)
    assert apply(fuse_instance_norm, model) == 1
