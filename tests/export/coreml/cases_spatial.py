"""Numeric cases for the lowerings that slide, pad, resize and normalize."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, a, bits, f, k, n, simple, whole


def resize(
    shape: tuple[int, ...], scales: tuple[float, ...] | None = None, sizes: tuple | None = None, **attributes: object
) -> Case:
    """A Resize by scales or to sizes."""
    given = Const(np.array(scales, np.float32)) if scales else None
    wanted = n(*sizes) if sizes else None
    inputs = (a(*shape), None, given) if sizes is None else (a(*shape), None, None, wanted)
    return case("Resize", *inputs, **attributes)


_BY_TWO = (1.0, 1.0, 2.0, 2.0)

_COUNTED = {"ceil_mode": 1, "count_include_pad": 1}
V = a(2, 3, 4, 5, 6)

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
        case("Conv", V, k(5, 3, 2, 3, 3), k(5), strides=[1, 2, 1], pads=[1, 0, 1, 0, 2, 1]),
        case("Conv", V, k(6, 1, 2, 2, 2), group=3, strides=[1, 2, 1], auto_pad="SAME_LOWER"),
        case("Conv", a(2, 4, 6, 7), k(5, 4, 1, 1), k(5)),
        case("Conv", X, a(5, 4, 3, 3), a(5), pads=[1, 0, 1, 2], strides=[2, 1]),
        case("Conv", X, a(6, 2, 3, 2), group=2, dilations=[2, 3], pads=[1, 1, 2, 2]),
        case("Conv", a(2, 3, 9), a(4, 3, 3), k(4), dilations=[2]),
        case("Conv", X, k(5, 4, 3, 3), a(5), dilations=[1, 2]),
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
        case("ConvTranspose", X, k(4, 5, 4, 4), strides=[2, 2], auto_pad="VALID"),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[2, 2], output_shape=[12, 13], auto_pad="SAME_UPPER"),
        case("ConvTranspose", X, k(4, 5, 3, 3), strides=[3, 2], output_shape=[19, 15]),
        case("ConvTranspose", X, k(4, 5, 2, 3), k(5), dilations=[3, 2], strides=[1, 2], output_padding=[0, 1]),
        case("ConvTranspose", V, k(3, 2, 2, 3, 3), k(2), strides=[2, 1, 2], pads=[0, 1, 1, 1, 0, 1]),
        case("ConvTranspose", V, k(3, 2, 2, 2, 3), k(6), group=3, strides=[2, 2, 1], output_padding=[1, 0, 0]),
        case("ConvTranspose", a(2, 4, 6), k(4, 2, 3), k(4), group=2, strides=[3], output_padding=[2]),
        case("ConvTranspose", X, a(4, 5, 3, 2), a(5), strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 2]),
        case("ConvTranspose", X, a(4, 2, 3, 3), group=2, strides=[2, 1], dilations=[1, 2]),
        case("ConvTranspose", X, a(4, 1, 2, 2), k(4), group=4, pads=[2, 1, 1, 3]),
        case("ConvTranspose", V, a(3, 2, 2, 3, 2), strides=[1, 2, 2]),
        case("ConvTranspose", a(2, 4, 6), a(4, 2, 3), k(2), strides=[2], output_shape=[11]),
        case("ConvTranspose", X, k(4, 2, 3, 3), a(2), strides=[2, 2]),
    ],
    "Pad": [
        case("Pad", X, n(0, 0, 1, 2, 0, 0, 3, 0)),
        case("Pad", X, n(0, 1, 1, 2, 0, 2, 3, 0), f(0.5)),
        case("Pad", X, n(0, 0, 5, 3, 0, 0, 2, 6), mode="reflect"),
        case("Pad", X, n(0, 0, 1, 2, 0, 0, 3, 9), mode="edge"),
        case("Pad", X, n(1, -2, 2, 1), None, n(2, 3), mode="reflect"),
        case("Pad", X, n(-1, -2, 0, -1), None, n(2, -1)),
        case("Pad", X, n(2, 1), None, n(3), mode="edge"),
        case("Pad", V, n(0, 1, 2, 0, 1, 1, 0, 0, 1, 0), f(-1.5)),
        case("Pad", V, n(1, 1, 2, 0, 3, 0, 2, 1, 2, 1), mode="reflect"),
        case("Pad", V, n(0, 1, 2, 5, 1, 3, 0, 9, 1, 0), mode="edge"),
        case("Pad", V, n(0, 1, 2, 0, 7, 1, 0, 4, 1, 0), mode="wrap"),
        case("Pad", X, n(1, -2, 2, 3), None, n(-2, 3), mode="wrap"),
        case("Pad", a(5), n(2, 4), mode="reflect"),
        case("Pad", a(3), n(7, 2), mode="edge"),
        case("Pad", a(2, 3), n(0, 2, 1, 1), a()),
        case("Pad", whole(2, 3, 4), n(0, 1, 2, 1, 0, 1), Const(np.array(7000, np.int32))),
        case("Pad", whole(2, 3, 4), n(1, 2, 3, 0, 1, 2), mode="reflect"),
        case("Pad", whole(2, 3, 4), n(0, 1, 2, 5, -1, 1), mode="edge"),
        case("Pad", whole(2, 3, 4), n(1, 5, 2, 0, 1, 3), mode="wrap"),
        case("Pad", bits(2, 5), n(1, 1, 0, 2), Const(np.array(True))),
    ],
    "BatchNormalization": [
        *(
            case("BatchNormalization", x, k(4), k(4), k(4), k(4, low=0.1, high=2), epsilon=1e-3)
            for x in (X, a(1, 4, 9), a(2, 4))
        ),
        case("BatchNormalization", V, k(3), k(3), k(3), k(3, low=0.1, high=2)),
        case("BatchNormalization", a(2, 4, 5), a(4), k(4), a(4), k(4, low=0.1, high=2)),
        case("BatchNormalization", X, a(4), a(4), a(4), a(4, low=0.1, high=2), epsilon=0.1),
    ],
    "InstanceNormalization": [
        case("InstanceNormalization", X, k(4), k(4)),
        case("InstanceNormalization", a(1, 4, 9), k(4), k(4), epsilon=1e-2),
        case("InstanceNormalization", X, a(4), a(4)),
        case("InstanceNormalization", X, a(4), k(4)),
        case("InstanceNormalization", V, k(3), k(3)),
        case("InstanceNormalization", a(2, 3, 4, 5), k(3), a(3)),
    ],
    "GroupNormalization": [
        case("GroupNormalization", a(1, 8, 5, 5), k(8), k(8), num_groups=4),
        case("GroupNormalization", a(2, 6, 7), k(6), a(6), num_groups=1, epsilon=1e-2),
        case("GroupNormalization", a(2, 6, 3, 4, 2), k(6), k(6), num_groups=3),
    ],
    "LayerNormalization": [
        case("LayerNormalization", X, k(7), k(7)),
        case("LayerNormalization", X, k(4, 6, 7), axis=1, epsilon=1e-2),
        case("LayerNormalization", X, k(7)),
        case("LayerNormalization", X, a(6, 7), k(6, 7), axis=2),
        case("LayerNormalization", X, k(7), a(7), axis=-1),
        case("LayerNormalization", X, k(7), k(7), outputs=3, axis=-1, epsilon=1e-3),
        case("LayerNormalization", a(2, 3, 4), a(3, 4), outputs=2, axis=1),
        case("LayerNormalization", a(5, 6), k(5, 6), k(5, 6), axis=0),
        case("LayerNormalization", V, k(4, 5, 6), k(4, 5, 6), axis=-3),
    ],
    "MaxPool": [
        case("MaxPool", X, kernel_shape=[2, 2], strides=[2, 2]),
        case("MaxPool", X, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1]),
        case("MaxPool", X, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        case("MaxPool", X, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        case("MaxPool", a(1, 4, 9), kernel_shape=[3]),
        case("MaxPool", V, kernel_shape=[2, 3, 2], strides=[1, 2, 2], pads=[1, 1, 0, 0, 1, 1]),
        case("MaxPool", V, kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1),
        case("MaxPool", X, kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 1, 1, 2], strides=[1, 2]),
        case("MaxPool", X, kernel_shape=[3, 2], dilations=[2, 3], strides=[2, 2], ceil_mode=1),
        case("MaxPool", V, kernel_shape=[2, 2, 2], dilations=[1, 2, 3]),
        case("MaxPool", a(2, 4, 9), kernel_shape=[3], dilations=[2], pads=[2, 2]),
        case("MaxPool", np.round(a(2, 3, 6, 7)), outputs=2, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 0]),
        case("MaxPool", np.round(a(1, 3, 6, 7)), outputs=2, kernel_shape=[3, 3], storage_order=1, dilations=[1, 2]),
        case("MaxPool", np.round(a(1, 2, 9)), outputs=2, kernel_shape=[4], strides=[2], ceil_mode=1),
        case("MaxPool", np.round(V), outputs=2, kernel_shape=[2, 2, 3], strides=[1, 2, 1]),
    ],
    "AveragePool": [
        case("AveragePool", X, kernel_shape=[2, 2], strides=[2, 2]),
        case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 0, 0, 1], count_include_pad=1),
        case("AveragePool", X, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
        case("AveragePool", a(1, 4, 9), kernel_shape=[3], strides=[2]),
        case("AveragePool", V, kernel_shape=[2, 3, 2], strides=[1, 2, 2], pads=[1, 1, 0, 0, 1, 1]),
        case("AveragePool", V, kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1, count_include_pad=1),
        case("AveragePool", X, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        case("AveragePool", X, kernel_shape=[3, 2], strides=[2, 2], pads=[0, 1, 1, 0], **_COUNTED),
        case("AveragePool", X, kernel_shape=[4, 5], strides=[3, 4], pads=[1, 0, 1, 1], **_COUNTED),
        case("AveragePool", X, kernel_shape=[3, 2], strides=[2, 3], auto_pad="SAME_LOWER", count_include_pad=1),
        case("AveragePool", X, kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 1, 1, 2], strides=[1, 2]),
        case("AveragePool", X, kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 1, 1, 2], count_include_pad=1),
        case("AveragePool", X, kernel_shape=[3, 2], dilations=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=1),
        case("AveragePool", V, kernel_shape=[2, 2, 2], dilations=[1, 2, 3], pads=[0, 1, 1, 0, 1, 1]),
    ],
    "GlobalAveragePool": [
        *simple("GlobalAveragePool"),
        case("GlobalAveragePool", V),
        case("GlobalAveragePool", a(2, 3, 5)),
    ],
    "GlobalMaxPool": [
        *simple("GlobalMaxPool"),
        case("GlobalMaxPool", V),
        case("GlobalMaxPool", a(2, 3, 5)),
    ],
    "DepthToSpace": [
        case("DepthToSpace", a(1, 12, 3, 4), blocksize=2),
        case("DepthToSpace", a(1, 12, 3, 4), blocksize=2, mode="CRD"),
        case("DepthToSpace", a(2, 18, 3, 4), blocksize=3),
        case("DepthToSpace", a(2, 18, 3, 4), blocksize=3, mode="CRD"),
    ],
    "SpaceToDepth": [
        case("SpaceToDepth", a(1, 3, 4, 6), blocksize=2),
        case("SpaceToDepth", a(2, 3, 4, 6), blocksize=2),
    ],
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
        resize((2, 3, 2, 4, 5), (1, 1, 2, 2, 3), mode="nearest"),
        resize((2, 3, 2, 4, 5), (1, 2, 1.5, 1, 0.6), mode="nearest", nearest_mode="ceil"),
        resize((1, 3, 2, 4, 5), (1, 1, 1, 2, 2), mode="linear"),
        resize((2, 3, 2, 4, 5), (1, 1, 2, 2, 1.5), mode="linear"),
        resize((4, 5), (2, 2), mode="linear"),
        resize((4, 5), (1.5, 0.5), mode="nearest"),
        resize((2, 3, 9, 8), (1, 1, 0.5, 0.6), mode="linear", antialias=1),
        resize((2, 3, 9, 8), sizes=(2, 3, 4, 12), mode="cubic", antialias=1),
        resize((1, 3, 4, 6), sizes=(9, 9), axes=[3, 2], mode="linear", keep_aspect_ratio_policy="not_larger"),
        resize((1, 3, 4, 6), sizes=(9, 9), axes=[2, 3], mode="nearest", keep_aspect_ratio_policy="not_smaller"),
        case(
            "Resize",
            X,
            Const(np.float32([0, 0, 0.1, 0.2, 1, 1, 1.2, 0.8])),
            None,
            n(1, 4, 5, 9),
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=3.5,
        ),
        case(
            "Resize",
            X,
            Const(np.float32([0, 0, 0.1, -0.2, 1, 1, 1.2, 0.8])),
            None,
            n(1, 4, 5, 9),
            mode="nearest",
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=-1.5,
        ),
        case("Resize", whole(1, 2, 3, 4), None, Const(np.float32([1, 1, 2, 1.5])), mode="nearest"),
        resize((1, 3, 4, 1), sizes=(1, 3, 8, 1), mode="linear", coordinate_transformation_mode="align_corners"),
    ],
    "LRN": [
        case("LRN", X, size=3, alpha=0.5, beta=0.6, bias=1.5),
        case("LRN", a(2, 7, 3, 4), size=5),
        case("LRN", a(1, 5, 3, 4), size=11, alpha=0.9),
    ],
    "GridSample": [
        *(
            case("GridSample", a(2, 3, 3, 4), a(2, 4, 7, 2, low=-1.8, high=1.8), **settings)
            for settings in (
                {},
                {"align_corners": 1},
                {"padding_mode": "border"},
                {"padding_mode": "border", "align_corners": 1},
                {"padding_mode": "reflection"},
                {"padding_mode": "reflection", "align_corners": 1},
            )
        ),
    ],
}
