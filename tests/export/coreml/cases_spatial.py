"""Numeric cases for the lowerings that slide, pad, resize and normalize."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, a, f, k, n, simple


def resize(
    shape: tuple[int, ...], scales: tuple[float, ...] | None = None, sizes: tuple | None = None, **attributes: object
) -> Case:
    """A Resize by scales or to sizes."""
    given = Const(np.array(scales, np.float32)) if scales else None
    wanted = n(*sizes) if sizes else None
    inputs = (a(*shape), None, given) if sizes is None else (a(*shape), None, None, wanted)
    return case("Resize", *inputs, **attributes)


_BY_TWO = (1.0, 1.0, 2.0, 2.0)

SPATIAL: dict[str, list[Case]] = {
    "Conv": [
        case("Conv", X, k(5, 4, 3, 3), k(5), pads=[1, 1, 1, 1]),
        case("Conv", X, k(5, 4, 3, 3), strides=[2, 2], pads=[0, 1, 2, 1]),
        case("Conv", X, k(8, 1, 3, 3), k(8), group=4, pads=[1, 1, 1, 1]),
        case("Conv", X, k(6, 2, 3, 3), group=2, dilations=[2, 1], pads=[2, 1, 2, 1]),
        case("Conv", X, k(5, 4, 3, 2), strides=[2, 3], auto_pad="SAME_UPPER"),
        case("Conv", X, k(5, 4, 4, 4), strides=[2, 1], auto_pad="SAME_LOWER"),
        case("Conv", X, k(5, 4, 3, 3), auto_pad="VALID"),
        case("Conv", a(1, 4, 11), k(5, 4, 3), k(5), strides=[2], pads=[2, 0]),
    ],
    "ConvTranspose": [
        case("ConvTranspose", X, k(4, 5, 4, 4), k(5), strides=[2, 2], pads=[1, 1, 1, 1]),
        case("ConvTranspose", X, k(4, 5, 3, 3), k(5), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        case("ConvTranspose", X, k(4, 5, 2, 2), k(5), strides=[3, 3], output_padding=[1, 2]),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[2, 2], pads=[0, 2, 1, 0]),
        case("ConvTranspose", X, k(4, 2, 3, 3), k(4), group=2, strides=[2, 1]),
        case("ConvTranspose", X, k(4, 1, 3, 3), group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
        case("ConvTranspose", X, k(4, 5, 3, 3), dilations=[2, 2]),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[2, 2], output_shape=[12, 14]),
        case("ConvTranspose", a(1, 4, 9), k(4, 5, 3), strides=[2], pads=[1, 0]),
    ],
    "Pad": [
        case("Pad", X, n(0, 0, 1, 2, 0, 0, 3, 0)),
        case("Pad", X, n(0, 1, 1, 2, 0, 2, 3, 0), f(0.5)),
        case("Pad", X, n(0, 0, 5, 3, 0, 0, 2, 6), mode="reflect"),
        case("Pad", X, n(0, 0, 1, 2, 0, 0, 3, 9), mode="edge"),
        case("Pad", X, n(1, -2, 2, 1), None, n(2, 3), mode="reflect"),
        case("Pad", X, n(-1, -2, 0, -1), None, n(2, -1)),
        case("Pad", X, n(2, 1), None, n(3), mode="edge"),
    ],
    "BatchNormalization": [
        case("BatchNormalization", x, k(4), k(4), k(4), k(4, low=0.1, high=2), epsilon=1e-3)
        for x in (X, a(1, 4, 9), a(2, 4))
    ],
    "InstanceNormalization": [
        case("InstanceNormalization", X, k(4), k(4)),
        case("InstanceNormalization", a(1, 4, 9), k(4), k(4), epsilon=1e-2),
        case("InstanceNormalization", X, a(4), a(4)),
        case("InstanceNormalization", X, a(4), k(4)),
    ],
    "GroupNormalization": [
        case("GroupNormalization", a(1, 8, 5, 5), k(8), k(8), num_groups=4),
        case("GroupNormalization", a(2, 6, 7), k(6), a(6), num_groups=1, epsilon=1e-2),
    ],
    "LayerNormalization": [
        case("LayerNormalization", X, k(7), k(7)),
        case("LayerNormalization", X, k(4, 6, 7), axis=1, epsilon=1e-2),
    ],
    "MaxPool": [
        case("MaxPool", X, kernel_shape=[2, 2], strides=[2, 2]),
        case("MaxPool", X, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1]),
        case("MaxPool", X, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        case("MaxPool", X, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        case("MaxPool", a(1, 4, 9), kernel_shape=[3]),
    ],
    "AveragePool": [
        case("AveragePool", X, kernel_shape=[2, 2], strides=[2, 2]),
        case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 0, 0, 1], count_include_pad=1),
        case("AveragePool", X, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
        case("AveragePool", a(1, 4, 9), kernel_shape=[3], strides=[2]),
    ],
    "GlobalAveragePool": simple("GlobalAveragePool"),
    "GlobalMaxPool": simple("GlobalMaxPool"),
    "DepthToSpace": [
        case("DepthToSpace", a(1, 12, 3, 4), blocksize=2),
        case("DepthToSpace", a(1, 12, 3, 4), blocksize=2, mode="CRD"),
    ],
    "SpaceToDepth": [case("SpaceToDepth", a(1, 3, 4, 6), blocksize=2)],
    "Resize": [
        resize(
            (1, 3, 4, 5), _BY_TWO, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        ),
        resize((1, 3, 4, 5), (1, 1, 3, 1), mode="nearest"),
        resize((1, 3, 8, 9), (1, 1, 0.5, 0.7), mode="nearest", nearest_mode="round_prefer_ceil"),
        resize(
            (1, 3, 8, 9),
            (1, 1, 0.5, 0.5),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        resize(
            (1, 3, 4, 5),
            sizes=(1, 3, 7, 7),
            mode="nearest",
            coordinate_transformation_mode="align_corners",
            nearest_mode="ceil",
        ),
        resize((1, 2, 3), (2, 2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        resize((1, 3, 4, 5), _BY_TWO, mode="linear"),
        resize((1, 3, 4, 5), _BY_TWO, mode="linear", coordinate_transformation_mode="align_corners"),
        resize((1, 3, 4, 5), _BY_TWO, mode="linear", coordinate_transformation_mode="asymmetric"),
        resize((1, 3, 4, 5), _BY_TWO, mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
        resize((1, 3, 4, 5), (1, 1, 1.6, 2.3), mode="linear"),
        resize((1, 3, 4, 5), (1, 1, 1.6, 2.3), mode="linear", coordinate_transformation_mode="half_pixel_symmetric"),
        resize((1, 3, 9, 8), sizes=(1, 3, 4, 5), mode="linear"),
        resize((1, 3, 9, 8), sizes=(1, 3, 4, 5), mode="linear", coordinate_transformation_mode="align_corners"),
        resize((1, 3, 9, 8), sizes=(1, 3, 1, 5), mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
        resize((1, 3, 9), (1, 1, 2), mode="linear"),
        resize((1, 3, 4, 5), _BY_TWO, mode="cubic"),
        resize(
            (1, 3, 4, 5),
            (1, 1, 1.5, 3),
            mode="cubic",
            coordinate_transformation_mode="align_corners",
            cubic_coeff_a=-0.5,
        ),
        resize((1, 3, 6, 7), (1, 1, 0.5, 2), mode="cubic", exclude_outside=1),
        resize((1, 3, 4, 5), sizes=(8, 5), axes=[2, 3], mode="linear"),
    ],
}
