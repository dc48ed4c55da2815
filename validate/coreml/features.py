"""A Core ML model's inputs and outputs, and the way between pictures or arrays and the program's tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from validate.errors import BrushportError, UnsupportedError

_COLORS = {10: "L", 20: "RGB", 30: "BGR", 40: "L16"}
"""``ImageFeatureType.ColorSpace``: GRAYSCALE, RGB, BGR, GRAYSCALE_FLOAT16."""

_PIL_MODE = {"L": "L", "RGB": "RGB", "BGR": "RGB", "L16": "F"}

_DTYPES = {
    65552: np.float16,
    65568: np.float32,
    65600: np.float64,
    131080: np.int8,
    131104: np.int32,
}
"""``ArrayFeatureType.ArrayDataType``: FLOAT16, FLOAT32, DOUBLE, INT8, INT32."""


@dataclass(frozen=True)
class Feature:
    """One input or output as the model's description states it.

    ``color`` is ``"RGB"``, ``"BGR"``, ``"L"`` (8-bit gray), ``"L16"`` (fp16 gray) for pictures, ``None`` for
    arrays. ``shape`` is the tensor's: ``(1, C, H, W)`` for pictures, channels in the order of ``color`` and
    values 0 to 255. A flexible feature's ``shape`` is its default; it takes the shapes in ``choices``, or sizes
    between the pairs in ``ranges``, where an upper end of ``None`` is open. ``default`` is what a missing optional
    input is filled with.
    """

    name: str
    shape: tuple[int, ...]
    color: str | None = None
    dtype: type = np.float32
    choices: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[tuple[int, int | None], ...] = ()
    optional: bool = False
    default: float = 0.0

    @property
    def is_image(self) -> bool:
        """Whether the feature is a picture, exchanged as a PIL image."""
        return self.color is not None

    @property
    def flexible(self) -> bool:
        """Whether the feature takes more than one shape."""
        return bool(self.choices or self.ranges)

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape fits."""
        if shape == self.shape or shape in self.choices:
            return True
        return len(shape) == len(self.ranges) and all(
            low <= size and (high is None or size <= high) for size, (low, high) in zip(shape, self.ranges, strict=True)
        )

    def describe_shapes(self) -> str:
        """The shapes it takes, in words: for arrays all axes, for pictures width x height."""

        def sizes(shape: tuple) -> str:
            return f"{shape[-1]}x{shape[-2]}" if self.is_image else str(tuple(shape))

        if self.ranges:
            spans = [f"{low}" if low == high else f"{low} to {high or 'any'}" for low, high in self.ranges]
            return f"{spans[-1]} wide and {spans[-2]} high" if self.is_image else f"({', '.join(spans)})"
        return " or ".join(sizes(shape) for shape in (self.choices or (self.shape,)))


def read_feature(description: Any) -> Feature:
    """The :class:`Feature` that a ``FeatureDescription`` protobuf describes."""
    kind = description.type.WhichOneof("Type")
    if kind == "imageType":
        return _read_image(description.name, description.type)
    if kind == "multiArrayType":
        return _read_array(description.name, description.type)
    raise UnsupportedError(
        f"the feature {description.name!r} is of type {kind}; only pictures and arrays can be exchanged here."
    )


def _read_image(name: str, kind: Any) -> Feature:
    image = kind.imageType
    color = _COLORS.get(image.colorSpace)
    if color is None:
        raise UnsupportedError(f"the picture {name!r} has an unknown color space {image.colorSpace}.")
    channels = 3 if color in ("RGB", "BGR") else 1
    shape = (1, channels, int(image.height), int(image.width))
    choices, ranges = (), ()
    if image.WhichOneof("SizeFlexibility") == "enumeratedSizes":
        choices = tuple((1, channels, int(size.height), int(size.width)) for size in image.enumeratedSizes.sizes)
    elif image.WhichOneof("SizeFlexibility") == "imageSizeRange":
        sides = (image.imageSizeRange.heightRange, image.imageSizeRange.widthRange)
        ranges = ((1, 1), (channels, channels), *(_span(side) for side in sides))
    dtype = np.float16 if color == "L16" else np.uint8
    return Feature(name, shape, color, dtype, choices, ranges, kind.isOptional)


