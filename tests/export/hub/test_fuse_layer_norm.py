import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.fuse_group_norm import fuse_group_norm
from export.hub.passes.fuse_layer_norm import fuse_layer_norm
from tests.export.hub.graphs import apply, normal, ops, prepared

TOKENS = "g (float[1,6,10] x) => (float[N,L,D] y)"
IMAGE = "g (float[1,6,5,7] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "last": np.array([-1]),
    "last_two": np.array([1, 2]),
    "rows": np.array([1]),
    "chw": np.array([1, 2, 3]),
    "rest": np.array([2, 3, 4]),
    "flat_rest": np.array([2]),
    "channels": np.array([1]),
    "groups": np.array([1, 3, 2, 5, 7]),
    "flat": np.array([1, 3, -1]),
    "image": np.array([1, 6, 5, 7]),
    "eps": np.float32(1e-3),
    "two": np.float32(2),
    "minus_half": np.float32(-0.5),
    "unbias": np.float32(10 / 9),
    "one": np.float32(1),
    "gamma": normal(10),
    "beta": normal(10, seed=1),
    "plane": normal(6, 10),
    "token": normal(6, 1),
    "number": np.float32(0.7),
    "each": normal(6, 1, 1),
    "shift": normal(6, 1, 1, seed=1),
    "group_scale": normal(3, 1, 1, 1),
    "root_count": np.float32(np.sqrt(10)),
}


def chain(axes, end="y = Div(d, s)", variance="q = Mul(d, d) v = ReduceMean(q, {axes})"):
    return (
        f"m = ReduceMean(x, {axes}) d = Sub(x, m) {variance} e = Add(v, eps) s = Sqrt(e) ".replace("{axes}", axes) + end
    )


LAYER_NORMS = {
    "division": chain("last"),
    "PyTorch before opset 17": chain(
        "last", "n = Div(d, s) k = Mul(n, gamma) y = Add(k, beta)", "q = Pow(d, two) v = ReduceMean(q, {axes})"
    ),
    "reciprocal": chain("last", "r = Reciprocal(s) n = Mul(d, r) k = Mul(gamma, n) y = Add(beta, k)"),
    "Keras": chain(
        "last", "i = Reciprocal(s) f = Mul(i, gamma) p = Mul(x, f) t = Mul(m, f) u = Sub(beta, t) y = Add(p, u)"
    ),
    "without a gain": chain("last", "i = Reciprocal(s) p = Mul(x, i) t = Mul(m, i) u = Sub(beta, t) y = Add(p, u)"),
    "gain over deviation": chain("last", "f = Div(gamma, s) y = Mul(d, f)"),
    "gain on the numerator": chain("last", "k = Mul(d, gamma) n = Div(k, s) y = Sub(n, beta)"),
    "unbiased": chain("last", variance="q = Mul(d, d) b = ReduceMean(q, last) v = Mul(b, unbias)"),
    "moments": chain("last", variance="k = Mul(x, x) p = ReduceMean(k, last) n = Mul(m, m) v = Sub(p, n)"),
    "norm": "m = ReduceMean(x, last) d = Sub(x, m) l = ReduceL2(d, last) s = Div(l, root_count) y = Div(d, s)",
    "squared norm": chain("last", variance="l = ReduceL2(d, last) q = Pow(l, two) t = Div(q, root_count) "
    "v = Div(t, root_count)"),
    "two axes": chain("last_two", "n = Div(d, s) k = Mul(n, plane) y = Add(k, beta)"),
    "one number": chain("last", "n = Div(d, s) k = Mul(n, number) y = Div(k, number)"),
}  # fmt: skip


@pytest.mark.parametrize("body", LAYER_NORMS.values(), ids=LAYER_NORMS)
def test_layer_norm(body):
    model = prepared(TOKENS, body, WEIGHTS)
    assert apply(fuse_layer_norm, model) >= 1
    apply(simplify, model)
    assert ops(model) == {"LayerNormalization": 1}


