"""Over the plane: convolutions, pooling, resizing, pixels and channels."""

from __future__ import annotations

import math

import numpy as np

from tests.export.fuzz.builder import Builder, Unsuitable, Value
from tests.export.fuzz.makers.registry import makes

RANKS = (4, 4, 4, 3)


def _window(b: Builder, x: Value, attributes: dict, dilated: bool = True) -> list[int]:
    """Kernel sizes; adds strides, dilations and pads to ``attributes``."""
    sides = x.shape[2:]
    same = b.chance(60)
    kernel = [b.integer(1, 3)] * len(sides) if same else [b.integer(1, 4) for _ in sides]
    if b.chance(40):
        attributes["strides"] = [b.integer(1, 3)] * len(sides) if same else [b.integer(1, 3) for _ in sides]
    if dilated and b.chance(25):
        attributes["dilations"] = [b.integer(1, 2)] * len(sides) if same else [b.integer(1, 3) for _ in sides]
    choice = b.integer(0, 5)
    if choice in (1, 2):
        attributes["pads"] = [b.integer(0, k - 1) for k in kernel] * 2
    elif choice == 3:
        attributes["pads"] = [b.integer(0, k - 1) for _ in range(2) for k in kernel]
    elif choice == 4:
        attributes["auto_pad"] = b.choose(("SAME_UPPER", "SAME_LOWER", "VALID"))
        if attributes["auto_pad"] != "VALID":  # ONNX Runtime has no dilation with these
            attributes.pop("dilations", None)
    spread = [d * (k - 1) + 1 for d, k in zip(attributes.get("dilations", [1] * len(kernel)), kernel, strict=True)]
    pads = attributes.get("pads", [0] * 2 * len(kernel))
    padded = [s + p + q for s, p, q in zip(sides, pads[: len(sides)], pads[len(sides) :], strict=True)]
    if not attributes.get("auto_pad", "").startswith("SAME") and any(
        n < k for n, k in zip(padded, spread, strict=True)
    ):
        raise Unsuitable
    return kernel


