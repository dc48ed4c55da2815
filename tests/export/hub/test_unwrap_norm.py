import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from export.hub.passes import simplify
from tests.export.hub.graphs import apply, normal, ops, prepared, run


def test_batch_norm_in_training_mode():
    """PyTorch's older spelling of instance norm: a view as (1, N·C, H, W), normalized by its own statistics.

    The reference is ONNX's own evaluator: ONNX Runtime's inference build does not use the batch's statistics.
    """
    body = (
        "v = Reshape(x, view) b, m, s = BatchNormalization<training_mode=1, epsilon=0.01>(v, g, o, o, w) "
        "n = Reshape(b, view) y = Relu(n)"
    )
    weights = {"view": np.array([1, 4, 6, 8]), "g": normal(4), "o": normal(4, seed=1), "w": np.ones(4)}
    model = prepared("g (float[1,4,6,8] x) => (float[N,C,H,W] y)", body, weights)
    x = (2 * np.random.default_rng(1).standard_normal((1, 4, 6, 8))).astype(np.float32)
    expected = ReferenceEvaluator(ir.to_proto(model)).run(None, {"x": x})[0]
    simplify(model)
    assert ops(model) == {"InstanceNormalization": 1, "Relu": 1}
    np.testing.assert_allclose(run(model)[0], expected, atol=1e-5)


def test_instance_norm_of_a_flat_view():
    body = "v = Reshape(x, flat) n = InstanceNormalization(v, g, o) y = Reshape(n, image)"
    weights = {"flat": np.array([1, 4, 48]), "image": np.array([1, 4, 6, 8]), "g": normal(4), "o": normal(4)}
    model = prepared("g (float[1,4,6,8] x) => (float[N,C,H,W] y)", body, weights)
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1}


def test_group_norm():
    body = "v = Reshape(x, flat) n = InstanceNormalization(v, g, o) r = Reshape(n, image) m = Mul(r, k) y = Add(m, t)"
    weights = {"flat": np.array([1, 2, -1]), "image": np.array([1, 4, 6, 8]), "g": np.ones(2), "o": np.zeros(2)}
    model = prepared(
        "g (float[1,4,6,8] x) => (float[N,C,H,W] y)", body, {**weights, "k": normal(4, 1, 1), "t": normal(4, 1, 1)}
    )
    apply(simplify, model)
    assert ops(model) == {"GroupNormalization": 1}


def test_norm_with_two_users_is_not_computed_twice():
    body = "n = InstanceNormalization(x, g, o) m = Mul(n, k) y = Add(m, n)"
    weights = {"g": normal(4), "o": normal(4), "k": normal(4, 1, 1)}
    model = prepared("g (float[1,4,6,8] x) => (float[N,C,H,W] y)", body, weights)
    apply(simplify, model)
    assert ops(model) == {"InstanceNormalization": 1, "Mul": 1, "Add": 1}


def test_lone_batch_norm_takes_what_follows():
    body = "b = BatchNormalization(x, g, o, m, v) s = Mul(b, k) y = Sub(s, g1)"
    weights = {"g": normal(4), "o": normal(4, seed=1), "m": normal(4, seed=2), "v": np.ones(4), "k": normal(4, 1, 1)}
    model = prepared("g (float[1,4,6,8] x) => (float[N,C,H,W] y)", body, {**weights, "g1": normal(1)})
    apply(simplify, model)
    assert ops(model) == {"BatchNormalization": 1}
