import numpy as np
import pytest

from export.hub.passes.fold_affine import fold_affine
from export.hub.passes.fold_linear import fold_linear
from export.hub.passes.merge_affine import merge_affine
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,4,8,9] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "two": np.float32(2),
    "one": np.float32(1),
    "third": np.float32(1 / 3),
    "zero": np.float32(0),
    "minus": np.float32(-2.5),
    "k": normal(4, 1, 1) + 2,
    "t": normal(4, 1, 1, seed=1),
    "signs": np.array([3, -3, 3, -3], np.float32).reshape(4, 1, 1),
    "row": normal(9),
    "w": normal(6, 4, 3, 3),
    "u": normal(4, 6, 3, 3),
    "g": normal(4),
    "b": normal(4, seed=1),
    "m": normal(4, seed=2),
    "v": np.abs(normal(4, seed=3)) + 0.5,
    "edges": np.array([0, 0, 1, 2, 0, 0, 1, 1]),
    "channels": np.array([0, 1, 1, 1, 0, 0, 1, 1]),
    "w5": normal(6, 5, 3, 3),
}
CHAINS = {
    "2x − 1 of x/3": ("a = Mul(x, third) c = Mul(a, two) d = Sub(c, one) y = Div(d, third)", {"Mul": 1, "Add": 1}),
    "two scales": ("a = Mul(x, k) y = Div(a, third)", {"Mul": 1}),
    "two shifts": ("a = Add(x, t) y = Sub(a, one)", {"Add": 1}),
    "negated": ("a = Neg(x) c = Mul(a, two) y = Add(c, t)", {"Mul": 1, "Add": 1}),
    "one minus": ("a = Sub(one, x) y = Mul(a, two)", None),
    "scale and shift": ("a = Mul(x, two) y = Sub(a, one)", None),
    "used between": ("a = Mul(x, two) c = Mul(a, third) y = Sub(c, a)", None),
    "along the width": ("a = Mul(x, row) y = Mul(a, two)", None),
    "divided by x": ("a = Mul(x, two) y = Div(one, a)", None),
}


@pytest.mark.parametrize(("body", "left"), CHAINS.values(), ids=CHAINS)
def test_chain(body, left):
    model = prepared(IMAGE, body, WEIGHTS)
    before = ops(model)
    assert apply(merge_affine, model) == (left is not None)
    assert ops(model) == (before if left is None else left)


NORM = "y = InstanceNormalization<epsilon=0.01>(a, g, b)"
GROUP = "y = GroupNormalization<num_groups=2, epsilon=0.01>(a, g, b)"


@pytest.mark.parametrize(
    ("before", "norm", "left"),
    [
        ("a = Add(x, t)", NORM, 1),
        ("a = Mul(x, two)", NORM, 1),
        ("a = Mul(x, minus)", NORM, 1),
        ("a = Div(x, signs)", NORM, 1),
        ("c = Mul(x, two) a = Sub(c, one)", NORM, 1),
        ("a = Mul(x, k)", NORM, 2),  # each channel has an ε of its own then
        ("a = Mul(x, zero)", NORM, 2),
        ("a = Add(x, row)", NORM, 2),
        ("a = Sub(x, one)", GROUP, 1),
        ("a = Mul(x, minus)", GROUP, 1),
        ("a = Add(x, t)", GROUP, 2),  # the group's mean takes the mean of t away, not t
        ("a = Mul(x, signs)", GROUP, 2),
        ("a = Add(x, one)", "y = LayerNormalization<axis=3>(a, row)", 1),
        ("a = Mul(x, minus)", "y = LayerNormalization<axis=-1>(a, row)", 1),
        ("a = Add(x, t)", "y = LayerNormalization<axis=1>(a, p)", 2),
    ],
)
def test_in_front_of_a_normalization(before, norm, left):
    signature = "g (float[1,4,8,9] x) => (float[1,4,8,9] y)"
    model = prepared(signature, f"{before} {norm}", {**WEIGHTS, "p": normal(4, 8, 9)})
    apply(lambda m: merge_affine(m) + merge_affine(m), model)
    assert sum(ops(model).values()) == left


def test_sum_that_is_used_otherwise_keeps_its_shift():
    model = prepared(IMAGE, "a = Add(x, t) n = InstanceNormalization(a, g, b) y = Mul(n, a)", WEIGHTS)
    assert apply(merge_affine, model) == 0


