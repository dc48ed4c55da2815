"""GELU, Mish, LeakyRelu, PRelu and Clip in the spellings of exporters, and functions that only look like them."""

import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.fuse_clip import fuse_clip
from export.hub.passes.fuse_gelu import fuse_gelu
from export.hub.passes.fuse_leaky_relu import fuse_leaky_relu
from export.hub.passes.fuse_mish import fuse_mish
from export.hub.passes.order_operands import order_operands
from export.hub.passes.unwrap_view import unwrap_view
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
C = np.sqrt(2 / np.pi)
WEIGHTS = {
    "half": np.float32(0.5),
    "one": np.float32(1),
    "two": np.float32(2),
    "three": np.float32(3),
    "zero": np.float32(0),
    "minus": np.float32(-1),
    "six": np.float32(6),
    "root2": np.float32(np.sqrt(2)),
    "inverse_root2": np.float32(np.sqrt(0.5)),
    "c": np.float32(C),
    "c2": np.float32(2 * C),
    "k": np.float32(0.044715),
    "kc": np.float32(0.044715 * C),
    "quick": np.float32(1.702),
    "slope": np.float32(0.2),
    "steep": np.float32(1.5),
    "each": np.abs(normal(4, 1, 1)) * 0.3,
    "each_negative": -np.abs(normal(4, 1, 1)) * 0.3,
    "row": np.abs(normal(8)) * 0.3,
    "twenty": np.float32(20),
    "number": np.array([0.5]),
}
CUBIC = "p = Pow(x, three) q = Mul(p, k) r = Add(x, q) a = Mul(r, c) "
GELUS = {
    "PyTorch": "d = Div(x, root2) e = Erf(d) f = Add(e, one) g = Mul(x, f) y = Mul(g, half)",
    "half first": "h = Mul(half, x) d = Mul(x, inverse_root2) e = Erf(d) f = Add(one, e) y = Mul(h, f)",
    "half inside": "d = Mul(inverse_root2, x) e = Erf(d) m = Mul(e, half) f = Add(m, half) y = Mul(f, x)",
    "halved factor": "d = Div(x, root2) e = Erf(d) f = Add(e, one) m = Mul(f, half) y = Mul(x, m)",
    "divided by two": "d = Div(x, root2) e = Erf(d) f = Add(e, one) g = Mul(x, f) y = Div(g, two)",
    "expanded": "h = Mul(x, half) d = Div(x, root2) e = Erf(d) f = Mul(h, e) y = Add(h, f)",
    "tanh": CUBIC + "t = Tanh(a) f = Add(t, one) h = Mul(x, half) y = Mul(h, f)",
    "tanh of products": "s = Mul(x, x) p = Mul(s, x) q = Mul(k, p) r = Add(q, x) a = Mul(c, r) t = Tanh(a) "
    "f = Add(one, t) g = Mul(f, x) y = Mul(g, half)",
    "tanh, x taken out": "s = Mul(x, x) q = Mul(s, k) r = Add(q, one) b = Mul(x, c) a = Mul(b, r) t = Tanh(a) "
    "m = Mul(t, half) f = Add(m, half) y = Mul(x, f)",
    "sigmoid of twice": CUBIC + "b = Mul(a, two) s = Sigmoid(b) y = Mul(x, s)",
}
NO_GELUS = {
    "quick": "a = Mul(x, quick) s = Sigmoid(a) y = Mul(x, s)",
    "another root": "d = Div(x, two) e = Erf(d) f = Add(e, one) g = Mul(x, f) y = Mul(g, half)",
    "no half": "d = Div(x, root2) e = Erf(d) f = Add(e, one) y = Mul(x, f)",
    "minus one": "d = Div(x, root2) e = Erf(d) f = Sub(e, one) g = Mul(x, f) y = Mul(g, half)",
    "another tensor": "z = Relu(x) d = Div(z, root2) e = Erf(d) f = Add(e, one) g = Mul(x, f) y = Mul(g, half)",
    "tanh of the plain tensor": "a = Mul(x, c) t = Tanh(a) f = Add(t, one) h = Mul(x, half) y = Mul(h, f)",
    "square instead of cube": "p = Mul(x, x) q = Mul(p, k) r = Add(x, q) a = Mul(r, c) t = Tanh(a) f = Add(t, one) "
    "h = Mul(x, half) y = Mul(h, f)",
    "sigmoid of once": CUBIC + "s = Sigmoid(a) y = Mul(x, s)",
    "squared": "d = Div(x, root2) e = Erf(d) f = Add(e, one) g = Mul(f, f) h = Mul(x, g) y = Mul(h, half)",
}
MISHES = {
    "softplus": "s = Softplus(x) t = Tanh(s) y = Mul(x, t)",
    "logarithm": "e = Exp(x) a = Add(e, one) s = Log(a) t = Tanh(s) y = Mul(t, x)",
    "threshold": "s = Softplus(x) g = Greater(x, twenty) w = Where(g, x, s) t = Tanh(w) y = Mul(x, t)",
}
NO_MISHES = {
    "another tensor": "r = Relu(x) s = Softplus(r) t = Tanh(s) y = Mul(x, t)",
    "another number": "e = Exp(x) a = Add(e, two) s = Log(a) t = Tanh(s) y = Mul(x, t)",
    "sigmoid": "s = Softplus(x) t = Sigmoid(s) y = Mul(x, t)",
    "low threshold": "s = Softplus(x) g = Greater(x, two) w = Where(g, x, s) t = Tanh(w) y = Mul(x, t)",
}
LEAKY = {
    "maximum": "a = Mul(x, slope) y = Max(x, a)",
    "maximum turned": "a = Mul(slope, x) y = Max(a, x)",
    "minimum": "a = Mul(x, steep) y = Min(x, a)",
    "where above": "a = Mul(x, slope) g = Greater(x, zero) y = Where(g, x, a)",
    "where not below": "a = Mul(x, slope) g = GreaterOrEqual(x, zero) y = Where(g, x, a)",
    "where below": "a = Div(x, two) g = Less(x, zero) y = Where(g, a, x)",
    "where zero is above": "a = Mul(x, slope) g = Greater(zero, x) y = Where(g, a, x)",
    "two parts": "r = Relu(x) n = Neg(x) p = Relu(n) a = Mul(p, slope) y = Sub(r, a)",
    "two parts added": "r = Relu(x) n = Mul(x, minus) p = Relu(n) m = Neg(p) a = Mul(m, slope) y = Add(a, r)",
    "minimum added": "r = Relu(x) m = Min(x, zero) a = Mul(m, slope) y = Add(r, a)",
    "clip added": "r = Relu(x) m = Clip(x, , zero) a = Mul(m, slope) y = Add(r, a)",
    "Keras": "r = Relu(x) b = Abs(x) s = Sub(x, b) a = Mul(s, slope) h = Mul(a, half) y = Add(r, h)",
    "what Relu takes away": "r = Relu(x) s = Sub(x, r) a = Mul(s, slope) y = Add(r, a)",
}
NOT_LEAKY = {
    "maximum of a steep one": "a = Mul(x, steep) y = Max(x, a)",
    "minimum of a flat one": "a = Mul(x, slope) y = Min(x, a)",
    "another threshold": "a = Mul(x, slope) g = Greater(x, one) y = Where(g, x, a)",
    "turned round": "a = Mul(x, slope) g = Greater(x, zero) y = Where(g, a, x)",
    "another tensor": "z = Sigmoid(x) a = Mul(z, slope) y = Max(x, a)",
    "offset": "a = Add(x, slope) y = Max(x, a)",
    "other sides": "r = Relu(x) p = Relu(r) a = Mul(p, slope) y = Sub(r, a)",
    "clip from below": "r = Relu(x) m = Clip(x, minus, zero) a = Mul(m, slope) y = Add(r, a)",
}
CLIPS = {
    "maximum and minimum": ("a = Max(x, minus) y = Min(a, six)", "Clip"),
    "Relu6": ("a = Relu(x) y = Min(six, a)", "Clip"),
    "clip of a clip": ("a = Clip(x, minus, two) b = Clip(a, zero, six) y = Max(b, half)", "Clip"),
    "Relu of a clip": ("a = Clip(x, minus, two) y = Relu(a)", "Clip"),
    "maximum with zero": ("y = Max(x, zero)", "Relu"),
    "clip from zero": ("y = Clip(x, zero)", "Relu"),
    "Relu twice": ("a = Relu(x) y = Relu(a)", "Relu"),
    "two bounds of one side": ("a = Max(x, minus) y = Max(a, half)", "Clip"),
    "maximum alone": ("y = Max(x, half)", None),
    "clip alone": ("y = Clip(x, minus, six)", None),
    "bounds of each channel": ("a = Max(x, each) y = Min(a, six)", None),
    "bounds that cross": ("a = Max(x, six) y = Min(a, half)", "Clip"),
    "used between": ("a = Max(x, minus) b = Min(a, half) y = Mul(a, b)", None),
}


