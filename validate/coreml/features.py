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
    values 0 to 255. Sizes in ``shape`` are the default ones when ``flexible``. ``default`` is what a missing
    optional input is filled with.
    """

    name: str
    shape: tuple[int, ...]
    color: str | None = None
    dtype: type = np.float32
    flexible: bool = False
    optional: bool = False
    default: float = 0.0

    @property
    def is_image(self) -> bool:
        """Whether the feature is a picture, exchanged as a PIL image."""
        return self.color is not None


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
    flexible = image.WhichOneof("SizeFlexibility") is not None
    shape = (1, channels, int(image.height), int(image.width))
    return Feature(name, shape, color, np.float16 if color == "L16" else np.uint8, flexible, kind.isOptional)


def _read_array(name: str, kind: Any) -> Feature:
    array = kind.multiArrayType
    if array.dataType not in _DTYPES:
        raise UnsupportedError(f"the array {name!r} has an unknown data type {array.dataType}.")
    which = array.WhichOneof("defaultOptionalValue")
    default = float(getattr(array, which)) if which else 0.0
    flexible = array.WhichOneof("ShapeFlexibility") is not None
    shape = tuple(int(size) for size in array.shape)
    return Feature(name, shape, None, _DTYPES[array.dataType], flexible, kind.isOptional, default)


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
    if array.ndim != len(feature.shape) or (not feature.flexible and array.shape != feature.shape):
        raise BrushportError(
            f"Input {feature.name!r} must have the shape {feature.shape}, but the array given has {array.shape}."
        )
    return np.ascontiguousarray(array)


def _image_to_tensor(feature: Feature, value: Any) -> np.ndarray:
    if not isinstance(value, Image.Image):
        raise BrushportError(
            f"Input {feature.name!r} is a picture: give a PIL image, not {type(value).__name__} (or export with "
            "tensors instead of pictures)."
        )
    mode, (height, width) = _PIL_MODE[feature.color or ""], feature.shape[-2:]
    if value.mode != mode:
        raise BrushportError(
            f"Input {feature.name!r} must be a picture of mode {mode}, but this one is {value.mode}; "
            f"use image.convert({mode!r})."
        )
    if value.size != (width, height) and not feature.flexible:
        raise BrushportError(
            f"Input {feature.name!r} must be a picture of {width}x{height}, but this one is "
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
