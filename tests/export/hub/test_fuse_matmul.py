import pytest

from export.hub.passes.fuse_matmul import fuse_matmul
from tests.export.hub.graphs import apply, normal, ops, prepared

STYLE = "g (float[1,2] x) => (float[1,C] y)"
WEIGHTS = {"a": normal(2, 5), "b": normal(5, 8), "bt": normal(8, 5), "c": normal(5), "d": normal(1, 8)}


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("h = MatMul(x, a) y = MatMul(h, b)", {"MatMul": 1}),
        ("h = MatMul(x, a) y = Gemm<transB=1, alpha=2.0, beta=0.5>(h, bt, d)", {"Gemm": 1}),
        ("h = Gemm<alpha=0.5>(x, a, c) y = MatMul(h, b)", {"Gemm": 1}),
        ("h = Gemm<beta=3.0>(x, a, c) y = Gemm(h, b, d)", {"Gemm": 1}),
        ("h = MatMul(x, a) p = MatMul(h, b) q = Gemm<transB=1>(h, bt) y = Add(p, q)", {"MatMul": 2, "Add": 1}),
    ],
)
def test_fused(body, left):
    model = prepared(STYLE, body, WEIGHTS)
    assert apply(fuse_matmul, model) >= 1
    assert ops(model) == left


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("1,2", "h = MatMul(x, a) r = Relu(h) y = MatMul(r, b)"),
        ("2,1", "h = Gemm<transA=1>(x, a) y = MatMul(h, b)"),
        ("1,9", "h = MatMul(x, tall) y = MatMul(h, broad)"),  # a bottleneck: the product is larger
    ],
)
def test_stays(shape, body):
    weights = {**WEIGHTS, "tall": normal(9, 1), "broad": normal(1, 9)}
    model = prepared(f"g (float[{shape}] x) => (float[1,C] y)", body, weights)
    assert apply(fuse_matmul, model) == 0
