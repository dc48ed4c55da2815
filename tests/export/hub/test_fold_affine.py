import numpy as np
import pytest

from export.hub.passes.fold_affine import fold_affine
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,4,8,8] x) => (float[N,C,H,W] y)"
W, B = normal(6, 4, 3, 3), normal(6)
BATCH_NORM = {"g": normal(6), "o": normal(6, seed=1), "m": normal(6, seed=2), "v": np.abs(normal(6, seed=3)) + 0.1}


@pytest.mark.parametrize("bias", ["", ", b"])
def test_batch_norm_after_conv(bias):
    model = prepared(
        IMAGE,
        f"c = Conv<pads=[1,1,1,1]>(x, w{bias}) y = BatchNormalization<epsilon=0.01>(c, g, o, m, v)",
        {"w": W, "b": B, **BATCH_NORM},
    )
    assert apply(fold_affine, model) == 1
    assert ops(model) == {"Conv": 1}


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_after_transposed_conv(groups):
    model = prepared(
        IMAGE,
        f"c = ConvTranspose<group={groups}, strides=[2,2]>(x, w, b) y = BatchNormalization(c, g, o, m, v)",
        {"w": normal(4, 6 // groups, 3, 3), "b": B, **BATCH_NORM},
    )
    assert apply(fold_affine, model) == 1
    assert ops(model) == {"ConvTranspose": 1}


@pytest.mark.parametrize("shape", [(), (1,), (6, 1, 1), (1, 6, 1, 1)])
@pytest.mark.parametrize("expression", ["Mul(c, k)", "Mul(k, c)", "Add(c, k)", "Add(k, c)", "Sub(c, k)", "Sub(k, c)"])
def test_arithmetic_after_conv(expression, shape):
    model = prepared(IMAGE, f"c = Conv(x, w, b) y = {expression}", {"w": W, "b": B, "k": normal(*shape)})
    assert apply(fold_affine, model) == 1
    assert ops(model) == {"Conv": 1}


def test_division_and_negation_after_conv():
    model = prepared(IMAGE, "c = Conv(x, w) d = Div(c, k) y = Neg(d)", {"w": W, "k": normal(6, 1, 1)})
    assert apply(lambda m: fold_affine(m) + fold_affine(m), model) == 2
    assert ops(model) == {"Conv": 1}


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_affine_before_unpadded_conv(groups):
    model = prepared(
        IMAGE,
        f"a = Mul(x, k) s = Add(a, t) y = Conv<group={groups}>(s, w, b)",
        {"w": normal(4, 4 // groups, 3, 3), "b": normal(4), "k": normal(4, 1, 1), "t": normal(4, 1, 1, seed=1)},
    )
    assert apply(lambda m: fold_affine(m) + fold_affine(m), model) == 2
    assert ops(model) == {"Conv": 1}


@pytest.mark.parametrize("groups", [1, 2])
def test_scale_before_transposed_conv(groups):
    model = prepared(
        IMAGE,
        f"s = Mul(x, k) y = ConvTranspose<group={groups}>(s, w)",
        {"w": normal(4, 3, 3, 3), "k": normal(4, 1, 1)},
    )
    assert apply(fold_affine, model) == 1
    assert ops(model) == {"ConvTranspose": 1}


def test_scale_before_padded_conv():
    model = prepared(IMAGE, "s = Mul(x, k) y = Conv<pads=[1,1,1,1]>(s, w)", {"w": W, "k": normal(4, 1, 1)})
    assert apply(fold_affine, model) == 1


@pytest.mark.parametrize(
    "body",
    [
        "s = Add(x, k4) y = Conv<pads=[1,1,1,1]>(s, w)",  # padding puts 0 where the shift would be
        'z = Add(x, k4) y = Conv<auto_pad="SAME_UPPER">(z, w)',
        "s = Add(x, k4) y = ConvTranspose(s, u)",  # the borders see fewer taps
        "c = Conv(x, w) r = Relu(c) d = Mul(c, k6) y = Add(r, d)",  # the plain result is used too
        "c = Conv(x, w) y = Mul(c, plane)",  # not one number per channel
        "c = Conv(x, w) y = Mul(c, row)",
        "c = Conv(x, w) y = Div(k6, c)",
        "c = Conv(x, w) n = Neg(c) m = Neg(c) y = Mul(n, m)",
        "s = Mul(x, k4) a = Conv(s, w) b = Relu(s) p = Conv(b, w) y = Add(a, p)",
        "y = BatchNormalization(x, k, k, k, k)",
    ],
)
def test_stays(body):
    weights = {"w": W, "u": normal(4, 6, 3, 3), "k4": normal(4, 1, 1), "k6": normal(6, 1, 1), "k": np.abs(normal(4))}
    model = prepared(IMAGE, body, {**weights, "plane": normal(6, 6, 6), "row": normal(6)})
    before = ops(model)
    assert apply(fold_affine, model) == 0
    assert ops(model) == before


def test_weights_that_overflow_stay():
    model = prepared(IMAGE, "c = Conv(x, w) y = Mul(c, k)", {"w": W * 1e30, "k": np.float32(1e20)})
    assert fold_affine(model) == 0
