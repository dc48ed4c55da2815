"""Gram matrices are those of the patches, and what makes up for rounding is the least squares answer."""

from __future__ import annotations

import numpy as np
import pytest

from quantize.compensate import Gram, compensated, grams
from quantize.palettes import palettize
from quantize.sparsity import prune_gradually, prune_smallest
from quantize.weights import replace_weight
from tests.quantize.graphs import Builder, run, samples

CONVOLUTIONS = {
    "plain": {},
    "strided and padded": {"strides": [2, 1], "pads": [1, 0, 2, 1]},
    "dilated": {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
    "grouped": {"group": 2},
    "depthwise": {"group": 6},
}
TRANSPOSED = {
    "plain": {},
    "strided": {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    "dilated and uneven": {"strides": [1, 2], "pads": [0, 1, 1, 0], "dilations": [2, 1]},
    "grouped": {"group": 2, "strides": [2, 2]},
}


def convolution(op_type: str, **attributes):
    """A model whose second node is such a convolution of six channels to four or six, and its weight's name."""
    b = Builder([1, 3, 12, 14], seed=1)
    x = b.conv("image", 3, 6)
    groups = attributes.get("group", 1)
    outputs = 6 if groups == 6 else 4
    shape = (outputs, 6 // groups, 3, 2) if op_type == "Conv" else (6, outputs // groups, 3, 2)
    weight = b.constant(b.random.normal(0, 0.3, shape).astype(np.float32))
    return b.build(b.op(op_type, x, weight, **attributes)), weight


def product(op_type: str, **attributes):
    """The same of a matrix product, of the means of twelve channels."""
    b = Builder([1, 3, 12, 14], seed=1)
    x = b.op("Flatten", b.op("GlobalAveragePool", b.conv("image", 3, 12)))
    shape = (5, 12) if attributes.get("transB") else (12, 5)
    weight = b.constant(b.random.normal(0, 0.3, shape).astype(np.float32))
    return b.build(b.op(op_type, x, weight, **attributes)), weight


MODELS = (
    [("Conv", attributes) for attributes in CONVOLUTIONS.values()]
    + [("ConvTranspose", attributes) for attributes in TRANSPOSED.values()]
    + [("Gemm", {"transB": 1}), ("Gemm", {}), ("MatMul", {})]
)


def model_of(op_type: str, attributes: dict):
    return (convolution if "Conv" in op_type else product)(op_type, **attributes)


@pytest.mark.parametrize(("op_type", "attributes"), MODELS)
def test_the_matrix_tells_what_a_change_of_the_weight_does_to_the_outputs(op_type, attributes):
    """sum over outputs of (W x - W' x)^2, computed by ONNX Runtime over whole planes, is what ``error`` says."""
    model, name = model_of(op_type, attributes)
    given = samples(model, 3)
    gram = grams(model, given, [name])[name]
    weight = model.graph.initializers[name].const_value.numpy()
    other = weight + np.random.default_rng(0).normal(0, 0.1, weight.shape).astype(np.float32)
    assert np.array_equal(gram.weight(gram.rows(weight), weight.shape), weight)
    before = [run(model, sample)[0] for sample in given]
    changed = model.clone()
    replace_weight(changed.graph.initializers[name], other)
    after = [run(changed, sample)[0] for sample in given]
    expected = sum(np.sum(np.square(a - b, dtype=np.float64)) for a, b in zip(before, after, strict=True))
    assert gram.error(weight, other) == pytest.approx(expected, rel=1e-4)


def im2col(x: np.ndarray, kernel: tuple[int, int], pad: int) -> np.ndarray:
    x = np.pad(x[0], ((0, 0), (pad, pad), (pad, pad)))
    high, wide = x.shape[1] - kernel[0] + 1, x.shape[2] - kernel[1] + 1
    taps = [x[:, i : i + high, j : j + wide] for i in range(kernel[0]) for j in range(kernel[1])]
    return np.stack(taps, axis=1).reshape(x.shape[0] * len(taps), -1)


def test_the_matrix_is_that_of_an_explicit_im2col():
    b = Builder([1, 3, 12, 14])
    y = b.conv("image", 3, 4)
    model = b.build(y)
    given = samples(model, 2)
    name = model.graph[0].inputs[1].name
    patches = np.concatenate([im2col(sample["image"], (3, 3), 1) for sample in given], axis=1).astype(np.float64)
    np.testing.assert_allclose(grams(model, given, [name])[name].matrix[0], patches @ patches.T, rtol=1e-5)


def test_large_planes_are_sampled_within_bounds(monkeypatch):
    """The mean over some of the patches is close to that over all."""
    b = Builder([1, 3, 64, 64])
    model = b.build(b.conv(b.conv("image", 3, 6), 6, 4))
    name = model.graph[1].inputs[1].name
    given = samples(model, 2)
    some = grams(model, given, [name])[name].matrix / 2048
    monkeypatch.setattr("quantize.compensate.PATCHES", 10**9)
    every = grams(model, given, [name])[name].matrix / 64**2
    assert np.linalg.norm(some - every) < 0.1 * np.linalg.norm(every)
    assert not np.array_equal(some, every)


def test_inputs_are_computed_a_few_at_a_time(monkeypatch):
    b = Builder([1, 3, 16, 16])
    x = b.conv("image", 3, 6)
    model = b.build(b.op("Add", b.conv(x, 6, 4), b.conv(b.op("Relu", x), 6, 4)))
    names = [node.inputs[1].name for node in model.graph if node.op_type == "Conv"]
    together = grams(model, samples(model, 2), names)
    assert list(together) == names
    monkeypatch.setattr("quantize.compensate.BYTES_AT_ONCE", 1)
    alone = grams(model, samples(model, 2), names)
    for name in names:
        np.testing.assert_array_equal(together[name].matrix, alone[name].matrix)


def test_matrices_are_bounded_in_memory(monkeypatch):
    """The largest stay out, and no more is held than is said, however many are alike."""
    b = Builder([1, 3, 16, 16])
    x = b.conv("image", 3, 4)
    for _ in range(3):
        x = b.conv(x, 4, 4)
    x = b.conv(x, 4, 4, kernel=5)
    model = b.build(b.op("Relu", x))
    names = [node.inputs[1].name for node in model.graph if node.op_type == "Conv"]
    of_three, of_four = 4 * 27**2, 4 * 36**2
    monkeypatch.setattr("quantize.compensate.MOST_BYTES", of_three + 2 * of_four + 100)
    assert list(grams(model, samples(model, 1), names)) == names[:3]


def test_weights_that_are_out_of_reach_stay_out():
    b = Builder([1, 3, 16, 16])
    shared = b.constant(b.random.normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32))
    x = b.op("Conv", b.op("Conv", "image", shared, pads=[1] * 4), shared, pads=[1] * 4)
    automatic = b.constant(b.random.normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32))
    x = b.op("Conv", x, automatic, auto_pad="SAME_UPPER")
    rows = b.constant(b.random.normal(0, 0.3, (16, 16)).astype(np.float32))
    model = b.build(b.op("MatMul", x, rows))
    assert grams(model, samples(model, 1), [shared, automatic, rows]) == {}


def least_squares(weight: np.ndarray, matrix: np.ndarray, fixed: dict[int, float]) -> np.ndarray:
    """The row closest to ``weight`` in ``matrix`` with the numbers ``fixed``, by solving for the others outright."""
    free = [i for i in range(len(weight)) if i not in fixed]
    change = np.zeros(len(weight))
    change[list(fixed)] = np.array(list(fixed.values())) - weight[list(fixed)]
    if free:
        change[free] = -np.linalg.solve(matrix[np.ix_(free, free)], matrix[free] @ change)
    return weight + change


@pytest.fixture
def tiny(monkeypatch):
    """A weight of two rows of five numbers that multiply numbers which depend on each other, and its matrix."""
    monkeypatch.setattr("quantize.compensate.DAMPING", 0.0)
    random = np.random.default_rng(2)
    x = random.normal(0, 1, (5, 5)) @ random.normal(0, 1, (5, 40))
    weight = random.normal(0, 1, (2, 5)).astype(np.float32)
    b = Builder([1, 3, 4, 4])
    node = b.build(b.op("Gemm", b.op("Flatten", "image"), b.constant(np.zeros((2, 48), np.float32)), transB=1)).graph[1]
    return weight, Gram(node, (x @ x.T)[None])


def test_what_is_free_moves_to_the_least_squares_answer(tiny):
    """After each column, the rest is what solving for it gives: the same numbers, fixed one after the other."""
    weight, gram = tiny
    fix = np.rint  # to whole numbers
    made = compensated(weight, gram, lambda column, place: fix(column))
    matrix = gram.matrix[0]
    for row, got in zip(weight.astype(np.float64), made, strict=True):
        fixed: dict[int, float] = {}
        for i in np.argsort(-np.diag(matrix), kind="stable"):
            fixed[i] = fix(least_squares(row, matrix, fixed)[i])
        assert got.tolist() == [fixed[i] for i in range(5)]


def test_made_up_for_costs_less_than_rounding(tiny):
    weight, gram = tiny
    made = compensated(weight, gram, lambda column, place: np.rint(column))
    assert gram.error(weight, made) < gram.error(weight, np.rint(weight))


@pytest.mark.parametrize(("op_type", "attributes"), MODELS)
def test_outputs_suffer_less_from_a_palette(op_type, attributes):
    model, name = model_of(op_type, attributes)
    gram = grams(model, samples(model, 4), [name])[name]
    weight = model.graph.initializers[name].const_value.numpy()
    made, plain = palettize(weight, 3, gram=gram), palettize(weight, 3)
    assert set(np.unique(made)) <= set(np.unique(plain))
    assert (made.shape, made.dtype) == (weight.shape, np.float32)
    assert gram.error(weight, made) < gram.error(weight, plain)


def without(gram: Gram, weight: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """The rows of ``weight`` with these ``zeros``, each solved for on its own."""
    made = gram.rows(weight).astype(np.float64)
    for group, matrix in enumerate(gram.damped()):
        for row, gone in zip(made[group], gram.rows(zeros)[group], strict=True):
            row[:] = least_squares(row, matrix, dict.fromkeys(np.flatnonzero(gone), 0.0))
    return made.astype(np.float32)


@pytest.mark.parametrize(("op_type", "attributes"), MODELS)
def test_the_others_make_up_for_zeros(op_type, attributes):
    """As well as solving for each row's least squares answer does."""
    model, name = model_of(op_type, attributes)
    gram = grams(model, samples(model, 4), [name])[name]
    weight = model.graph.initializers[name].const_value.numpy()
    shares = [0.2, 0.4, 0.6]
    zeros = np.zeros(weight.shape, bool)
    for share, made in zip(shares, prune_gradually(weight, shares, gram), strict=True):
        assert np.sum(made == 0) == round(weight.size * share)
        assert (made[zeros] == 0).all()
        zeros = made == 0
        assert (made.shape, made.dtype) == (weight.shape, np.float32)
        best = gram.weight(without(gram, weight, zeros), weight.shape)
        assert gram.error(weight, made) < 1.05 * gram.error(weight, best)
        assert gram.error(weight, made) < gram.error(weight, np.where(made == 0, 0, weight))


def test_gradual_zeros_cost_less_than_the_smallest():
    model, name = convolution("Conv", pads=[1, 1, 1, 1])
    gram = grams(model, samples(model, 4), [name])[name]
    weight = model.graph.initializers[name].const_value.numpy()
    (made,) = prune_gradually(weight, [0.5], gram)
    step_by_step = prune_gradually(weight, [0.125, 0.25, 0.375, 0.5], gram)[-1]
    errors = [gram.error(weight, one) for one in (step_by_step, made, prune_smallest(weight, 0.5))]
    assert errors == sorted(errors)


@pytest.mark.parametrize(("op_type", "axis"), [("Conv", 0), ("ConvTranspose", 1)])
def test_palettes_of_groups_stay_with_their_channels(op_type, axis):
    model, name = convolution(op_type)
    gram = grams(model, samples(model, 2), [name])[name]
    weight = model.graph.initializers[name].const_value.numpy()
    made, plain = palettize(weight, 2, axis, 2, gram), palettize(weight, 2, axis, 2)
    for part, without in zip(np.split(made, 2, axis), np.split(plain, 2, axis), strict=True):
        assert set(np.unique(part)) <= set(np.unique(without))


def test_what_never_occurs_costs_nothing():
    """A channel that is always zero: no division by its energy."""
    b = Builder([1, 3, 12, 12])
    dead = b.random.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    dead[1] = 0
    x = b.op("Conv", "image", b.constant(dead), pads=[1] * 4)
    weight = b.constant(b.random.normal(0, 0.3, (8, 4, 3, 3)).astype(np.float32))
    model = b.build(b.op("Conv", x, weight))
    gram = grams(model, samples(model, 2), [weight])[weight]
    (made,) = prune_gradually(model.graph.initializers[weight].const_value.numpy(), [0.25], gram)
    assert np.isfinite(made).all()
    assert np.sum(made == 0, axis=(0, 2, 3)).argmax() == 1
