import pytest

from export.hub.decompose import decompose
from tests.export.hub.decompose.support import check
from tests.export.hub.graphs import prepared
from validate.errors import UnsupportedError


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("shape", ["2,3,5,4", "1,2,7", "1,2,3,4,2"])
def test_global_lp_pool(p, shape):
    n = shape.count(",") - 1
    result = ",".join([*shape.split(",")[:2], *["1"] * n])
    check(f"g (float[{shape}] x) => (float[{result}] y)", f"y = GlobalLpPool<p={p}>(x)", ["GlobalLpPool"])


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape=[3,2]",
        "kernel_shape=[3,2], strides=[2,3]",
        "kernel_shape=[3,2], pads=[1,0,2,1], strides=[2,2]",
        "kernel_shape=[2,3], dilations=[2,2]",
        "kernel_shape=[3,3], strides=[3,2], ceil_mode=1",
        "kernel_shape=[3,3], strides=[2,3], ceil_mode=1, pads=[1,1,1,1]",
        'kernel_shape=[3,2], strides=[2,2], auto_pad="SAME_UPPER"',
        'kernel_shape=[3,2], strides=[2,2], auto_pad="SAME_LOWER"',
        'kernel_shape=[3,2], strides=[2,2], auto_pad="VALID"',
    ],
)
def test_lp_pool(p, attributes):
    check(
        "g (float[2,3,9,8] x) => (float[2,3,h,w] y)", f"y = LpPool<p={p}, {attributes}>(x)", ["LpPool"], tolerance=1e-5
    )


def test_lp_pool_of_a_line():
    check("g (float[1,2,9] x) => (float[1,2,n] y)", "y = LpPool<kernel_shape=[4]>(x)", ["LpPool"])


@pytest.mark.parametrize("attributes", ["kernel_shape=[1,1], strides=[3,3]", "kernel_shape=[2,2], dilations=[2,2]"])
def test_same_padding_that_onnx_runtime_reads_differently_is_refused(attributes):
    body = f'y = LpPool<auto_pad="SAME_UPPER", {attributes}>(x)'
    with pytest.raises(UnsupportedError, match=r"LpPool.*reads its auto_pad in another way"):
        decompose(prepared("g (float[1,4,9,7] x) => (float[1,4,h,w] y)", body))
