"""Pictures at the program's doors: 8-bit 0..255 outside, the hub's value range inside.

With ``(lo, hi)`` the values of black and white, an input byte ``b`` becomes ``b·(hi − lo)/255 + lo``, and an output
``v`` becomes ``round(clip((v − lo)·255/(hi − lo), 0, 255))``. Core ML does not document how it turns a float image
output into bytes; a program that ends in whole numbers gives the same picture whether it truncates or rounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from export.coreml.mil import mb
from validate.ports import Port

WHITE = 255.0


def from_bytes(x: Any, value_range: tuple[float, float]) -> Any:
    """An image input's 0..255 as MIL values in ``value_range``."""
    low, high = value_range
    return _affine(x, (high - low) / WHITE, low)


def to_bytes(x: Any, value_range: tuple[float, float]) -> Any:
    """MIL values in ``value_range`` as whole numbers from 0 to 255, those outside the range clamped."""
    low, high = value_range
    scale = WHITE / (high - low)
    x = _affine(x, scale, -low * scale)
    return mb.round(x=mb.clip(x=x, alpha=0.0, beta=WHITE))


def describe(port: Port, io: str, styles: tuple[str, ...]) -> str:
    """What a port holds, in the words that Xcode shows beside it."""
    if not port.is_image:
        if port.name == "style" and styles:
            return f"Weights of the styles {', '.join(styles)}; they sum to 1."
        return f"Array of shape {list(port.shape)}."
    *_, height, width = port.shape
    color = "RGB" if port.color == "RGB" else "Gray"
    if io == "image":
        return f"{color} picture, {width} x {height} pixels, 0 to 255."
    low, high = port.value_range
    return f"{color} picture as an array {list(port.shape)}, {low:g} (black) to {high:g} (white)."


def _affine(x: Any, scale: float, offset: float) -> Any:
    if scale != 1:
        x = mb.mul(x=x, y=np.float32(scale))
    if offset != 0:
        x = mb.add(x=x, y=np.float32(offset))
    return x