PADDED = {
    "2x − 1": ("a = Mul(x, two) s = Sub(a, one) y = Conv<pads=[1,1,1,1]>(s, w)", {"Add": 1, "Conv": 1}),
    "batch norm": ("s = BatchNormalization(x, g, b, m, v) y = Conv<pads=[1,1,1,1]>(s, w)", {"Add": 1, "Conv": 1}),
    "transposed": ("a = Mul(x, k) s = Add(a, t) y = ConvTranspose(s, u)", {"Add": 1, "ConvTranspose": 1}),
    "reflected": ('a = Mul(x, k) s = Add(a, t) p = Pad<mode="reflect">(s, edges) y = Conv(p, w)',
                  {"Pad": 1, "Conv": 1}),
    "repeated": ('s = Sub(x, one) p = Pad<mode="edge">(s, edges) y = Conv(p, w)', {"Pad": 1, "Conv": 1}),
    "zeros around a scale": ("s = Mul(x, k) p = Pad(s, edges, zero) y = Conv(p, w)", {"Pad": 1, "Conv": 1}),
    "zeros around a shift": ("s = Add(x, t) p = Pad(s, edges) y = Conv(p, w)", None),
    "ones around a scale": ("s = Mul(x, k) p = Pad(s, edges, one) y = Conv(p, w)", None),
    "a padded channel": ('s = Mul(x, k) p = Pad<mode="edge">(s, channels) y = Conv(p, w5)', None),
    "reflected, then padded": ('s = Add(x, t) p = Pad<mode="reflect">(s, edges) y = Conv<pads=[1,1,1,1]>(p, w)', None),
    "a scale of zero": ("a = Mul(x, zero) s = Add(a, t) y = Conv<pads=[1,1,1,1]>(s, w)", None),
    "padded picture used twice": (
        'a = Mul(x, k) p = Pad<mode="edge">(a, edges) c = Conv(p, w) h = ReduceMax(p) y = Mul(c, h)',
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "left"), PADDED.values(), ids=PADDED)
def test_in_front_of_a_padded_convolution(body, left):
    model = prepared(IMAGE, body, WEIGHTS)
    before = ops(model)
    apply(lambda m: fold_affine(m) + fold_affine(m) + fold_affine(m), model)
    assert ops(model) == (before if left is None else left)


VECTOR, TOKENS = "g (float[3,4] x) => (float[N,C] y)", "g (float[2,3,4] x) => (float[N,L,C] y)"
MATRIX = {"a": normal(4, 6), "turned": normal(6, 4), "c": normal(6), "s": normal(6), "i": normal(4), "n": np.float32(2)}
BATCH = {"g6": normal(6), "b6": normal(6, seed=1), "m6": normal(6, seed=2), "v6": np.abs(normal(6, seed=3)) + 0.5}
LINEAR = {
    "bias": (VECTOR, "p = MatMul(x, a) y = Add(p, c)", {"Gemm": 1}),
    "scale and bias": (VECTOR, "p = MatMul(x, a) q = Mul(p, s) y = Sub(q, c)", {"Gemm": 1}),
    "batch norm": (VECTOR, "p = Gemm<transB=1, alpha=0.5>(x, turned, c) y = BatchNormalization(p, g6, b6, m6, v6)",
                   {"Gemm": 1}),
    "in front": (VECTOR, "p = Mul(x, i) q = Sub(p, n) y = Gemm<beta=2.0>(q, a, c)", {"Gemm": 1}),
    "scale of tokens": (TOKENS, "p = MatMul(x, a) y = Mul(p, s)", {"MatMul": 1}),
    "scale in front of tokens": (TOKENS, "p = Div(x, n) y = MatMul(p, a)", {"MatMul": 1}),
    "shift of tokens": (TOKENS, "p = MatMul(x, a) y = Add(p, c)", None),
    "scale of each token": (TOKENS, "p = MatMul(x, a) y = Mul(p, each)", None),
    "used twice": (VECTOR, "p = MatMul(x, a) q = Mul(p, s) y = Add(q, p)", None),
    "transposed product": (VECTOR, "t = Mul(x, n) y = Gemm<transA=1>(t, first)", None),
}  # fmt: skip


@pytest.mark.parametrize(("signature", "body", "left"), LINEAR.values(), ids=LINEAR)
def test_linear(signature, body, left):
    model = prepared(signature, body, {**MATRIX, **BATCH, "each": normal(3, 1), "first": normal(3, 2)})
    before = ops(model)
    apply(lambda m: fold_linear(m) + fold_linear(m) + fold_linear(m), model)
    assert ops(model) == (before if left is None else left)