OTHERS = {
    "the root of the variance plus epsilon": "m = ReduceMean(x, last) d = Sub(x, m) q = Mul(d, d) "
    "v = ReduceMean(q, last) r = Sqrt(v) s = Add(r, eps) y = Div(d, s)",
    "not over the last axis": chain("rows"),
    "deviation over other axes": "m = ReduceMean(x, last) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, last_two) "
    "e = Add(v, eps) s = Sqrt(e) y = Div(d, s)",
    "no mean": "q = Mul(x, x) v = ReduceMean(q, last) e = Add(v, eps) s = Sqrt(e) y = Div(x, s)",
    "a third root": chain("last", "t = Sqrt(s) y = Div(d, t)"),
    "shift of another mean": chain(
        "last", "i = Reciprocal(s) p = Mul(x, i) w = Mul(m, two) t = Mul(w, i) u = Sub(beta, t) y = Add(p, u)"
    ),
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_stays(body):
    model = prepared(TOKENS, body, WEIGHTS)
    apply(simplify, model)
    assert ops(model)["LayerNormalization"] == ops(model)["GroupNormalization"] == 0


@pytest.mark.parametrize("squeezed", [(0, 1), (1, 0)])
def test_statistics_along_the_last_axis_that_look_like_tokens(squeezed):
    """A mean of shape (1, 6) broadcasts along the last axis: with as many places as tokens it fits, and is no mean."""
    mean, variance = squeezed
    body = (
        f"m = ReduceMean<keepdims={mean}>(x, last) c = ReduceMean(x, last) d = Sub(x, m) f = Sub(x, c) q = Mul(f, f) "
        f"v = ReduceMean<keepdims={variance}>(q, last) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)"
    )
    model = prepared("g (float[1,6,6] x) => (float[N,L,D] y)", body, {k: WEIGHTS[k] for k in ("last", "eps")})
    apply(simplify, model)
    assert ops(model)["LayerNormalization"] == 0


@pytest.mark.parametrize("end", ["y = Mul(n, token)", "k = Mul(n, gamma) y = Add(n, k)", "y = Div(one, n)"])
def test_scale_that_is_not_the_norms_own(end):
    model = prepared(TOKENS, chain("last", f"n = Div(d, s) {end}"), WEIGHTS)
    apply(simplify, model)
    assert ops(model)["LayerNormalization"] == 1
    assert sum(ops(model).values()) > 1


IN_GROUPS = "a = Reshape(x, groups) m = ReduceMean(a, rest) d = Sub(a, m) q = Mul(d, d) v = ReduceMean(q, rest) "
ONE_GROUP = chain("chw", "n = Div(d, s) k = Mul(n, each) y = Add(k, shift)")
GROUP_NORMS = {
    "five axes": IN_GROUPS + "e = Add(v, eps) s = Sqrt(e) f = Div(d, s) n = Reshape(f, image) k = Mul(n, each) "
    "y = Add(k, shift)",
    "three axes": IN_GROUPS.replace("groups", "flat").replace("rest", "flat_rest")
    + "e = Add(v, eps) r = Pow(e, minus_half) f = Mul(d, r) n = Reshape(f, image) y = Mul(n, each)",
    "one group": ONE_GROUP,
    "instance norm of groups": "a = Reshape(x, flat) f = InstanceNormalization(a, three, three) n = Reshape(f, image) "
    "k = Mul(n, each) y = Add(k, shift)",
    "Keras": IN_GROUPS + "e = Add(v, eps) s = Sqrt(e) i = Reciprocal(s) p = Mul(a, i) t = Mul(m, i) o = Sub(p, t) "
    "n = Reshape(o, image) k = Mul(n, each) y = Add(k, shift)",
}


@pytest.mark.parametrize("body", GROUP_NORMS.values(), ids=GROUP_NORMS)
def test_group_norm(body):
    model = prepared(IMAGE, body, {**WEIGHTS, "three": normal(3)})
    apply(lambda m: fuse_layer_norm(m) + fuse_group_norm(m), model)
    apply(simplify, model)
    assert ops(model) == {"GroupNormalization": 1}


def test_a_scale_of_each_group_stays_right():
    body = IN_GROUPS + "e = Add(v, eps) s = Sqrt(e) f = Div(d, s) n = Mul(f, group_scale) y = Reshape(n, image)"
    model = prepared(IMAGE, body, WEIGHTS)
    apply(simplify, model)
    assert ops(model)["GroupNormalization"] == 1


def test_groups_that_are_no_channels_stay():
    """Channels shuffled into the view: a row of it is no run of channels any more."""
    body = "t = Transpose<perm=[0,2,1,3]>(x) a = Reshape(t, flat) f = InstanceNormalization(a, three, three) "
    body += "n = Reshape(f, turned) y = Transpose<perm=[0,2,1,3]>(n)"
    weights = {"flat": np.array([1, 3, -1]), "three": normal(3), "turned": np.array([1, 6, 6, 7])}
    model = prepared("g (float[1,6,6,7] x) => (float[N,C,H,W] y)", body, weights)
    apply(simplify, model)
    assert ops(model)["GroupNormalization"] + ops(model)["Transpose"] == 3


@pytest.mark.parametrize(("groups", "op"), [(6, "InstanceNormalization"), (3, "GroupNormalization")])
def test_as_many_groups_as_channels(groups, op):
    body = f"y = GroupNormalization<num_groups={groups}, epsilon=0.01>(x, s, b)"
    model = prepared("g (float[1,6,5,7] x) => (float[1,6,5,7] y)", body, {"s": normal(6), "b": normal(6, seed=1)})
    assert apply(fuse_group_norm, model) == (groups == 6)
    assert ops(model) == {op: 1}


def test_a_mean_that_something_else_reads_stays():
    body = "n, m = LayerNormalization(x, gamma) z = Mul(n, gamma) y = Add(z, m)"
    model = prepared(TOKENS, body, WEIGHTS)
    apply(simplify, model)
    assert ops(model)["LayerNormalization"] == 2
