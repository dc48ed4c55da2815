import numpy as np
import pytest

from export.hub.folding import fold_constants
from export.hub.passes.eliminate import eliminate
from export.hub.passes.order_operands import order_operands
from tests.export.hub.graphs import apply, build, normal, ops, prepared


def tidy(model):
    order_operands(model)
    return eliminate(model)


IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "zero": np.float32(0),
    "zeros": np.zeros((4, 1, 1)),
    "one": np.float32(1),
    "ones": np.ones((1, 4, 1, 1)),
    "nearly": np.float32(1.00001),
    "tiny": np.float32(1e-9),
    "same": np.array([1, 4, 6, 8]),
    "flat": np.array([1, 4, 48]),
    "wide": np.array([1, 8, 6, 4]),
    "starts": np.array([0, 0]),
    "ends": np.array([6, 100]),
    "axes": np.array([2, 3]),
    "from_end": np.array([-1]),
    "to_start": np.array([-100]),
    "mirror": np.array([-1]),
    "width": np.array([3]),
    "pads": np.zeros(8, np.int64),
    "scales": np.ones(4),
    "higher": np.zeros((1, 1, 1, 1, 1)),
}
IDENTITIES = [
    "Identity(r)",
    "Add(r, zero)",
    "Add(zeros, r)",
    "Sub(r, zero)",
    "Mul(ones, r)",
    "Div(r, one)",
    "Dropout(r)",
    "Reshape(r, same)",
    "Expand(r, same)",
    "Slice(r, starts, ends, axes)",
    "Pad(r, pads)",
    "Concat<axis=1>(r)",
    "Sum(r)",
    "Clip(r)",
    "Transpose<perm=[0,1,2,3]>(r)",
    'Resize<mode="linear">(r, , scales)',
    'Resize<mode="cubic", coordinate_transformation_mode="align_corners">(r, , , same)',
    "Cast<to=1>(r)",
]
KEPT = [
    "Mul(r, nearly)",
    "Add(r, tiny)",
    "Sub(zero, r)",
    "Div(one, r)",
    "Reshape(r, wide)",
    "Slice(r, from_end, to_start, width, mirror)",
    "Transpose<perm=[0,1,3,2]>(r)",
    "Clip(r, zero)",
]


@pytest.mark.parametrize("expression", IDENTITIES)
def test_removed(expression):
    model = prepared(IMAGE, f"r = Relu(x) i = {expression} y = Sigmoid(i)", WEIGHTS)
    apply(tidy, model)
    assert ops(model) == {"Relu": 1, "Sigmoid": 1}


@pytest.mark.parametrize("expression", IDENTITIES)
def test_removed_in_front_of_an_output(expression):
    model = prepared(IMAGE, f"r = Relu(x) y = {expression}", WEIGHTS)
    apply(tidy, model)
    assert ops(model) == {"Relu": 1}


@pytest.mark.parametrize("expression", KEPT)
def test_kept(expression):
    model = prepared(IMAGE, f"r = Relu(x) i = {expression} y = Sigmoid(i)", WEIGHTS)
    before = ops(model)
    assert apply(tidy, model, tolerance=0) == 0
    assert ops(model) == before


def test_addition_that_adds_an_axis_stays():
    model = prepared("g (float[1,4,6,8] x) => (float[A,N,C,H,W] y)", "r = Relu(x) y = Add(r, higher)", WEIGHTS)
    assert apply(tidy, model) == 0


def test_input_returned_unchanged_keeps_both_names():
    model = prepared(IMAGE, "y = Mul(x, one)", WEIGHTS)
    apply(tidy, model)


def test_value_returned_under_two_names():
    model = prepared(
        "g (float[1,4,6,8] x) => (float[N,C,H,W] y, float[N,C,H,W] z)", "y = Relu(x) z = Mul(y, one)", WEIGHTS
    )
    apply(tidy, model)


def test_reshapes_merge():
    model = prepared(IMAGE, "a = Reshape(x, flat) b = Reshape(a, wide) y = Relu(b)", WEIGHTS)
    assert apply(tidy, model) == 1
    assert ops(model) == {"Reshape": 1, "Relu": 1}


def test_dropout_in_training_mode_stays():
    model = build(IMAGE, "d = Dropout(x, one, t) y = Relu(d)", {**WEIGHTS, "t": np.array(True)})
    assert tidy(model) == 0


def test_weights_are_folded_and_planes_are_not():
    body = (
        "n = ReduceL2<keepdims=1>(v, axes) w = Div(v, n) c = Conv(x, w) s = Shape(c) p = Expand(one, s) y = Add(c, p)"
    )
    model = build("g (float[1,4,512,512] x) => (float[N,C,H,W] y)", body, {**WEIGHTS, "v": normal(3, 4, 3, 3)})
    fold_constants(model)
    assert ops(model)["ReduceL2"] == ops(model)["Shape"] == 0
    assert max(v.const_value.size for v in model.graph.initializers.values()) < 1000


def test_quantized_weights_stay_quantized():
    weights = {"q": np.ones((3, 4, 3, 3), np.int8), "s": np.float32(0.1), "z": np.int8(0)}
    model = prepared(IMAGE, "w = DequantizeLinear(q, s, z) y = Conv(x, w)", weights)
    assert ops(model) == {"DequantizeLinear": 1, "Conv": 1}
