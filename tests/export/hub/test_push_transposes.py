"""Every operator with a rule, between a Transpose to NHWC and one back: the result is the same without either."""

import numpy as np
import pytest

from export.hub.passes import simplify
from export.hub.passes.merge_moves import merge_moves
from export.hub.passes.push_rules import BROADCASTING, REDUCTIONS, RULES, UNARY, pushes
from export.hub.passes.push_transposes import push_transposes
from tests.export.hub.graphs import apply, normal, ops, prepared

IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
TURN, BACK = "t = Transpose<perm=[0,2,3,1]>(x)", "y = Transpose<perm=[0,3,1,2]>(z)"
WEIGHTS = {
    "channel": normal(4),
    "column": normal(8, 4),
    "full": normal(1, 6, 8, 4),
    "number": np.array([0.7]),
    "one": np.float32(1),
    "minus": np.float32(-0.5),
    "hw": np.array([1, 2]),
    "last": np.array([-1]),
    "height": np.array([1]),
    "true": np.array([True, False, True, True]),
    "pads": np.array([0, 1, 0, 2, 0, 0, 3, 1]),
    "some": np.array([1, 2]),
    "two_axes": np.array([-3, -1]),
    "starts": np.array([1, 1]),
    "ends": np.array([5, -1]),
    "far": np.array([1, 6]),
    "near": np.array([5, -8]),
    "steps": np.array([2, -1]),
    "scales": np.array([1, 2, 3, 1]),
    "float_scales": np.array([1, 2, 3, 1], np.float32),
    "sizes": np.array([12, 16]),
    "repeats": np.array([1, 2, 1, 3]),
    "larger": np.array([1, 6, 8, 4]),
    "picked": np.array([2, 0]),
    "third": np.array(2),
    "s": np.float32(0.1),
    "zp": np.int8(3),
    "s_each": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
    "z_each": np.array([0, 1, 2, 3], np.int8),
    "condition": np.array([[True], [False]] * 4),
    "parts": np.array([1, 3]),
    "flat_rows": np.array([1, 48, 4]),
    "groups": np.array([1, 6, 8, 2, 2]),
    "heads": np.array([1, 6, 2, 4, 4]),
}
ONE_OUTPUT = {
    "Relu": "z = Relu(t)",
    "Clip": "z = Clip(t, minus, one)",
    "Cast": "i = Cast<to=6>(t) z = Cast<to=1>(i)",
    "Not": "b = Cast<to=9>(t) n = Not(b) z = Cast<to=1>(n)",
    "Gelu": "z = Gelu(t)",
    "channel": "z = Add(t, channel)",
    "channel first": "z = Sub(channel, t)",
    "column": "z = Mul(t, column)",
    "full": "z = Div(t, full)",
    "number": "z = Pow(t, number)",
    "two": "a = Relu(t) z = Max(a, t)",
    "three": "a = Relu(t) b = Sigmoid(t) z = Sum(a, channel, b)",
    "PRelu": "z = PRelu(t, channel)",
    "Less": "b = Less(t, channel) z = Cast<to=1>(b)",
    "Where": "a = Relu(t) z = Where(true, a, t)",
    "Where computed": "c = Greater(t, channel) z = Where(c, t, minus)",
    "Where condition": "z = Where(condition, t, column)",
    "Concat": "a = Relu(t) z = Concat<axis=-1>(a, t)",
    "Concat rows": "z = Concat<axis=1>(t, full, t)",
    "Split": "a, b = Split<axis=3>(t, parts) z = Concat<axis=3>(b, a)",
    "Split halves": "a, b = Split<axis=-2, num_outputs=2>(t) z = Sub(a, b)",
    "Softmax": "z = Softmax(t)",
    "LogSoftmax": "z = LogSoftmax<axis=1>(t)",
    "CumSum": "z = CumSum<exclusive=1>(t, third)",
    "ReduceMean": "m = ReduceMean(t, hw) z = Sub(t, m)",
    "ReduceMax": "m = ReduceMax(t, last) z = Add(t, m)",
    "ReduceL2 squeezed": "m = ReduceL2<keepdims=0>(t, hw) u = Unsqueeze(m, hw) z = Mul(t, u)",
    "ReduceMean of rows": "m = ReduceMean<keepdims=0>(t, height) u = Unsqueeze(m, height) z = Mul(t, u)",
    "ArgMax": "a = ArgMax<axis=-1>(t) f = Cast<to=1>(a) z = Mul(t, f)",
    "ArgMin squeezed": "a = ArgMin<axis=3, keepdims=0>(t) u = Unsqueeze(a, last) f = Cast<to=1>(u) z = Mul(t, f)",
    "Pad": "z = Pad(t, pads, one)",
    "Pad axes": 'z = Pad<mode="reflect">(t, some, , height)',
    "Slice": "z = Slice(t, starts, ends, two_axes)",
    "Slice backwards": "z = Slice(t, far, near, hw, steps)",
    "Resize": "z = Resize(t, , float_scales)",
    "Resize sizes": 'z = Resize<axes=[1,2], mode="linear">(t, , , sizes)',
    "Gather": "z = Gather<axis=3>(t, picked)",
    "Tile": "z = Tile(t, repeats)",
    "Expand": "m = ReduceSum(t, last) z = Expand(m, larger)",
    "Quantize": "q = QuantizeLinear(t, s, zp) z = DequantizeLinear(q, s, zp)",
    "Quantize each": "q = QuantizeLinear<axis=3>(t, s_each, z_each) z = DequantizeLinear<axis=-1>(q, s_each, z_each)",
    "squeeze and excite": "m = ReduceMean<keepdims=0>(t, hw) g = Sigmoid(m) u = Reshape(g, per_channel) z = Mul(t, u)",
    "Reshape": "f = Reshape(t, flat_rows) r = Relu(f) z = Reshape(r, larger)",
    "groups": "f = Reshape(t, groups) m = ReduceMean(f, group_axes) d = Sub(f, m) z = Reshape(d, larger)",
    "Dropout": "d = Dropout(t) z = Relu(d)",
    "GroupNormalization of one group": "z = GroupNormalization<num_groups=1>(t, twos, threes)",
}
MORE = {
    "per_channel": np.array([1, 1, 1, 4]),
    "group_axes": np.array([1, 2, 4]),
    "twos": np.full(6, 2, np.float32),
    "threes": np.full(6, 3, np.float32),
}