def changed(rewrite, body):
    """The model of ``body`` after one pass, checked against the model as it was."""
    model = prepared(IMAGE, body, WEIGHTS)
    apply(order_operands, model, tolerance=0)
    return model, apply(rewrite, model, tolerance=1e-6)


@pytest.mark.parametrize("body", GELUS.values(), ids=GELUS)
def test_gelu(body):
    model, fired = changed(fuse_gelu, body)
    assert fired == 1
    (node,) = model.graph
    assert (node.op_type, node.attributes["approximate"].value) == ("Gelu", "none" if "Erf" in body else "tanh")


@pytest.mark.parametrize("body", NO_GELUS.values(), ids=NO_GELUS)
def test_no_gelu(body):
    assert changed(fuse_gelu, body)[1] == 0


def test_gelu_of_a_product():
    """The argument is a product itself: it is x, and not a factor."""
    model, fired = changed(fuse_gelu, "z = Mul(x, two) d = Div(z, root2) e = Erf(d) f = Add(e, one) g = Mul(z, f) "
                           "y = Mul(g, half)")  # fmt: skip
    assert fired == 1
    assert ops(model) == {"Mul": 1, "Gelu": 1}


def test_gelu_that_adds_an_axis_stays():
    body = "d = Div(x, root2) e = Erf(d) f = Add(e, one) g = Mul(x, f) y = Mul(g, higher)"
    weights = {**WEIGHTS, "higher": np.full((1, 1, 1, 1, 1), 0.5, np.float32)}
    model = prepared("g (float[1,4,6,8] x) => (float[A,N,C,H,W] y)", body, weights)
    assert apply(fuse_gelu, model) == 0


