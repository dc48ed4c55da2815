import numpy as np
import pytest

from export.hub.passes.fuse_integer_products import fuse_integer_products
from tests.export.hub.graphs import apply, ops, prepared, rewritten, run

PICTURE = "g (float[1,4,6,7] x) => (float[1,C,H,W] y)"
ROWS = "g (float[2,3,8] x) => (float[2,3,C] y)"
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.integers(0, 256, (5, 4, 3, 3), np.uint8),
    "ws": np.float32(0.02),
    "wz": np.uint8(120),
    "i": RANDOM.integers(-120, 121, (5, 4, 3, 3), np.int8),
    "is": RANDOM.uniform(0.01, 0.1, (5, 1, 1)).astype(np.float32),
    "iz": RANDOM.integers(-3, 4, 5).astype(np.int8),
    "grouped": RANDOM.integers(-127, 128, (4, 2, 1, 1), np.int8),
    "m": RANDOM.integers(-127, 128, (8, 9), np.int8),
    "ms": RANDOM.uniform(0.01, 0.1, 9).astype(np.float32),
    "mz": np.zeros(9, np.int8),
    "odd": RANDOM.uniform(0.01, 0.1, (6, 7)).astype(np.float32),
}
ROUNDED = "q, s, z = DynamicQuantizeLinear(x)"


def whole(product: str, scales: str = "Mul(s, ws)", last: str = "Mul(f, scale)") -> str:
    return f"{ROUNDED} p = {product} f = Cast<to=1>(p) scale = {scales} y = {last}"


@pytest.mark.parametrize(
    ("signature", "body", "left"),
    [
        (PICTURE, whole("ConvInteger(q, w, z, wz)"), "Conv"),
        (
            PICTURE,
            whole("ConvInteger<pads=[1,1,1,1], strides=[2,1]>(q, w, z, wz)", "Mul(ws, s)", "Mul(scale, f)"),
            "Conv",
        ),
        (PICTURE, whole("ConvInteger(q, w, z)"), "Conv"),
        (PICTURE, whole("ConvInteger(q, i, z)", "Mul(s, is)"), "Conv"),
        (PICTURE, whole("ConvInteger<group=2>(q, grouped, z)"), "Conv"),
        (ROWS, whole("MatMulInteger(q, m, z, mz)", "Mul(s, ms)"), "MatMul"),
        (ROWS, whole("MatMulInteger(q, m, z)"), "MatMul"),
    ],
)
def test_fused(signature, body, left):
    model = prepared(signature, body, WEIGHTS)
    assert apply(fuse_integer_products, model) == 1
    assert ops(model)[left] == 1
    assert ops(model)["DequantizeLinear"] == 2
    weight = next(node for node in model.graph if node.op_type == left).inputs[1].producer().inputs[0]
    assert weight.const_value.numpy().dtype.itemsize == 1


def test_fused_with_a_zero_point_for_each_channel():
    """ONNX allows them, ONNX Runtime's ConvInteger does not: compared with weights from which they are taken off."""
    centered = WEIGHTS["i"] - WEIGHTS["iz"].reshape(-1, 1, 1, 1)
    plain = prepared(PICTURE, whole("ConvInteger(q, i, z)", "Mul(s, is)"), WEIGHTS | {"i": centered})
    model = prepared(PICTURE, whole("ConvInteger(q, i, z, iz)", "Mul(s, is)"), WEIGHTS)
    assert rewritten(fuse_integer_products, model) == 1
    weight = next(node for node in model.graph if node.op_type == "Conv").inputs[1].producer()
    assert weight.inputs[0].const_value.numpy().dtype == np.int8
    assert weight.inputs[2].const_value.numpy().tolist() == WEIGHTS["iz"].tolist()
    (expected,), (painted,) = run(plain), run(model)
    np.testing.assert_allclose(painted, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "body",
    [
        whole("ConvInteger(q, w)"),  # without the zero point of what it reads
        whole("ConvInteger(q, w, z, wz)", "Mul(s, odd)").replace("ConvInteger(", "ConvInteger<pads=[1,1,1,1]>("),
        whole("ConvInteger(q, w, z, wz)", "Mul(s, s)"),
        whole("ConvInteger(q, w, z, wz)").replace("to=1", "to=1").replace("Mul(f, scale)", "Add(f, scale)"),
    ],
)
def test_stays(body):
    model = prepared(PICTURE, body, WEIGHTS)
    assert apply(fuse_integer_products, model) == 0
