import numpy as np
import pytest

from export.hub.decompose import decompose
from tests.export.hub.decompose.support import check, draw, outputs
from tests.export.hub.graphs import prepared


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_lp_normalization(p, axis):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    x[:, 1], x[1], x[0, :, 2], x[..., 3] = 0, 1000 * x[1], 0, 0
    check(
        "g (float[2,3,4,5] x) => (float[2,3,4,5] y)",
        f"y = LpNormalization<axis={axis}, p={p}>(x)",
        ["LpNormalization"],
        feeds={"x": x},
    )


@pytest.mark.parametrize("attributes", ["", "axes=[1]", "axes=[2,3]", "axes=[-1]", "axes=[0,1,2,3]"])
def test_mean_variance_normalization(attributes):
    check(
        "g (float[2,3,4,5] x) => (float[2,3,4,5] y)",
        f"y = MeanVarianceNormalization<{attributes}>(x)",
        ["MeanVarianceNormalization"],
        tolerance=2e-6,
    )


def test_a_flat_plane_becomes_zero():
    x = np.full((1, 2, 4, 4), 3, np.float32)
    model = prepared("g (float[1,2,4,4] x) => (float[1,2,4,4] y)", "y = MeanVarianceNormalization<axes=[2,3]>(x)")
    decompose(model)
    assert not np.any(outputs(model, {"x": x}))  # ONNX Runtime, by E[x²] - E[x]², has the root of less than 0


@pytest.mark.parametrize("body", ["LpNormalization<axis=1>", "MeanVarianceNormalization"])
def test_no_value_between_leaves_half_precision(body):
    model = prepared("g (float[1,64,8,8] x) => (float[1,64,8,8] y)", f"y = {body}(x)")
    decompose(model)
    (y,) = model.graph.outputs
    inner = [v for node in model.graph for v in node.outputs if v is not y and v.dtype.is_floating_point()]
    model.graph.outputs.extend(inner)
    values = outputs(model, {"x": 10000 * draw(model.graph.inputs[0])})
    assert max(np.abs(v).max() for v in values) < 65504
