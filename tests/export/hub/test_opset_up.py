"""Operators of every opset from 7 on compute the same at the hub's; ONNX Runtime runs the original."""

import numpy as np
import pytest

from export.hub.folding import fold_constants
from export.hub.model import HUB_OPSET
from export.hub.opset import settle, standardize
from export.hub.shapes import infer_shapes, require_static
from tests.export.hub.graphs import build, normal, ops, run
from validate.errors import UnsupportedError

C = {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4)) + 0.5}
G = {"s": normal(2), "b": normal(2)}


def scales(*numbers):
    return {"s": np.array([1, 1, *numbers], np.float32)}


POOLS = [
    f"{op}<kernel_shape=[{k},2], strides=[{s},3], pads={pads}, ceil_mode={ceil}>(x)"
    for op in ("AveragePool", "MaxPool")
    for k, s in ((3, 2), (2, 2), (2, 3))
    for pads in ("[0,0,0,0]", "[1,0,1,1]")
    for ceil in (0, 1)
]

# (body, opsets of the file, weights)
CASES = [
    ("y = BatchNormalization<epsilon=0.01, spatial=1>(x, s, b, m, v)", (7, 8), C),
    ("y = BatchNormalization<momentum=0.8>(x, s, b, m, v)", (9, 13, 14, 15), C),
    ("y = Dropout<ratio=0.3>(x)", (7, 9, 10, 11), {}),
    ("y, mask = Dropout(x)", (7, 10), {}),
    ("y = Dropout(x)", (12, 13), {}),
    ("y = Clip<min=-0.5, max=1.0>(x)", (7, 10), {}),
    ("y = Clip<max=0.25>(x)", (7, 10), {}),
    ("y = Clip(x, , top)", (11, 12, 13), {"top": np.float32(0.25)}),
    ("y = Pad<pads=[0,1,2,0,0,0,1,3], value=0.5>(x)", (7, 10), {}),
    ('y = Pad<pads=[0,0,2,1,0,0,1,3], mode="reflect">(x)', (7, 10), {}),
    ('y = Pad<pads=[0,0,-2,1,0,0,1,-1], mode="edge">(x)', (7, 10), {}),
    ('y = Pad<mode="reflect">(x, p)', (11, 13, 18, 19), {"p": np.array([0, 0, 1, 2, 0, 0, 3, 1])}),
    ("y = Slice<starts=[1,-4], ends=[3,9223372036854775807], axes=[1,2]>(x)", (7, 9), {}),
    ("y = Slice<starts=[0,1], ends=[1,-1]>(x)", (7, 9), {}),
    (
        "y = Slice(x, a, e, axes, steps)",
        (10, 11, 13),
        {"a": np.array([5, 0]), "e": np.array([-9, 4]), "axes": np.array([2, 3]), "steps": np.array([-2, 3])},
    ),
    *(
        (f"y = {op}<axis={axis}>(x)", (7, 11, 12), {})
        for op in ("Softmax", "LogSoftmax", "Hardmax")
        for axis in range(4)
    ),
    ("y = Softmax(x)", (7, 11, 12, 13), {}),
    ("y = LogSoftmax<axis=-2>(x)", (11, 12, 13), {}),
    ("y = Softmax<axis=-1>(x)", (11, 12), {}),
    *(
        (f"z = Abs(x)  y = Reduce{kind}<axes=[2,3], keepdims=1>(z)", (7, 11, 13) if kind != "Sum" else (7, 11), {})
        for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare", "Sum")
    ),
    ("y = ReduceMean<axes=[-1], keepdims=0>(x)", (11, 13, 17), {}),
    ("y = ReduceMax<keepdims=1>(x)", (7, 12, 13, 18, 20), {}),
    ("y = ReduceSum<keepdims=1>(x)", (7, 11, 13), {}),
    ("z = Unsqueeze<axes=[0,3]>(x)  y = Squeeze<axes=[0]>(z)", (7, 11, 12), {}),
    ("y = Squeeze(x)", (7, 11, 13), {}),
    ("y, z = Split<axis=1>(x)", (7, 11, 13), {}),
    ("y, z = Split<axis=2, split=[4,2]>(x)", (7, 11), {}),
    ("y, z = Split<axis=2>(x, parts)", (13, 18), {"parts": np.array([4, 2])}),
    ("y, i = TopK<k=2, axis=2>(x)", (7, 9), {}),
    ("y, i = TopK<axis=-1>(x, k)", (10, 11), {"k": np.array([2])}),
    ("y = Upsample<scales=[1.0,1.0,2.0,1.5]>(x)", (7, 8), {}),
    ('y = Upsample<mode="linear", scales=[1.0,1.0,2.0,1.5]>(x)', (7, 8), {}),
    ("y = Upsample(x, s)", (9,), scales(3, 2.5)),
    ('y = Upsample<mode="linear">(x, s)', (9,), scales(2, 3)),
    *(
        (f'y = Resize<mode="{mode}">(x, s)', (10,), scales(*by))
        for mode in ("nearest", "linear")
        for by in ((2, 3), (0.5, 0.6), (1.5, 0.4), (0.3, 1))
    ),
    *(
        (
            f'y = Resize<mode="{mode}", coordinate_transformation_mode="{place}">(x, roi, s)',
            (11,),
            {**scales(*by), "roi": np.zeros(0)},
        )
        for mode in ("nearest", "linear", "cubic")
        for place in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
        for by in ((2, 3), (0.6, 1.5))
    ),
    (
        'y = Resize<mode="nearest", coordinate_transformation_mode="tf_half_pixel_for_nn">(x, roi, s)',
        (11,),
        {**scales(2, 2), "roi": np.zeros(0)},
    ),
    (
        'y = Resize<mode="linear", coordinate_transformation_mode="tf_crop_and_resize">(x, roi, s)',
        (11, 13),
        {**scales(2, 2), "roi": np.array([0, 0, 0.1, 0.2, 1, 1, 0.7, 0.9])},
    ),
    (
        'y = Resize<mode="cubic">(x, roi, none, sizes)',
        (11, 13, 18),
        {"roi": np.zeros(0), "none": np.zeros(0), "sizes": np.array([1, 4, 9, 3])},
    ),
    ('y = Resize<mode="linear">(x, , , sizes)', (13, 18, 19), {"sizes": np.array([1, 4, 9, 3])}),
    ("y = GroupNormalization<num_groups=2, epsilon=0.1>(x, s, b)", (18, 20), G),
    *((f"y = {pool}", (10, 11, 19) if pool.startswith("Av") else (10, 11, 12), {}) for pool in POOLS),
    ("y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)", (7, 10, 11), {}),
    ('y = AveragePool<kernel_shape=[3,2], strides=[2,2], auto_pad="SAME_LOWER">(x)', (7, 11, 19), {}),
    ('y = MaxPool<kernel_shape=[3,2], strides=[2,2], auto_pad="SAME_UPPER">(x)', (7, 8, 10), {}),
    ("y = LpPool<kernel_shape=[3,2], strides=[2,2], p=3>(x)", (7, 11, 18), {}),
    ("y = DepthToSpace<blocksize=2>(x)", (7, 11), {}),
    ('y = DepthToSpace<blocksize=2, mode="CRD">(x)', (11, 13), {}),
    ("z = Abs(x)  y = Pow(z, e)", (7, 12, 13, 15), {"e": np.float32(1.7)}),
    ("y = InstanceNormalization<epsilon=0.01>(x, s, b)", (7,), C),
    ("y = Flatten<axis=2>(x)", (7, 9, 11), {}),
    ("y = Gather<axis=2>(x, i)", (7, 11), {"i": np.array([3, 0])}),
    ("y = Scatter<axis=2>(x, i, u)", (9,), {"i": np.zeros((1, 1, 1, 2), np.int64) + 3, "u": normal(1, 1, 1, 2)}),
    ("y = PRelu(x, s)", (7, 9), {"s": normal(4, 1, 1)}),
    ("y = Max(x, s)", (8, 12), {"s": normal(4, 1, 1)}),
    ("z = Neg(x)  y = Max(x, z)", (7,), {}),
    ("z = Flatten(x)  y = Gemm<transB=1>(z, k, b)", (7, 9, 11), {"k": normal(3, 120), "b": normal(3)}),
    ("y = MeanVarianceNormalization(x)", (9,), {}),
    ("y = CumSum(x, axis)", (11,), {"axis": np.int64(2)}),
    ("y = LRN<size=3>(x)", (7,), {}),
    (
        "q = QuantizeLinear(x, k, z)  y = DequantizeLinear(q, k, z)",
        (10, 13, 19),
        {"k": np.float32(0.05), "z": np.uint8(120)},
    ),
    (
        "q = QuantizeLinear<axis=1>(x, k, z)  y = DequantizeLinear<axis=1>(q, k, z)",
        (13, 19),
        {"k": np.abs(normal(4)) + 0.01, "z": np.zeros(4, np.int8)},
    ),
    ("y = ArgMax<axis=2, keepdims=0>(x)", (7, 11, 12), {}),
    ("y = ConstantOfShape(k)", (9,), {"k": np.array([2, 3])}),
    *(
        (f'y = GridSample<mode="{mode}", align_corners=1>(x, g)', (16,), {"g": normal(1, 3, 4, 2)})
        for mode in ("bilinear", "bicubic", "nearest")
    ),
    ("y = ReduceMean<axes=[1]>(x)", (7,), {}),
    ("y = BatchNormalization(x, s, b, m, v)", (7,), C),
]


