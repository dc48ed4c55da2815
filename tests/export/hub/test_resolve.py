"""Whatever follows from shapes and constants is computed: branches, sizes, selections."""

import numpy as np
import pytest

from export.hub.opset import standardize
from export.hub.resolve import resolve
from tests.export.hub.graphs import build, normal, ops, run
from validate.errors import BrushportError, UnsupportedError

SIGNATURE = "g (float[1,4,6,8] x) => (float[] y)"
NUMBERS = {
    "zero": np.int64(0),
    "one": np.int64(1),
    "two": np.int64(2),
    "three": np.int64(3),
    "half": np.float32(0.5),
    "first": np.array([0]),
    "rest": np.array([-1]),
    "scale": normal(4),
    "some": np.array([True, False, True, False]),
    "unit": np.float32(1),
    "parts": np.array([0, 4]),
}
BRANCHES = """
    then_branch = t () => (float[1,4,6,8] u) { w = Abs(x) u = Mul(w, half) },
    else_branch = e () => (float[1,4,6,8] v) { v = Neg(x) }
"""
CASES = [
    (f"c = Greater(two, one)  y = If(c) < {BRANCHES} >", {"Abs": 1, "Mul": 1}),
    (f"c = Greater(one, two)  y = If(c) < {BRANCHES} >", {"Neg": 1}),
    (
        """s = Shape(x)  n = Gather(s, three)  c = Greater(n, two)  z = Relu(x)
        y = If(c) <
            then_branch = t () => (float[] u) {
                d = Equal(n, two)
                u = If(d) <
                    then_branch = tt () => (float[] uu) { uu = Add(z, x) },
                    else_branch = ee () => (float[] vv) { q = Abs(z)  vv = Sub(q, x) }
                >
            },
            else_branch = e () => (float[] v) { v = Neg(x) }
        >""",
        {"Relu": 1, "Abs": 1, "Sub": 1},
    ),
    (
        """s = Shape(x)  h = Gather(s, two)  w = Gather(s, three)  a = Div(w, two)  c = Greater(a, three)
        k = Where(c, a, h)  f = Cast<to=1>(k)  g = Mul(f, half)  i = Cast<to=7>(g)  j = Unsqueeze(i, first)
        t = Concat<axis=0>(j, rest)  y = Reshape(x, t)""",
        {"Reshape": 1},
    ),
    (
        """n = GroupNormalization<num_groups=2>(x, scale, scale)  s = Shape(n)  h = Gather(s, two)
        j = Unsqueeze(h, first)  t = Concat<axis=0>(j, rest)  y = Reshape(n, t)""",
        {"GroupNormalization": 1, "Reshape": 1},
    ),
    ("a = Compress<axis=1>(x, some)  s = Shape(a)  e = Expand(unit, s)  y = Add(a, e)", {"Gather": 1, "Add": 1}),
    ("i = NonZero(some)  j = Squeeze(i, first)  y = Gather<axis=1>(x, j)", {"Gather": 1}),
    ("s = Shape<start=3>(x)  n = Squeeze(s)  r = Range(zero, n, one)  f = Cast<to=1>(r)  y = Mul(x, f)", {"Mul": 1}),
    ("s = Shape(x)  c = ConstantOfShape<value=float[1]{2.0}>(s)  y = Mul(x, c)", {"Mul": 1}),
    (
        "s = Shape(x)  a, b, c, d = Split<axis=0, num_outputs=4>(s)  t = Concat<axis=0>(a, c, b, d)  y = Reshape(x, t)",
        {"Reshape": 1},
    ),
    ("a, b = Split<axis=1>(x, parts)  c = Relu(b)  y = Concat<axis=1>(a, c)", {"Relu": 1}),
    ("n = Size(x)  f = Cast<to=1>(n)  y = Div(x, f)", {"Div": 1}),
    ("m = MaxPool<kernel_shape=[1,2], strides=[1,3], ceil_mode=1>(x)  s = Shape(m)  y = Reshape(m, s)", {"MaxPool": 1}),
]


@pytest.mark.parametrize(("body", "left"), CASES)
def test_resolved(body, left):
    model = build(SIGNATURE, body, {name: NUMBERS[name] for name in NUMBERS if name in body})
    before = run(model)
    model = standardize(model)
    resolve(model)
    found = ops(model)
    found.pop("Reshape" if "Reshape" not in left else "", None)
    assert found == left
    for old, new in zip(before, run(model), strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_plane_of_one_number_is_not_written_out():
    model = build(
        "g (float[1,4,512,512] x) => (float[] y)",
        "s = Shape(x)  c = ConstantOfShape<value=float[1]{2.0}>(s)  k = Exp(c)  y = Mul(x, k)",
    )
    resolve(model)
    assert max(value.const_value.size for value in model.graph.initializers.values()) < 2**16


@pytest.mark.parametrize(
    ("body", "weights", "reason"),
    [
        ("r = Reshape(k, t)  y = Mul(x, r)", {"k": normal(5), "t": np.array([2, 3])}, r"'bad' \(Reshape\).*size 5"),
        ("r = Gather(k, t)  y = Mul(x, r)", {"k": normal(5), "t": np.array([7])}, r"'bad' \(Gather\)"),
    ],
)
def test_constants_that_do_not_fit_are_refused_by_name(body, weights, reason, capfd):
    model = build(SIGNATURE, body, weights)
    model.graph[0].name = "bad"
    with pytest.raises(BrushportError, match=reason):
        resolve(model)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("signature", "body", "reason"),
    [
        (
            "g (float[1,4,6,8] x, bool k) => (float[] y)",
            f"half = Constant<value=float {{0.5}}>()  y = If(k) < {BRANCHES} >",
            "at run time",
        ),
        ("g (float[1,4,6,8] x) => (int64[] y)", "y = NonZero(x)", "not fixed"),
        ("g (float[6] x, bool[6] k) => (float[] y)", "y = Compress<axis=0>(x, k)", "condition is computed at run time"),
    ],
)
def test_what_hangs_on_the_input_is_refused(signature, body, reason):
    with pytest.raises((UnsupportedError, BrushportError), match=reason):
        resolve(build(signature, body))
