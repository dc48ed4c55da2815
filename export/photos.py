"""The photos that a hub is verified, calibrated and fitted with: a folder's, or the bundled ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from export.hub import Hub
from validate.errors import BrushportError
from validate.photos import default_photos, iterate_default_photos, iterate_photos, load_photos, photo_samples

VERIFICATION_PHOTOS = 3
CALIBRATION_PHOTOS = 64


def image_size(hub: Hub) -> tuple[int, int]:
    """(height, width) of the hub's first picture; raises BrushportError when it takes none."""
    for port in hub.inputs:
        if port.is_image:
            return port.shape[2], port.shape[3]
    raise BrushportError(
        f"'{hub.name}' takes no picture (1×3×H×W or 1×1×H×W), so photos can neither verify nor calibrate it; "
        "--no-verify keeps it all the same, except in int8 and with --flexible."
    )


def verification_photos(hub: Hub, folder: str | Path | None) -> list[np.ndarray]:
    """Up to ``VERIFICATION_PHOTOS`` photos of ``folder``, or the bundled ones for None, as uint8 HxWx3."""
    size = image_size(hub)
    if folder is None:
        return default_photos(VERIFICATION_PHOTOS, size)
    return load_photos(folder, size, VERIFICATION_PHOTOS)


def calibration_samples(
    hub: Hub, folder: str | Path | None, limit: int = CALIBRATION_PHOTOS
) -> Iterator[dict[str, np.ndarray]]:
    """:func:`calibration_photos` as the hub's inputs."""
    return photo_samples(calibration_photos(hub, folder, limit), hub.inputs)


def calibration_photos(hub: Hub, folder: str | Path | None, limit: int = CALIBRATION_PHOTOS) -> Iterator[np.ndarray]:
    """Up to ``limit`` photos of ``folder``, the bundled ones for None, one at a time, as uint8 HxWx3."""
    size = image_size(hub)
    if folder is None:
        return iterate_default_photos(limit, size, use="calibration")
    return iterate_photos(folder, size, limit)
