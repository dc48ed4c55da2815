import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.hub.passes import simplify
from export.hub.passes.merge_moves import merge_moves
from export.hub.passes.movement import movement, shortest_steps
from tests.export.hub.graphs import apply, ops, prepared

IMAGE = "g (float[1,4,6,8] x) => (float[N,C,H,W] y)"
WEIGHTS = {
    "one": np.array([1]),
    "last": np.array([-1]),
    "zero": np.array([0]),
    "flat": np.array([1, 4, 48]),
    "wide": np.array([1, 8, 6, 4]),
    "rows": np.array([1, 24, 8, 1]),
    "halves": np.array([1, 2, 2, 6, 8]),
    "joined": np.array([1, 4, 6, 8]),
    "column": np.array([1, 6, 8, 4]),
}
SHORTENED = {
    "transposes that undo each other": ("t = Transpose<perm=[0,2,3,1]>(r) i = Transpose<perm=[0,3,1,2]>(t)", {}),
    "three transposes that are none": (
        "t = Transpose<perm=[0,2,3,1]>(r) u = Transpose<perm=[0,2,3,1]>(t) i = Transpose<perm=[0,2,3,1]>(u)",
        {},
    ),
    "two transposes that are one": (
        "t = Transpose<perm=[0,2,3,1]>(r) i = Transpose<perm=[0,2,1,3]>(t)",
        {"Transpose": 1},
    ),
    "unsqueeze and squeeze": ("t = Unsqueeze(r, one) i = Squeeze(t, one)", {}),
    "unsqueezes": ("t = Unsqueeze(r, one) u = Unsqueeze(t, last) q = Squeeze(u, zero) i = Squeeze(q, last)", {}),
    "reshapes that undo each other": ("t = Reshape(r, flat) i = Reshape(t, joined)", {}),
    "transpose of unit axes": ("t = Unsqueeze(r, one) u = Transpose<perm=[1,0,2,3,4]>(t) i = Squeeze(u, zero)", {}),
    "reshape, transpose, reshape that moves nothing": (
        "a = Reshape(r, halves) t = Transpose<perm=[1,2,3,4,0]>(a) b = Reshape(t, flat) i = Reshape(b, joined)",
        {},
    ),
    "transposes around reshapes": (
        "a = Transpose<perm=[0,2,3,1]>(r) b = Reshape(a, column) c = Transpose<perm=[0,3,1,2]>(b) i = Reshape(c, rows)",
        {"Reshape": 1},
    ),
}
KEPT = {
    "channel shuffle": "a = Reshape(r, halves) t = Transpose<perm=[0,2,1,3,4]>(a) i = Reshape(t, joined)",
    "one transpose": "i = Transpose<perm=[0,2,3,1]>(r)",
    "a scrambling reshape between": "a = Transpose<perm=[0,3,2,1]>(r) b = Reshape(a, joined) "
    "i = Transpose<perm=[0,3,2,1]>(b)",
}


@pytest.mark.parametrize(("body", "left"), SHORTENED.values(), ids=SHORTENED)
@pytest.mark.parametrize("end", ["y = Sigmoid(i)", "y = Identity(i)"])
def test_shortened(body, left, end):
    model = prepared(IMAGE, f"r = Relu(x) {body} {end}", WEIGHTS)
    assert apply(merge_moves, model, tolerance=0) >= 1
    apply(simplify, model, tolerance=0)
    assert ops(model) - ops(prepared(IMAGE, "y = Sigmoid(x)")) == {"Relu": 1, **left}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_kept(body):
    model = prepared(IMAGE, f"r = Relu(x) {body} y = Sigmoid(i)", WEIGHTS)
    before = ops(model)
    assert apply(merge_moves, model, tolerance=0) == 0
    assert ops(model) == before


def test_a_tensor_that_is_used_between_stays():
    """Merging would then write more nodes than it takes away: only what undoes the first Transpose goes."""
    signature = "g (float[1,4,6,8] x) => (float[N,C,H,W] y, float[A,B,D,E] z)"
    body = "t = Transpose<perm=[0,2,3,1]>(x) z = Sigmoid(t) u = Transpose<perm=[0,3,1,2]>(t) y = Relu(u)"
    model = prepared(signature, body)
    assert apply(merge_moves, model, tolerance=0) == 1
    assert ops(model) == {"Transpose": 1, "Sigmoid": 1, "Relu": 1}


def test_input_that_comes_back_unchanged():
    model = prepared(IMAGE, "t = Transpose<perm=[0,2,3,1]>(x) y = Transpose<perm=[0,3,1,2]>(t)")
    apply(merge_moves, model, tolerance=0)


@st.composite
def chains(draw):
    """A shape and some steps of a chain on it."""
    size = draw(st.sampled_from([1, 8, 12, 24, 36]))

    def shape():
        left, dims = size, []
        while left > 1:
            dims.append(draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
            left //= dims[-1]
        return tuple(dims) or (1,)

    source = current = shape()
    steps = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            current = shape()
            steps.append(("view", current))
        else:
            perm = tuple(draw(st.permutations(range(len(current)))))
            steps.append(("permute", perm))
            current = tuple(current[axis] for axis in perm)
    return source, steps


@settings(max_examples=200, deadline=None, derandomize=True)
@given(chains())
def test_movement_is_the_chain(case):
    source, steps = case
    move = movement(source, steps)
    if move is None:
        return
    assert len(shortest_steps(move)) <= 3

    def moved(done):
        x = np.arange(np.prod(source)).reshape(source)
        for kind, argument in done:
            x = x.reshape(argument) if kind == "view" else x.transpose(argument)
        return x

    np.testing.assert_array_equal(moved(shortest_steps(move)), moved(steps))
