"""Cases of operators with windows: convolutions, pooling, padding, resizing."""

from __future__ import annotations

import numpy as np

from tests.export.tflite.cases.table import case, ints, normal

PICTURE = normal(1, 6, 9, 11)
LINE, SPACE = normal(2, 6, 13), normal(2, 6, 5, 7, 6)

for shape, attributes in [
    ((4, 6, 3, 3), {}),
    ((4, 6, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((4, 6, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ((4, 6, 3, 3), {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ((4, 6, 3, 2), {"pads": [2, 0, 0, 1], "strides": [1, 2]}),
    ((4, 6, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ((4, 6, 1, 1), {}),
    ((4, 6, 4, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((4, 6, 4, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((4, 6, 4, 4), {"auto_pad": "VALID"}),
    ((4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ((6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
    ((12, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ((6, 1, 3, 3), {"group": 6, "pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ((6, 1, 5, 5), {"group": 6, "pads": [1, 2, 3, 0]}),
]:
    case("Conv", PICTURE, normal(*shape), normal(shape[0]), still=True, **attributes)
case("Conv", PICTURE, normal(4, 6, 3, 3), still=True)
case("Conv", normal(2, 6, 5, 5), normal(4, 6, 3, 3), normal(4))
case("Conv", PICTURE, normal(12, 1, 3, 3), group=6, strides=[2, 1], dilations=[2, 2], still=True)
case("Conv", normal(2, 15, 7, 7), normal(10, 3, 3, 3), normal(10), group=5, strides=[1, 2], still=True)
case("Conv", PICTURE, normal(4, 6, 3, 3), normal(4), constants=(), pads=[1, 1, 1, 1])
case("Conv", PICTURE, normal(4, 6, 3, 3), normal(4), constants=(1,), strides=[2, 2])
case("Conv", PICTURE, normal(4, 6, 3, 3), constants=(0,), pads=[1, 1, 1, 1])
case("ConvTranspose", PICTURE, normal(6, 2, 3, 3), constants=(0,), group=2, strides=[2, 2])
case("Conv", PICTURE, normal(4, 3, 3, 3), constants=(), group=2)
case("Conv", PICTURE, normal(12, 1, 3, 3), constants=(), group=6)
for shape, attributes in [
    ((4, 6, 3), {}),
    ((4, 6, 3), {"pads": [2, 1], "strides": [2], "dilations": [2]}),
    ((4, 6, 4), {"auto_pad": "SAME_LOWER", "strides": [3]}),
    ((9, 2, 3), {"group": 3, "pads": [1, 1]}),
    ((12, 1, 3), {"group": 6, "pads": [1, 1]}),
    ((4, 6, 2, 3, 3), {}),
    ((4, 6, 3, 3, 3), {"pads": [1, 0, 1, 1, 2, 0], "strides": [2, 1, 2], "dilations": [1, 2, 1]}),
    ((4, 6, 2, 2, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 1, 1]}),
    ((4, 3, 3, 3, 1), {"group": 2, "strides": [1, 2, 2]}),
    ((6, 1, 3, 3, 3), {"group": 6, "pads": [1, 1, 1, 1, 1, 1]}),
]:
    x = LINE if len(shape) == 3 else SPACE
    case("Conv", x, normal(*shape), normal(shape[0]), **attributes)
    case("Conv", x, normal(*shape), constants=(), **attributes)

for shape, attributes in [
    ((6, 4, 3, 3), {"strides": [2, 2]}),
    ((6, 4, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ((6, 4, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((6, 4, 3, 3), {"strides": [2, 2], "output_padding": [1, 1]}),
    ((6, 4, 3, 3), {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ((6, 4, 3, 2), {"strides": [1, 2], "pads": [1, 0, 0, 1]}),
    ((6, 4, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((6, 4, 2, 2), {"strides": [3, 3]}),
    ((6, 4, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((6, 4, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((6, 4, 3, 3), {"strides": [2, 2], "output_shape": [18, 22]}),
    ((6, 4, 3, 3), {"strides": [2, 2], "dilations": [2, 2]}),
    ((6, 2, 3, 3), {"strides": [2, 2], "group": 2}),
    ((6, 1, 3, 3), {"strides": [2, 2], "group": 6}),
]:
    outputs = shape[1] * attributes.get("group", 1)
    case("ConvTranspose", PICTURE, normal(*shape), normal(outputs), still=True, **attributes)
case("ConvTranspose", PICTURE, normal(6, 4, 3, 3), still=True)
for shape, attributes in [
    ((6, 2, 3, 4), {"strides": [2, 2], "group": 3, "pads": [1, 0, 0, 2], "output_padding": [1, 1]}),
    ((6, 2, 2, 2), {"strides": [3, 3], "group": 6, "output_padding": [2, 1]}),
    ((6, 2, 3, 2), {"strides": [1, 2], "group": 3, "dilations": [2, 1], "pads": [1, 1, 1, 1]}),
    ((6, 1, 3, 3), {"strides": [1, 1], "group": 6, "dilations": [2, 2]}),
    ((6, 4, 2, 2), {"strides": [2, 1], "dilations": [3, 2], "output_padding": [1, 0]}),
    ((6, 4, 3), {"strides": [2], "pads": [1, 1], "output_padding": [1]}),
    ((6, 2, 4), {"strides": [3], "group": 3, "auto_pad": "SAME_LOWER"}),
    ((6, 4, 2, 3, 3), {"strides": [2, 2, 1]}),
    ((6, 2, 3, 3, 2), {"strides": [2, 1, 2], "group": 2, "pads": [1, 1, 0, 0, 1, 1], "output_padding": [1, 0, 1]}),
    ((6, 4, 3, 2, 2), {"dilations": [2, 1, 2], "strides": [3, 2, 2], "output_shape": [16, 15, 13]}),
]:
    x = {3: LINE, 4: PICTURE, 5: SPACE}[len(shape)]
    outputs = shape[1] * attributes.get("group", 1)
    case("ConvTranspose", x, normal(*shape), normal(outputs), still=x is PICTURE, **attributes)
    case("ConvTranspose", x, normal(*shape), constants=(), **attributes)

for attributes in [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [0, 1, 1, 0]},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [4, 4], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
]:
    case("MaxPool", PICTURE, still=True, **attributes)
    case("AveragePool", PICTURE, still=True, **attributes)
    if "auto_pad" not in attributes:
        case("AveragePool", PICTURE, still=True, count_include_pad=1, **attributes)
for attributes in [
    {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [3, 2], "dilations": [2, 1], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [1, 2], "dilations": [5, 1], "strides": [2, 1]},
]:
    case("MaxPool", PICTURE, still=True, **attributes)
    for include in (0, 1):
        case("AveragePool", PICTURE, still=True, count_include_pad=include, **attributes)
for x, attributes in [
    (normal(1, 3, 10, 5), {"kernel_shape": [3, 1], "strides": [2, 2], "auto_pad": "VALID", "ceil_mode": 1}),
    (LINE, {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    (LINE, {"kernel_shape": [4], "strides": [3], "pads": [0, 2], "ceil_mode": 1}),
    (LINE, {"kernel_shape": [4], "strides": [3], "auto_pad": "SAME_LOWER"}),
    (SPACE, {"kernel_shape": [2, 3, 2], "strides": [1, 2, 2]}),
    (SPACE, {"kernel_shape": [3, 3, 3], "strides": [2, 2, 2], "pads": [1, 1, 1, 1, 1, 1]}),
    (SPACE, {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2], "auto_pad": "SAME_UPPER"}),
    (SPACE, {"kernel_shape": [2, 2, 3], "dilations": [2, 3, 1], "pads": [1, 0, 1, 0, 1, 1]}),
]:
    case("MaxPool", x, **attributes)
    case("AveragePool", x, **attributes)
    case("AveragePool", x, count_include_pad=1, **attributes)
for kind in (np.int8, np.uint8):
    numbers = np.random.default_rng(0).integers(0, 120, (1, 3, 8, 9)).astype(kind)
    case("MaxPool", numbers, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])
    case("MaxPool", numbers, outputs=2, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])
for order in (0, 1):
    case("MaxPool", PICTURE, outputs=2, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1], storage_order=order)
    case("MaxPool", np.round(SPACE), outputs=2, kernel_shape=[3, 2, 2], strides=[2, 1, 2], storage_order=order)
    case("MaxPool", np.round(LINE), outputs=2, kernel_shape=[3], dilations=[2], pads=[1, 2], storage_order=order)
for op_type in ("GlobalAveragePool", "GlobalMaxPool"):
    case(op_type, LINE)
    case(op_type, SPACE)
case("GlobalAveragePool", normal(1, 5, 24, 30), still=True)
case("GlobalAveragePool", normal(2, 3, 7, 13), still=True)
case("GlobalMaxPool", PICTURE, still=True)

for mode in ("reflect", "edge", "wrap"):
    case("Pad", PICTURE, ints(0, 0, 1, 1, 0, 0, 1, 1), still=True, mode=mode)
    case("Pad", PICTURE, ints(0, 0, 4, 3, 0, 0, 4, 0), still=True, mode=mode)
    case("Pad", PICTURE, ints(0, 2, 0, 1, 0, 1, 3, 0), still=True, mode=mode)
    case("Pad", normal(5, 6), ints(2, 1, 0, 3), mode=mode)
case("Pad", normal(1, 2, 20, 21), ints(0, 0, 17, 18, 0, 0, 0, 19), still=True, mode="reflect")
case("Pad", PICTURE, ints(0, 0, 1, 2, 0, 0, 3, 4), still=True)
case("Pad", PICTURE, ints(0, 0, 1, 2, 0, 0, 3, 4), np.float32(-1.5), still=True)
case("Pad", PICTURE, ints(0, 0, -1, 2, 0, 0, 3, -4), np.float32(2), still=True)
case("Pad", PICTURE, ints(1, 2, 3, 4), None, ints(2, -1), still=True)
case("Pad", normal(4), ints(1, 2))
case("Pad", PICTURE, ints(0, 0, 1, 2, 0, 0, 3, 4), np.float32(1.5), constants=(1,), still=True)
case("Pad", SPACE, ints(1, 2, -1, 0, 1, 0, 3, 0, 2, -2), np.float32(1.5))
case("Pad", normal(2, 2, 3, 2, 3, 2), ints(1, 0, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1), np.float32(1.5))
for mode in ("reflect", "edge", "wrap"):
    case("Pad", LINE, ints(0, 0, 3, 0, 2, 4), mode=mode)
    case("Pad", SPACE, ints(0, 0, -1, 2, 3, 0, 2, 2, -3, 2), mode=mode)
    case("Pad", LINE, ints(2, -4), None, ints(-1), mode=mode)
for mode in ("edge", "wrap"):
    case("Pad", normal(3, 4), ints(2, 9, 30, 11), mode=mode)
for kind in (np.int32, np.int64, np.uint8, np.int8, np.bool_):
    numbers = (np.arange(24).reshape(1, 2, 3, 4) % 3).astype(kind)
    case("Pad", numbers, ints(0, 0, 1, 2, 0, 1, 3, -1), still=True)
    case("Pad", numbers, ints(0, 0, 1, 2, 0, 1, 3, 0), kind(1), still=True)
    if kind is not np.bool_:
        case("Pad", numbers, ints(0, 0, 1, 2, 0, 1, 1, 1), still=True, mode="reflect")

NONE = np.zeros(0, np.float32)
for mode, coordinates, rounding, scale in [
    ("nearest", "asymmetric", "floor", (2, 2)),
    ("nearest", "asymmetric", "floor", (3, 4)),
    ("nearest", "half_pixel", "round_prefer_floor", (2, 2)),
    ("nearest", "half_pixel", "round_prefer_floor", (3, 3)),
    ("nearest", "asymmetric", "floor", (0.5, 0.5)),
    ("nearest", "half_pixel", "round_prefer_ceil", (1.5, 1.5)),
    ("nearest", "asymmetric", "floor", (1.5, 2.5)),
    ("linear", "half_pixel", "floor", (2, 2)),
    ("linear", "half_pixel", "floor", (2, 1)),
    ("linear", "half_pixel", "floor", (0.5, 0.5)),
    ("linear", "pytorch_half_pixel", "floor", (2, 3)),
    ("linear", "align_corners", "floor", (2, 2)),
    ("linear", "align_corners", "floor", (1.5, 0.5)),
    ("linear", "asymmetric", "floor", (2, 2)),
]:
    case("Resize", normal(1, 3, 6, 8), None, np.asarray([1, 1, *scale], np.float32), still=True, mode=mode,
         coordinate_transformation_mode=coordinates, nearest_mode=rounding)  # fmt: skip
case("Resize", normal(1, 3, 6, 8), None, None, ints(1, 3, 13, 5), mode="linear", still=True)
case("Resize", normal(1, 3, 6, 8), None, None, ints(13, 5), mode="linear", axes=[2, 3], still=True)
case("Resize", normal(1, 3, 6, 8), None, None, ints(1, 3, 11, 15), mode="linear", still=True,
     coordinate_transformation_mode="align_corners")  # fmt: skip

PLANES = normal(2, 5, 10, 20)
for mode in ("nearest", "linear", "cubic"):
    for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"):
        for scales in ((1, 1, 2, 2), (1, 1, 0.5, 2.5), (1, 1, 3, 1)):
            case("Resize", PLANES, None, np.float32(scales), mode=mode, coordinate_transformation_mode=coordinates)
    case("Resize", PLANES, None, np.float32([1, 1, 3, 3]), mode=mode, still=True)
    case("Resize", normal(1, 3, 10, 12), None, np.float32([1, 1, 4, 4]), mode=mode, still=True)
    case("Resize", normal(1, 3, 10, 12), None, np.float32([1, 1, 4, 2]), mode=mode, still=True)
    case("Resize", normal(4, 7), None, np.float32([1.5, 0.6]), mode=mode)
    case("Resize", PLANES, None, None, ints(7, 8), mode=mode, axes=[3, 2], keep_aspect_ratio_policy="not_larger")
    case("Resize", PLANES, np.float32([0.2, -0.3, 0.9, 1.2]), None, ints(7, 8), mode=mode, axes=[2, 3],
         coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=3.5)  # fmt: skip
    if mode != "cubic":
        case("Resize", LINE, None, np.float32([1, 1, 1.7]), mode=mode)
        case("Resize", LINE, None, np.float32([1, 1, 2]), mode=mode)
        case("Resize", normal(1, 2, 4, 5, 6), None, np.float32([1, 1, 2, 0.5, 2]), mode=mode)
        case("Resize", normal(1, 2, 4, 5, 6), None, np.float32([1, 1, 1.5, 2, 2.5]), mode=mode)
    if mode != "nearest":
        for scale in (0.4, 2):
            case("Resize", PLANES, None, np.float32([1, 1, scale, scale]), mode=mode, antialias=1, tolerance=2e-5)
for size, output in ((7, 2), (15, 18), (11, 26)):  # places that float32 puts a little beside the tie
    for rounding in ("round_prefer_floor", "round_prefer_ceil"):
        case("Resize", normal(1, 2, size, size), None, None, ints(1, 2, output, output), nearest_mode=rounding,
             coordinate_transformation_mode="asymmetric")  # fmt: skip
for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    for coordinates in ("half_pixel", "asymmetric", "align_corners"):
        for scales in ((1, 1, 1.6, 0.75), (1, 1, 2, 2)):
            case("Resize", PLANES, None, np.float32(scales), nearest_mode=rounding,
                 coordinate_transformation_mode=coordinates)  # fmt: skip
case("Resize", PLANES, None, np.float32([1, 1, 2, 2]), mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)
case("Resize", PLANES, None, np.float32([1, 1, 2, 2]), mode="cubic", cubic_coeff_a=-0.5)
for kind in (np.int32, np.uint8, np.int8):
    numbers = (7 * np.arange(99).reshape(1, 1, 9, 11) % 120).astype(kind)
    for scales in ((1, 1, 2, 2), (1, 1, 1.7, 0.6), (1, 1, 1.5, 1.5)):
        for coordinates in ("half_pixel", "asymmetric"):
            case("Resize", numbers, None, np.float32(scales), coordinate_transformation_mode=coordinates)

for mode in ("DCR", "CRD"):
    case("DepthToSpace", normal(1, 12, 4, 5), still=True, blocksize=2, mode=mode)
    case("DepthToSpace", normal(2, 18, 3, 2), still=True, blocksize=3, mode=mode)
case("SpaceToDepth", normal(1, 3, 4, 6), still=True, blocksize=2)
WHOLE = (np.arange(96).reshape(1, 8, 4, 3) % 5).astype(np.uint8)
case("DepthToSpace", WHOLE, still=True, blocksize=2)
case("DepthToSpace", WHOLE, blocksize=2, mode="CRD")
case("SpaceToDepth", WHOLE.reshape(2, 4, 2, 6), still=True, blocksize=2)