@makes("Conv")
def conv(b: Builder, op_type: str) -> None:
    x = b.value(rank=RANKS)
    channels = x.shape[1]
    groups = 1 if b.chance(60) else b.choose([n for n in range(1, channels + 1) if channels % n == 0][::-1])
    attributes: dict = {"group": groups} if groups > 1 or b.chance(20) else {}
    kernel = _window(b, x, attributes)
    filters = groups * b.integer(1, 3)
    shape = (filters, channels // groups, *kernel)
    weight = (
        b.constant(b.numbers(shape) / np.float32(math.sqrt(math.prod(shape[1:]))))
        if b.chance(92)
        else b.tensor(shape, fed=100)
    )
    bias = [b.tensor((filters,), fed=5)] if b.chance(60) else []
    if b.chance(30):
        attributes["kernel_shape"] = kernel
    b.emit(op_type, [x, weight, *bias], magnitude=x.size * 3, **attributes)


@makes("ConvTranspose")
def conv_transpose(b: Builder, op_type: str) -> None:
    x = b.value(rank=RANKS, where=lambda value: value.elements <= 400)
    channels, plane = x.shape[1], x.rank - 2
    groups = 1 if b.chance(70) else b.choose([n for n in range(1, channels + 1) if channels % n == 0][::-1])
    attributes: dict = {"group": groups} if groups > 1 else {}
    kernel = [b.integer(1, 4) for _ in range(plane)]
    strides = [b.integer(1, 3) for _ in range(plane)]
    attributes["strides"] = strides
    if b.chance(15):
        attributes["dilations"] = [b.integer(1, 2) for _ in range(plane)]
    choice = b.integer(0, 5)
    if choice in (1, 2):
        attributes["pads"] = [b.integer(0, k - 1) for k in kernel] * 2
    elif choice == 3:
        attributes["pads"] = [b.integer(0, k - 1) for _ in range(2) for k in kernel]
    elif choice == 4:
        attributes["auto_pad"] = b.choose(("SAME_UPPER", "SAME_LOWER", "VALID"))
    elif choice == 5:
        attributes["output_shape"] = [n * s + b.integer(0, s - 1) for n, s in zip(x.shape[2:], strides, strict=True)]
    if choice < 4 and b.chance(40):
        attributes["output_padding"] = [b.integer(0, s - 1) for s in strides]
    shape = (channels, b.integer(1, 3), *kernel)
    bias = [b.tensor((shape[1] * groups,), fed=5)] if b.chance(60) else []
    b.emit(op_type, [x, b.constant(b.numbers(shape) / 2), *bias], magnitude=x.size * 3, **attributes)


@makes("MaxPool", "AveragePool", "LpPool")
def pool(b: Builder, op_type: str) -> None:
    x = b.value(rank=RANKS)
    attributes: dict = {}
    attributes["kernel_shape"] = _window(b, x, attributes)
    if b.chance(25) and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    if op_type == "AveragePool" and b.chance(40):
        attributes["count_include_pad"] = 1
    if op_type == "LpPool":
        x = b.positive(x)
        attributes["p"] = b.choose((2, 1))
    b.emit(op_type, [x], magnitude=x.size * 4, **attributes)


@makes("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(b: Builder, op_type: str) -> None:
    b.emit(op_type, [b.value(rank=(4, 3, 5))])


@makes("LRN")
def lrn(b: Builder, op_type: str) -> None:
    b.emit(
        op_type,
        [b.value(rank=4)],  # ONNX Runtime takes no other rank, and odd sizes only
        size=b.choose((3, 5, 1)),
        alpha=b.choose((1e-4, 0.5)),
        bias=b.choose((1.0, 2.0)),
    )


@makes("DepthToSpace")
def depth_to_space(b: Builder, op_type: str) -> None:
    block = b.choose((2, 3))
    x = b.value(rank=4, where=lambda value: value.shape[1] % block**2 == 0)
    b.emit(op_type, [x], blocksize=block, mode=b.choose(("DCR", "CRD")))


@makes("SpaceToDepth")
def space_to_depth(b: Builder, op_type: str) -> None:
    block = b.choose((2, 3))
    x = b.value(rank=4, where=lambda value: value.shape[2] % block == 0 and value.shape[3] % block == 0)
    b.emit(op_type, [x], blocksize=block)


@makes("Resize")
def resize(b: Builder, op_type: str) -> None:
    x = b.value(rank=(4, 4, 4, 3))
    mode = b.choose(("nearest", "linear", "cubic")[: x.rank - 1])  # ONNX Runtime has cubic for pictures only
    attributes: dict = {"mode": mode}
    attributes["coordinate_transformation_mode"] = b.choose(
        ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
    )
    if mode == "nearest":
        attributes["nearest_mode"] = b.choose(("floor", "round_prefer_floor", "round_prefer_ceil", "ceil"))
    if b.chance(15):
        attributes["antialias"] = 1
        if mode == "nearest":
            raise Unsuitable
    if mode == "cubic" and b.chance(30):
        attributes["cubic_coeff_a"] = -0.5
        attributes["exclude_outside"] = b.choose((0, 1))
    plane = x.rank - 2
    if b.chance(60):
        scales = [1.0, 1.0, *(b.choose((2.0, 1.5, 0.5, 3.0, 0.75)) for _ in range(plane))]
        b.emit(op_type, [x, None, b.constant(np.float32(scales), exact=True)], **attributes)
    else:
        sizes = [*x.shape[:2], *(b.integer(1, 12) for _ in range(plane))]
        b.emit(op_type, [x, None, None, b.integers(sizes)], **attributes)


@makes("GridSample")
def grid_sample(b: Builder, op_type: str) -> None:
    x = b.value(rank=4)
    grid = b.numbers((x.shape[0], b.integer(1, 5), b.integer(1, 5), 2)).clip(-1.3, 1.3)
    b.emit(
        op_type,
        [x, b.fed(grid) if b.chance(60) else b.constant(grid)],
        mode=b.choose(("linear", "nearest", "cubic")),
        padding_mode=b.choose(("zeros", "border", "reflection")),
        align_corners=b.choose((0, 1)),
    )


@makes("AffineGrid")
def affine_grid(b: Builder, op_type: str) -> None:
    batch = b.integer(1, 2)
    theta, size = b.tensor((batch, 2, 3), fed=70), [batch, 2, b.integer(2, 6), b.integer(2, 6)]
    b.emit(op_type, [theta, b.integers(size)], align_corners=b.choose((0, 1)))
