"""Operators newer than the hub's opset compute the same in it; ONNX's reference evaluator runs the original."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from export.hub.folding import fold_constants
from export.hub.model import HUB_OPSET
from export.hub.opset import NEWEST_OPSET, standardize
from tests.export.hub.graphs import build, normal, ops, run
from validate.errors import UnsupportedError

PICTURE = "g (float[1,4,6,8] x) => (float[] y)"
ROPE = {"cos": normal(1, 6, 4), "sin": normal(1, 6, 4, seed=1)}
CASES = [
    (PICTURE, "y = Relu(x)", (22, 28), {}),
    (PICTURE, "y = Swish(x)", (24, 28), {}),
    (PICTURE, "y = Swish<alpha=0.3>(x)", (24,), {}),
    (PICTURE, "z = Neg(x)  y = SwiGLU<alpha=1.5>(x, z)", (28,), {}),
    (PICTURE, "z = Neg(x)  y = SwiGLU(x, z)", (28,), {}),
    *(
        (PICTURE, f"y = RMSNormalization<axis={axis}, epsilon=0.1>(x, s)", (23, 28), {"s": normal(8)})
        for axis in (-1, 1, -2)
    ),
    (PICTURE, "y = RMSNormalization(x, s)", (23,), {"s": normal(8)}),
    (PICTURE, "y = RotaryEmbedding(x, cos, sin)", (23,), ROPE),
    (PICTURE, "y = RotaryEmbedding<interleaved=1>(x, cos, sin)", (23,), ROPE),
    (PICTURE, "k = Neg(x)  v = Abs(x)  y = Attention(x, k, v)", (23, 24, 25), {}),
    (PICTURE, "k = Neg(x)  y = Attention<is_causal=1, scale=0.7, softcap=2.0>(x, k, x)", (23, 24), {}),
    (PICTURE, "y = Mod(x, d)", (28,), {"d": np.array([1.5, -0.7, 2, -3, 0.25, -0.25, 1, 5])}),
    (PICTURE, "y = Mod<fmod=1>(x, d)", (28,), {"d": np.float32(-0.7)}),
    (PICTURE, 'y = SpaceToDepth<blocksize=2, mode="CRD">(x)', (28,), {}),
    (PICTURE, 'y = SpaceToDepth<blocksize=2, mode="DCR">(x)', (28,), {}),
    *(
        (PICTURE, f"y = CumProd<exclusive={e}, reverse={r}>(x, a)", (26,), {"a": np.array(axis)})
        for e in (0, 1)
        for r in (0, 1)
        for axis in (2, -1, 0)
    ),
    (PICTURE, 'z = Cast<to=6, round_mode="up">(x)  y = Cast<to=1>(z)', (24,), {}),
    (
        PICTURE,
        "q = QuantizeLinear<precision=1>(x, s, z)  y = DequantizeLinear<output_dtype=1>(q, s, z)",
        (23, 25),
        {"s": np.float32(0.1), "z": np.int8(3)},
    ),
    (
        PICTURE,
        "y = Range<stash_type=1>(a, b, c)",
        (27,),
        {"a": np.float32(0), "b": np.float32(2), "c": np.float32(0.5)},
    ),
    ("g (float[1,4,6,8] x) => (float[] y, int64[] i)", "y, i = TopK(x, k)", (24,), {"k": np.array([3])}),
    (PICTURE, "y = MaxPool<kernel_shape=[2,3], strides=[4,3], ceil_mode=1>(x)", (22,), {}),
    (PICTURE, "y = AveragePool<kernel_shape=[2,3], strides=[4,3], ceil_mode=1, pads=[1,1,1,1]>(x)", (22,), {}),
]


@pytest.mark.parametrize(
    ("signature", "body", "opset", "weights"),
    [pytest.param(s, body, opset, w, id=f"{body}-{opset}") for s, body, opsets, w in CASES for opset in opsets],
)
def test_computes_the_same(signature, body, opset, weights):
    model = build(signature, body, weights, opset)
    rng = np.random.default_rng(1)  # as run() draws it
    feeds = {v.name: (2 * rng.standard_normal(tuple(v.shape))).astype(np.float32) for v in model.graph.inputs}
    expected = ReferenceEvaluator(ir.to_proto(model)).run(None, feeds)
    model = standardize(model)
    fold_constants(model)
    assert model.opset_imports == {"": HUB_OPSET}
    for old, new in zip(expected, run(model), strict=True):
        assert old.shape == new.shape
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("body", "opset", "reason"),
    [
        ("z = BitCast<to=6>(x)  y = Cast<to=1>(z)", 26, "BitCast.*no such operator"),
        ("z = Cast<to=23>(x)  y = Cast<to=1>(z)", 23, "Cast.*no type FLOAT4E2M1"),
        ('y = Cast<to=1, round_mode="down">(x)', 24, "no attribute 'round_mode'"),
        ("z = Abs(x)  y = CumProd(x, a)", 26, "not fixed"),
        ("y = Relu(x)", NEWEST_OPSET + 1, f"opset {NEWEST_OPSET + 1}"),
        ("y = Add(x, x)", 6, "opset 6"),
    ],
)
def test_refusals_name_what_is_missing(body, opset, reason):
    text = f'<ir_version: 8, opset_import: ["": {opset}]> g (float[1,4,h,8] x, int64 a) => (float[] y) {{ {body} }}'
    with pytest.raises(UnsupportedError, match=reason):
        standardize(ir.from_proto(onnx.parser.parse_model(text)))


def test_nothing_is_expanded_that_the_hub_has():
    model = standardize(build(PICTURE, "z = Gelu(x)  y = HardSwish(z)", opset=22))
    assert ops(model) == {"Gelu": 1, "HardSwish": 1}


def test_function_of_another_opset_than_the_model():
    text = """
    <ir_version: 9, opset_import: ["": 18, "here": 1]>
    g (float[1,4,6,8] x) => (float[1,4,6,8] y) { y = here.scaled(x) }
    <domain: "here", opset_import: ["": 11]>
    scaled (a) => (b) { s = Softmax<axis=3>(a)  b = Clip(s) }
    """
    model = standardize(ir.from_proto(onnx.parser.parse_model(text)))
    (softmax,) = [node for node in model.graph if node.op_type == "Softmax"]
    assert softmax.attributes["axis"].value == -1


def test_graphs_inside_nodes_are_brought_along():
    body = """
        c = Cast<to=9>(k)
        y = If(c) <
            then_branch = t () => (float[1,4,6,8] u) { u = Clip<min=0.0>(x) },
            else_branch = e () => (float[1,4,6,8] v) { v = Clip<max=0.0>(x) }
        >
    """
    model = build("g (float[1,4,6,8] x, float[1] k) => (float[] y)", body, opset=10)
    for before, after in zip(run(model), run(standardize(model)), strict=True):
        np.testing.assert_array_equal(after, before)