def models():
    for body, opsets, weights in CASES:
        for opset in opsets:
            yield pytest.param(body, opset, weights, id=f"{body}-{opset}")


@pytest.mark.parametrize(("body", "opset", "weights"), models())
def test_computes_the_same(body, opset, weights):
    dtype = "int64" if "ArgMax" in body else "float"
    model = build(f"agraph (float[1,4,6,5] x) => ({dtype}[] y)", body, weights, opset)
    before = run(model)
    model = standardize(model)
    fold_constants(model)
    settle(model)
    infer_shapes(model)
    require_static(model)
    assert model.opset_imports == {"": HUB_OPSET}
    after = run(model)
    for old, new in zip(before, after, strict=True):
        assert old.shape == new.shape
        assert old.dtype == new.dtype
        np.testing.assert_allclose(new, old, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "opset", "reason"),
    [
        ("y = BatchNormalization<spatial=0>(x, s, b, m, v)", 7, "statistics are per pixel"),
        ("z, y = Dropout(x)", 7, "only there while training"),
    ],
)
def test_refusals_name_the_node(body, opset, reason):
    model = build("agraph (float[1,4,6,5] x) => (float[] y)", body, C, opset)
    with pytest.raises(UnsupportedError, match=reason):
        standardize(model)


def test_no_flattening_where_the_axis_is_known_to_be_the_last():
    model = standardize(build("agraph (float[2,5] x) => (float[2,5] y)", "y = Softmax(x)", opset=11))
    assert ops(model) == {"Softmax": 1}


def test_scales_at_run_time_are_refused_where_the_rounding_hangs_on_them():
    model = standardize(
        build("agraph (float[1,4,6,5] x, float[4] s) => (float[1,4,n,m] y)", "y = Resize(x, s)", opset=10)
    )
    with pytest.raises(UnsupportedError, match="scales at run time"):
        settle(model)


def test_group_norm_that_always_had_a_number_for_each_channel():
    """Against the standard of opset 18, which ONNX Runtime keeps to; the numbers mean what they mean since 21."""
    body = "y = GroupNormalization<num_groups=2>(x, s, b)"
    signature = "agraph (float[1,4,6,5] x) => (float[] y)"
    model = standardize(build(signature, body, C, opset=18))
    assert ops(model) == {"GroupNormalization": 1}
    np.testing.assert_array_equal(run(model)[0], run(build(signature, body, C, opset=21))[0])
