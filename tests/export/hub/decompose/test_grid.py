import numpy as np
import pytest

from export.hub.decompose import decompose
from export.hub.resolve import resolve
from tests.export.hub.decompose.support import check
from tests.export.hub.graphs import ops, prepared

SIGNATURE = "g (float[2,3,5,7] x, float[2,4,6,2] g) => (float[2,3,4,6] y)"


def places(aligned):
    """Places all over the picture and beyond its edges, and exactly on pixels and between them."""
    grid = np.random.default_rng(3).uniform(-2.3, 2.3, (2, 4, 6, 2))
    pixels = np.linspace(-1, 1, 7) if aligned else (2 * np.arange(7) + 1) / 7 - 1
    grid[0, 0, :, 0] = pixels[:6]
    grid[0, 1] = [[-1, -1], [1, 1], [-1, 1], [0, 0], [0.3, 1], [1, -0.2]]
    return grid.astype(np.float32)


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_grid_at_run_time(mode, padding, aligned):
    body = f'y = GridSample<mode="{mode}", padding_mode="{padding}", align_corners={aligned}>(x, g)'
    check(
        SIGNATURE,
        body,
        ["GridSample"],
        feeds={"g": places(aligned)},
        requested=["GridSample"],
        tolerance=1e-5,
    )


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_one_picture_one_pixel_high(mode, padding):
    grid = places(1)[:1]
    check(
        "g (float[1,2,1,7] x, float[1,4,6,2] g) => (float[1,2,4,6] y)",
        f'y = GridSample<mode="{mode}", padding_mode="{padding}", align_corners=1>(x, g)',
        ["GridSample"],
        feeds={"g": grid},
        requested=["GridSample"],
        tolerance=1e-5,
    )


def test_left_to_targets_that_have_it():
    assert decompose(prepared(SIGNATURE, "y = GridSample(x, g)")) == 0
    for mode in ("nearest", "cubic"):
        assert decompose(prepared(SIGNATURE, f'y = GridSample<mode="{mode}">(x, g)')) == 1


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_volumes(mode, padding, aligned):
    grid = np.random.default_rng(5).uniform(-1.6, 1.6, (2, 2, 4, 3, 3)).astype(np.float32)
    check(
        "g (float[2,3,4,5,6] x, float[2,2,4,3,3] g) => (float[2,3,2,4,3] y)",
        f'y = GridSample<mode="{mode}", padding_mode="{padding}", align_corners={aligned}>(x, g)',
        ["GridSample"],
        feeds={"g": grid},
        requested=["GridSample"],
        tolerance=1e-5,
    )


def test_constant_grid_leaves_gathers_with_constant_indices():
    model = check(
        "g (float[1,3,5,7] x) => (float[1,3,4,6] y)",
        "y = GridSample(x, g)",
        ["GridSample"],
        {"g": places(0)[:1]},
        requested=["GridSample"],
    )
    resolve(model)
    assert set(ops(model)) <= {"Gather", "Mul", "Add", "Reshape", "Transpose"}
    assert all(node.inputs[1].const_value is not None for node in model.graph if node.op_type == "Gather")
