import numpy as np
import pytest

from export.hub.decompose import decompose
from export.hub.shapes import infer_shapes
from tests.export.hub.decompose.support import check
from tests.export.hub.graphs import build, ops, run
from validate.errors import UnsupportedError


@pytest.mark.parametrize("dtype", ["float", "int64"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("axes=[2,3]", [4, 8]), ("axes=[-1,1]", [2, 6]), ("", [3, 2, 9, 4]), ("axes=[2]", [6]), ("axes=[3,2]", [7, 3])],
)
def test_center_crop_pad(axes, shape, dtype):
    check(
        f"g ({dtype}[2,3,6,7] x) => ({dtype}[a,b,c,d] y)",
        f"y = CenterCropPad<{axes}>(x, shape)",
        ["CenterCropPad"],
        {"shape": np.array(shape)},
    )


@pytest.mark.parametrize("axis", ["axis=0", "axis=1", "axis=-1", ""])
def test_compress(axis):
    result = "n" if not axis else "a,b,c"
    model = build(
        f"g (float[3,4,5] x) => (float[{result}] y)",
        f"y = Compress<{axis}>(x, k)",
        {"k": np.array([False, True, True])},
    )
    before = run(model)
    assert decompose(model) == 1
    assert not ops(model)["Compress"]
    np.testing.assert_array_equal(run(model), before)


@pytest.mark.parametrize(
    ("image", "block", "attributes"),
    [
        ([5, 5], [1, 5], ""),
        ([6, 7], [2, 3], "strides=[2,2]"),
        ([6, 7], [3, 2], "pads=[1,0,1,1]"),
        ([7, 6], [2, 2], "dilations=[2,3]"),
        ([8, 7], [3, 2], "strides=[2,3], pads=[1,1,0,1]"),
        ([9], [3], "strides=[2]"),
    ],
)
def test_col2im(image, block, attributes):
    given = dict(part.strip().split("=") for part in attributes.replace("],", "];").split(";") if part)
    read = lambda name, default: eval(given.get(name, "None")) or default  # noqa: E731
    n = len(image)
    strides, dilations, pads = read("strides", [1] * n), read("dilations", [1] * n), read("pads", [0] * 2 * n)
    blocks = np.prod(
        [(image[k] + pads[k] + pads[n + k] - dilations[k] * (block[k] - 1) - 1) // strides[k] + 1 for k in range(n)]
    )
    check(
        f"g (float[2,{3 * np.prod(block)},{blocks}] x) => (float[2,3,{','.join(map(str, image))}] y)",
        f"y = Col2Im<{attributes}>(x, image, block)",
        ["Col2Im"],
        {"image": np.array(image), "block": np.array(block)},
    )


def test_condition_at_run_time_is_refused():
    model = build("g (float[3] x, bool[3] k) => (float[n] y)", "y = Compress<axis=0>(x, k)")
    infer_shapes(model)
    with pytest.raises(UnsupportedError, match="condition is computed at run time"):
        decompose(model)
