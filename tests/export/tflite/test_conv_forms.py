"""Convolutions in cheaper forms: taken where they are exact, left alone elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import both, compile_bytes, model_of
from tests.export.tflite.test_registry import operators

node = onnx.helper.make_node
ONE = ints(0, 0, 1, 1, 0, 0, 1, 1)


def check(nodes, constants, channels=5, size=(6, 7)) -> list[str]:
    feeds = {"x": normal(1, channels, *size)}
    model = model_of(nodes, feeds, ["y"], constants)
    ((got, want),) = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    return operators(compile_bytes(model))


def upsampled(pad=None, scale=(2, 2), kernel=(8, 5, 3, 3), resize=None, pads=ONE, fill=None, **attributes):
    constants = {"s": np.float32([1, 1, *scale]), "w": normal(*kernel), "b": normal(kernel[0]), "pads": pads}
    resize = resize or {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes = [node("Resize", ["x", "", "s"], ["u"], **resize)]
    if pad:
        constants |= {} if fill is None else {"fill": np.float32(fill)}
        nodes.append(node("Pad", ["u", "pads", *([] if fill is None else ["fill"])], ["p"], mode=pad))
    nodes.append(node("Conv", ["p" if pad else "u", "w", "b"], ["y"], **attributes))
    return check(nodes, constants)


@pytest.mark.parametrize("pad", ["reflect", "edge", "constant"])
def test_padded_after_doubling(pad):
    assert upsampled(pad).count("CONV_2D") == 4


def test_conv_that_pads_itself():
    assert upsampled(pads=ONE, group=1, **{"strides": [1, 1]}).count("CONV_2D") == 1  # not padded: a plain VALID one
    constants = {"s": np.float32([1, 1, 2, 2]), "w": normal(8, 5, 3, 3)}
    nodes = [
        node("Resize", ["x", "", "s"], ["u"], coordinate_transformation_mode="half_pixel"),
        node("Conv", ["u", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    written = check(nodes, constants)
    assert written.count("CONV_2D") == 4
    assert written[-1] == "DEPTH_TO_SPACE"
    assert "CONCATENATION" in written


@pytest.mark.parametrize(
    "options",
    [
        {"pad": "wrap"},
        {"pad": "constant", "fill": 1.5},
        {"pad": "reflect", "pads": ints(0, 0, 2, 2, 0, 0, 2, 2)},
        {"pad": "reflect", "pads": ints(0, 0, 1, 0, 0, 0, 1, 1)},
        {"pad": "reflect", "kernel": (8, 5, 2, 2)},
        {"pad": "reflect", "strides": [2, 2]},
        {"pad": "reflect", "dilations": [2, 2]},
        {"pad": "reflect", "scale": (2, 4)},
        {"pad": "reflect", "resize": {"mode": "linear"}},
        {"pad": "reflect", "kernel": (10, 1, 3, 3), "group": 5},
        {"pad": "reflect", "pads": ints(0, 0, 1, 1, 0, 0, 1, 1), "auto_pad": "SAME_UPPER"},
    ],
    ids=str,
)
def test_other_graphs_are_left_alone(options):
    assert upsampled(**options).count("CONV_2D") + upsampled(**options).count("DEPTHWISE_CONV_2D") == 1


@pytest.mark.parametrize("kernel", [(5, 5), (9, 9), (5, 7)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("padded", [True, False])
def test_large_kernel_to_few_channels(kernel, channels, padded):
    pads = [kernel[0] // 2, kernel[1] // 2] * 2 if padded else [0] * 4
    constants = {"w": normal(channels, 6, *kernel) / 10, "b": normal(channels)}
    written = check([node("Conv", ["x", "w", "b"], ["y"], pads=pads)], constants, channels=6, size=(14, 18))
    assert written[-2:] == ["CONV_2D", "DEPTH_TO_SPACE"]


@pytest.mark.parametrize("kernel", [(7, 7), (9, 9), (7, 9), (8, 8), (7, 10)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("padded", [True, False])
def test_large_kernel_of_few_channels(kernel, channels, padded):
    height, width = (k - 1 for k in kernel)
    pads = [height // 2, width // 2, height - height // 2, width - width // 2] if padded else [0] * 4
    constants = {"w": normal(6, channels, *kernel) / 10, "b": normal(6)}
    size = (13, 18) if padded else (13, 17 + kernel[1])
    nodes = [node("Conv", ["x", "w", "b"], ["c"], pads=pads), node("Relu", ["c"], ["y"])]
    written = check(nodes, constants, channels=channels, size=size)
    assert written[-3:] == ["RESHAPE", "CONV_2D", "RESHAPE"]


def test_small_kernel_to_few_channels_of_a_large_plane():
    constants = {"w": normal(3, 6, 3, 3) / 10, "b": normal(3)}
    nodes = [node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["y"])]
    assert check(nodes, constants, channels=6, size=(64, 64)) == ["PAD", "CONV_2D", "DEPTH_TO_SPACE"]


def test_activation_is_fused_into_every_phase():
    constants = {"s": np.float32([1, 1, 2, 2]), "w": normal(8, 5, 3, 3), "b": normal(8)}
    nodes = [
        node("Resize", ["x", "", "s"], ["u"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Conv", ["u", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["y"]),
    ]
    assert "RELU" not in check(nodes, constants)


@pytest.mark.parametrize(
    ("size", "kernel", "attributes"),
    [
        ((15, 18), (3, 6, 9, 9), {}),
        ((14, 17), (3, 6, 9, 9), {}),
        ((14, 18), (3, 6, 3, 3), {}),
        ((14, 18), (5, 6, 9, 9), {}),
        ((14, 18), (3, 6, 5, 5), {"strides": [2, 2]}),
        ((14, 18), (3, 2, 5, 5), {"group": 3}),
        ((14, 18), (3, 6, 5, 5), {"dilations": [2, 2]}),
    ],
)
def test_others_stay_one_convolution(size, kernel, attributes):
    written = check([node("Conv", ["x", "w"], ["y"], **attributes)], {"w": normal(*kernel) / 10}, channels=6, size=size)
    assert written == ["CONV_2D"]


def test_low_resolution_input_may_have_other_readers():
    constants = {"s": np.float32([1, 1, 2, 2]), "w": normal(8, 5, 3, 3), "v": normal(8, 5, 3, 3)}
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Resize", ["r", "", "s"], ["u"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Conv", ["u", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("Conv", ["u", "v"], ["b"]),
        node("Slice", ["a", "from", "to", "axes"], ["c"]),
        node("Add", ["b", "c"], ["y"]),
    ]
    constants |= {"from": ints(1, 1), "to": ints(-1, -1), "axes": ints(2, 3)}
    assert check(nodes, constants).count("CONV_2D") == 5
