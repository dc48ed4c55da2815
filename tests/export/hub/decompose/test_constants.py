import numpy as np
import pytest

from tests.export.hub.decompose.support import check, unfolded
from tests.export.hub.graphs import ops


@pytest.mark.parametrize("attributes", ["", "start=1", "start=-2, end=-1", "end=9", "start=3, end=1"])
def test_shape(attributes):
    unfolded("g (float[2,3,4] x) => (int64[n] y)", f"y = Shape<{attributes}>(x)")


def test_size():
    unfolded("g (float[2,3,4] x) => (int64 y)", "y = Size(x)")


@pytest.mark.parametrize("attributes", ["", "k=2", "k=-1, dtype=6", "dtype=7"])
def test_eye_like(attributes):
    check("g (float[3,5] x) => (float[3,5] z)", f"y = EyeLike<{attributes}>(x)  z = Cast<to=1>(y)", ["EyeLike"])


@pytest.mark.parametrize("value", ["", "value=float[1]{2.5}", "value=int32[1]{7}"])
@pytest.mark.parametrize("size", [3, 400])
def test_constant_of_shape(value, size):
    model = unfolded(
        "g (float[2] x) => (float[n,m] z)",
        f"y = ConstantOfShape<{value}>(k)  z = Cast<to=1>(y)",
        {"k": np.array([size, size])},
    )
    assert max(tensor.const_value.size for tensor in model.graph.initializers.values()) < 2**16
    assert ("Expand" in ops(model)) == (size == 400)


@pytest.mark.parametrize("numbers", [(0, 5, 2), (5, -1, -2), (0.0, 2.0, 0.3), (3, 3, 1.0), (2.5, 1.0, -0.5)])
def test_range(numbers):
    whole = all(isinstance(n, int) for n in numbers)
    dtype, text = (np.int64, "int64") if whole else (np.float32, "float")
    unfolded(
        f"g (float[2] x) => ({text}[n] y)",
        "y = Range(a, b, c)",
        dict(zip("abc", map(dtype, numbers), strict=True)),
    )