@pytest.mark.parametrize("body", MISHES.values(), ids=MISHES)
def test_mish(body):
    model, _ = changed(lambda m: fuse_mish(m) + fuse_mish(m), body)
    assert ops(model) == {"Mish": 1}


@pytest.mark.parametrize("body", NO_MISHES.values(), ids=NO_MISHES)
def test_no_mish(body):
    model, _ = changed(lambda m: fuse_mish(m) + fuse_mish(m), body)
    assert ops(model)["Mish"] == 0


def test_softplus_with_a_threshold_of_large_numbers():
    """At 16.9 to 40, where the two branches would part."""
    body = "z = Mul(x, twenty) s = Softplus(z) g = Greater(z, twenty) y = Where(g, z, s)"
    model, fired = changed(fuse_mish, body)
    assert fired == 1
    assert ops(model) == {"Mul": 1, "Softplus": 1}


@pytest.mark.parametrize(("slope", "op"), [("slope", "LeakyRelu"), ("each", "PRelu"), ("number", "LeakyRelu")])
@pytest.mark.parametrize("body", LEAKY.values(), ids=LEAKY)
def test_leaky_relu(body, slope, op):
    model, fired = changed(fuse_leaky_relu, body.replace("slope", slope))
    assert fired == 1
    assert ops(model) == {op if "slope" in body else "LeakyRelu": 1}


@pytest.mark.parametrize("slope", ["slope", "each"])
@pytest.mark.parametrize("body", NOT_LEAKY.values(), ids=NOT_LEAKY)
def test_not_leaky(body, slope):
    assert changed(fuse_leaky_relu, body.replace("slope", slope))[1] == 0


def test_slopes_along_the_width_stay():
    assert changed(fuse_leaky_relu, "a = Mul(x, row) y = Max(x, a)")[1] == 0


def test_negative_slopes():
    model, fired = changed(fuse_leaky_relu, "a = Mul(x, each_negative) y = Max(x, a)")
    assert (fired, ops(model)) == (1, {"PRelu": 1})


@pytest.mark.parametrize(("body", "op"), CLIPS.values(), ids=CLIPS)
def test_clip(body, op):
    model = prepared(IMAGE, body, WEIGHTS)
    apply(order_operands, model, tolerance=0)
    before = ops(model)
    fired = apply(fuse_clip, model, tolerance=0)
    assert ops(model) == (before if op is None else {op: 1})
    assert (fired > 0) == (op is not None)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("f = Reshape(x, rows) s = Softmax(f) y = Reshape(s, image)", {"Softmax": 1}),
        ("f = Flatten<axis=3>(x) s = LogSoftmax<axis=1>(f) y = Reshape(s, image)", {"LogSoftmax": 1}),
        ("f = Reshape(x, rows) s = Sigmoid(f) y = Reshape(s, image)", {"Sigmoid": 1}),
        ("f = Reshape(x, rows) s = Softmax<axis=0>(f) y = Reshape(s, image)", None),
        ("f = Reshape(x, wide) s = Softmax(f) y = Reshape(s, image)", None),
        ("f = Reshape(x, rows) s = Softmax(f) y = Reshape(s, other)", None),
    ],
)
def test_view_around_a_function(body, left):
    weights = {"rows": (24, 8), "image": (1, 4, 6, 8), "wide": (12, 16), "other": (1, 6, 4, 8)}
    model = prepared(IMAGE, body, {k: np.array(v) for k, v in weights.items()})
    before = ops(model)
    assert apply(unwrap_view, model) == (left is not None)
    assert ops(model) == (left or before)


def test_all_of_them_in_one_go():
    body = "a = Relu(x) b = Min(a, six) s = Softplus(b) t = Tanh(s) m = Mul(b, t) l = Mul(m, slope) y = Max(m, l)"
    model = prepared(IMAGE, body, WEIGHTS)
    apply(simplify, model)
    assert ops(model) == {"Clip": 1, "Mish": 1, "LeakyRelu": 1}