def _span(sizes: Any) -> tuple[int, int | None]:
    """A ``SizeRange`` protobuf as (smallest, largest); an upper bound below zero means none."""
    return int(sizes.lowerBound), int(sizes.upperBound) if sizes.upperBound >= 0 else None


def _read_array(name: str, kind: Any) -> Feature:
    array = kind.multiArrayType
    if array.dataType not in _DTYPES:
        raise UnsupportedError(f"the array {name!r} has an unknown data type {array.dataType}.")
    which = array.WhichOneof("defaultOptionalValue")
    default = float(getattr(array, which)) if which else 0.0
    shape = tuple(int(size) for size in array.shape)
    choices, ranges = (), ()
    if array.WhichOneof("ShapeFlexibility") == "enumeratedShapes":
        choices = tuple(tuple(int(n) for n in item.shape) for item in array.enumeratedShapes.shapes)
    elif array.WhichOneof("ShapeFlexibility") == "shapeRange":
        ranges = tuple(_span(size) for size in array.shapeRange.sizeRanges)
    return Feature(name, shape, None, _DTYPES[array.dataType], choices, ranges, kind.isOptional, default)


def to_tensor(feature: Feature, value: Any) -> np.ndarray:
    """The program's tensor for ``value``: a PIL image for a picture, anything array-like otherwise.

    Raises :class:`BrushportError` when the kind, the color mode or the shape is not the feature's.
    """
    if feature.is_image:
        return _image_to_tensor(feature, value)
    if isinstance(value, Image.Image):
        raise BrushportError(f"Input {feature.name!r} is an array of shape {feature.shape}, but got a picture.")
    try:
        array = np.asarray(value)
        array = array.astype(np.int32 if np.dtype(feature.dtype).kind == "i" else np.float32)
    except (TypeError, ValueError) as error:
        raise BrushportError(f"Input {feature.name!r} must be an array of numbers ({error}).") from error
    if feature.dtype is np.float16:
        array = array.astype(np.float16).astype(np.float32)
    if not feature.takes(array.shape):
        raise BrushportError(
            f"Input {feature.name!r} must have the shape {feature.describe_shapes()}, but the array given has "
            f"{array.shape}."
        )
    return np.ascontiguousarray(array)


def _image_to_tensor(feature: Feature, value: Any) -> np.ndarray:
    if not isinstance(value, Image.Image):
        raise BrushportError(
            f"Input {feature.name!r} is a picture: give a PIL image, not {type(value).__name__} (or export with "
            "tensors instead of pictures)."
        )
    mode = _PIL_MODE[feature.color or ""]
    if value.mode != mode:
        raise BrushportError(
            f"Input {feature.name!r} must be a picture of mode {mode}, but this one is {value.mode}; "
            f"use image.convert({mode!r})."
        )
    if not feature.takes((*feature.shape[:2], value.height, value.width)):
        raise BrushportError(
            f"Input {feature.name!r} must be a picture of {feature.describe_shapes()}, but this one is "
            f"{value.width}x{value.height}; resize it first."
        )
    pixels = np.asarray(value, np.float32)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if feature.color == "BGR":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def from_tensor(feature: Feature, tensor: np.ndarray) -> Any:
    """What ``predict`` gives for an output: a PIL image, or an array of the described type.

    8-bit pictures are rounded to the nearest value and clamped to 0..255; what is not a number becomes 0.
    """
    if not feature.is_image:
        return tensor.astype(feature.dtype)
    planes = tensor.reshape(tensor.shape[-3:]).transpose(1, 2, 0)
    if feature.color == "L16":
        return Image.fromarray(planes[..., 0].astype(np.float32))
    pixels = np.clip(np.rint(np.nan_to_num(planes, nan=0.0)), 0, 255).astype(np.uint8)
    if feature.color == "BGR":
        pixels = pixels[..., ::-1]
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if feature.color == "L" else pixels))
