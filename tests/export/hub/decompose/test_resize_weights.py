"""The matrices of a Resize compute what ONNX Runtime computes, in every mode."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from export.hub.decompose.resize_weights import nearest_indices, resize_matrices, resize_offset
from tests.export.hub.graphs import build, normal, run
from validate.errors import UnsupportedError

COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)
SIZES = ((7, 5, 12, 9), (7, 5, 3, 2), (6, 4, 12, 4), (5, 7, 1, 3))  # height and width before and after
SCALES = ((7, 5, 1.6, 2.5), (9, 8, 0.55, 0.3), (4, 6, 1.0, 1.3))
ROI = np.array([0, 0, 0.1, -0.1, 1, 1, 0.7, 1.2])


def resize_model(given, by_sizes, **attributes):
    """A Resize of a picture (height, width given[:2]) to sizes, or by scales, given[2:]."""
    height, width = given[:2]
    weights = {"roi": ROI} if attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize" else {}
    weights["by"] = np.array([1, 2, *given[2:]], np.int64) if by_sizes else np.array([1, 1, *given[2:]])
    inputs = ["roi" if "roi" in weights else "", *([""] if by_sizes else []), "by"]
    settings = ", ".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}" for name, value in attributes.items()
    )
    signature = f"agraph (float[1,2,{height},{width}] x) => (float[1,2,h,w] y)"
    return build(signature, f"y = Resize<{settings}>(x, {', '.join(inputs)})", weights)


def multiplied(model, x):
    """What the matrices make of ``x``."""
    (node,) = model.graph
    y = x.astype(np.float64)
    for axis, matrix in resize_matrices(node).items():
        assert matrix.dtype == np.float32
        y = np.moveaxis(np.tensordot(matrix.astype(np.float64), y, ([1], [axis])), 0, axis)
    offset = resize_offset(node)
    return y if offset is None else y + offset


def check(model):
    """Compare with ONNX Runtime on the input that ``run`` draws."""
    x = (2 * np.random.default_rng(1).standard_normal(model.graph.inputs[0].shape)).astype(np.float32)
    (expected,) = run(model)
    got = multiplied(model, x)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=2e-5)


CASES = [(given, True) for given in SIZES] + [(given, False) for given in SCALES]


def cases(coordinates):
    """Every case but those we refuse.

    ONNX Runtime ignores a region of interest where nothing is scaled. It aligns the corners of the whole output, and
    ONNX's own tests those of a fractional one.
    """
    if coordinates == "align_corners":
        return [(given, by_sizes) for given, by_sizes in CASES if by_sizes]
    return [c for c in CASES if coordinates != "tf_crop_and_resize" or (c[0][3] != c[0][1] and c[0][2] != 1.0)]


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest(coordinates, rounding):
    for given, by_sizes in cases(coordinates):
        model = resize_model(
            given,
            by_sizes,
            mode="nearest",
            nearest_mode=rounding,
            coordinate_transformation_mode=coordinates,
            extrapolation_value=1.5,
        )
        check(model)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("antialias", [0, 1])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_interpolated(coordinates, antialias, mode):
    for given, by_sizes in cases(coordinates):
        for exclude in (0, 1) if mode == "cubic" else (0,):
            check(
                resize_model(
                    given,
                    by_sizes,
                    mode=mode,
                    cubic_coeff_a=-0.6,
                    antialias=antialias,
                    exclude_outside=exclude,
                    coordinate_transformation_mode=coordinates,
                    extrapolation_value=-2.5,
                )
            )


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_axes_and_aspect_ratio(policy, mode):
    model = build(
        "agraph (float[1,2,6,5] x) => (float[1,2,h,w] y)",
        f'y = Resize<mode="{mode}", axes=[3,2], keep_aspect_ratio_policy="{policy}">(x, , , sizes)',
        {"sizes": np.array([9, 8], np.int64)},
    )
    check(model)


def test_channels_and_batch_where_onnx_runtime_refuses():
    model = build(
        "agraph (float[2,3,4,5] x) => (float[2,6,h,w] y)",
        'y = Resize<mode="cubic", coordinate_transformation_mode="align_corners">(x, , , sizes)',
        {"sizes": np.array([3, 6, 3, 10], np.int64)},
    )
    x = normal(2, 3, 4, 5)
    (expected,) = ReferenceEvaluator(ir.to_proto(model)).run(None, {"x": x})
    np.testing.assert_allclose(multiplied(model, x), expected, atol=1e-5)


def test_nearest_reads_the_same_lines_by_index():
    (node,) = resize_model((7, 5, 12, 3), True, mode="nearest").graph
    for axis, indices in nearest_indices(node).items():
        np.testing.assert_array_equal(resize_matrices(node)[axis].argmax(axis=1), indices)


def test_what_does_not_change_has_no_matrix():
    (node,) = resize_model((6, 4, 12, 4), True, mode="linear").graph
    assert list(resize_matrices(node)) == [2]
    assert resize_offset(node) is None


@pytest.mark.parametrize(
    ("given", "attributes", "reason"),
    [
        ((6, 4, 6, 8), {"coordinate_transformation_mode": "tf_crop_and_resize"}, "ignores roi"),
        ((6, 4, 12, 8), {"coordinate_transformation_mode": "none"}, "not defined"),
        ((6, 4, 12, 8), {"mode": "area"}, "not defined"),
        ((6, 4, 12, 8), {"nearest_mode": "up"}, "not defined"),
    ],
)
def test_refusals_name_the_node(given, attributes, reason):
    (node,) = resize_model(given, True, **attributes).graph
    node.name = "up_1"
    with pytest.raises(UnsupportedError, match=f"'up_1'.*{reason}"):
        resize_matrices(node)


def test_sizes_at_run_time_are_refused():
    model = build(
        "agraph (float[1,2,6,5] x, int64[4] sizes) => (float[1,2,h,w] y)", "y = Resize(x, , , sizes)", opset=19
    )
    with pytest.raises(UnsupportedError, match="computed at run time"):
        resize_matrices(model.graph[0])


def test_corners_of_a_fractional_size_are_refused():
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    with pytest.raises(UnsupportedError, match="fractional"):
        resize_matrices(resize_model((7, 5, 1.6, 1.0), False, **attributes).graph[0])
    (node,) = resize_model((7, 5, 2.0, 1.0), False, **attributes).graph
    assert resize_matrices(node)[2].shape == (14, 7)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_scale_that_leaves_the_size_is_refused(mode):
    with pytest.raises(UnsupportedError, match="copies"):
        resize_matrices(resize_model((7, 5, 1.0, 1.1), False, mode=mode).graph[0])
    check(resize_model((7, 5, 2.0, 1.1), False, mode=mode))