@pytest.mark.parametrize("body", ONE_OUTPUT.values(), ids=ONE_OUTPUT)
def test_transposes_meet(body):
    model = prepared(IMAGE, f"{TURN} {body} {BACK}", {**WEIGHTS, **MORE})
    assert apply(push_transposes, model) >= 1
    apply(lambda m: merge_moves(m) + merge_moves(m), model)
    assert ops(model)["Transpose"] == 0


def test_every_rule_is_tested():
    """Element-wise operators share one rule, and so do the reductions: one of each stands for all."""
    named = {word.split("(")[0].split("<")[0] for body in ONE_OUTPUT.values() for word in body.split()}
    alike = {*UNARY, *BROADCASTING, *REDUCTIONS}
    assert set(RULES) - alike <= named | {"Hardmax"}


def test_a_second_rule_is_refused():
    with pytest.raises(ValueError, match="Relu has two rules"):
        pushes("Relu")(lambda node, perm: None)


STAYS = {
    "MatMul": "m = MatMul(t, square) z = Relu(m)",
    "a reshape that cuts across": "r = Reshape(t, mixed) q = Softmax<axis=1>(r) z = Reshape(q, larger)",
    "a group norm of two groups": "z = GroupNormalization<num_groups=2>(t, twos, threes)",
    "a group norm with a number for each row": "z = GroupNormalization<num_groups=1>(t, six, threes)",
    "a computed operand of its own layout": "f = Reshape(x, larger) z = Add(t, f)",
}


@pytest.mark.parametrize("body", STAYS.values(), ids=STAYS)
def test_stays_right(body):
    """The axes' order matters here, so a Transpose is left; the result is the same."""
    weights = {**WEIGHTS, **MORE, "six": normal(6), "square": normal(4, 4), "mixed": np.array([1, 12, 4, 4])}
    model = prepared(IMAGE, f"{TURN} {body} {BACK}", weights)
    apply(simplify, model)
    assert ops(model)["Transpose"] + ops(model)["Reshape"] >= 2


def test_transpose_used_by_the_output_too():
    signature = "g (float[1,4,6,8] x) => (float[N,C,H,W] y, float[A,B,D,E] t)"
    model = prepared(signature, f"{TURN} z = Relu(t) {BACK}")
    apply(simplify, model)
    assert ops(model) == {"Transpose": 1, "Relu": 1}


def test_other_permutations_meet_too():
    """Attention: the scale between two Transposes of heads."""
    body = "a = Transpose<perm=[0,2,1,3]>(x) b = Mul(a, column) y = Transpose<perm=[0,2,3,1]>(b)"
    model = prepared(IMAGE, body, {"column": normal(6, 1, 8)})
    apply(simplify, model)
    assert ops(model) == {"Mul": 1, "Transpose": 1}


def test_normalization_in_nhwc_becomes_one_operator():
    body = (
        "m = ReduceMean(t, hw) d = Sub(t, m) q = Mul(d, d) v = ReduceMean(q, hw) e = Add(v, number) s = Sqrt(e) "
        "r = Reciprocal(s) n = Mul(d, r) k = Mul(n, channel) z = Add(k, channel)"
    )
    model = prepared(IMAGE, f"{TURN} {body} {BACK}", {k: v for k, v in WEIGHTS.items() if k != "s"})
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1}
