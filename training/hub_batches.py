"""Random batches of what a hub takes, out of photos: crops at the scale that the hub sees them, any style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.data import list_photos
from validate.errors import UnsupportedError
from validate.photos import default_photos, photo_to_tensor, read_photo
from validate.ports import STYLE, Port

BUNDLED = 64  # photos that scikit-image's make, with their crops
HELD_OUT = 16  # photos that are judged by, at most
HELD_OUT_PART = 8  # one photo out of so many at most


@dataclass(frozen=True)
class Photos:
    """Photos to learn on and photos to judge by, none in both: paths, or pictures as uint8 HxWx3."""

    learned: Sequence[Path | np.ndarray]
    judged: Sequence[Path | np.ndarray]

    @classmethod
    def of(cls, folder: Path | None, size: tuple[int, int]) -> Photos:
        """Those of ``folder`` and below, or scikit-image's for None, whose size is then (height, width) ``size``.

        Raises :class:`BrushportError` for a folder without photos.
        """
        if folder is None:
            return cls(default_photos(BUNDLED, size, use="calibration"), default_photos(3, size))
        paths = list_photos(folder)
        count = min(HELD_OUT, max(1, len(paths) // HELD_OUT_PART))
        held = {index * len(paths) // count for index in range(count)} if len(paths) > 1 else set()
        learned = [path for index, path in enumerate(paths) if index not in held]
        return cls(learned, [paths[index] for index in sorted(held)] or learned)


def load(photo: Path | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A photo as uint8 HxWx3 of ``size``; BrushportError when it cannot be read."""
    return read_photo(photo, size) if isinstance(photo, Path) else photo


class HubBatches:
    """Batch number ``step`` of a run: ``batch`` crops of ``crop`` pixels, and style weights where the hub takes them.

    Half of the styles are pure, half are random blends. From step number ``late_from`` on, crops are of ``late_crop``
    pixels. All randomness comes from ``seed`` and the step, so that a resumed run sees the same ones. ``inputs`` are
    the hub's ports: one picture, and ``style`` of (1, N) or not. Raises :class:`UnsupportedError` for a hub that takes
    anything else.
    """

    def __init__(
        self,
        inputs: Sequence[Port],
        photos: Sequence,
        crop: int | None,
        batch: int,
        seed: int = 0,
        late_from: int | None = None,
        late_crop: int | None = None,
    ):
        pictures = [port for port in inputs if port.is_image]
        others = [port for port in inputs if not port.is_image and not (port.name == STYLE and len(port.shape) == 2)]
        if len(pictures) != 1 or others:
            raise UnsupportedError(
                "Only networks of one picture, with style weights or without, can be distilled; this one takes "
                f"{', '.join(f'{port.name} {port.shape}' for port in inputs)}."
            )
        self.inputs, self.picture = list(inputs), pictures[0]
        self.size = self.picture.shape[2:]
        self.crop, self.late_crop = (tuple(min(side, cut or side) for side in self.size) for cut in (crop, late_crop))
        self.photos, self.batch, self.seed, self.late_from = photos, batch, seed, late_from

    def __call__(self, step: int) -> tuple[torch.Tensor, ...]:
        """The hub's inputs, each of ``batch`` rows."""
        random = np.random.default_rng((self.seed, step))
        late = self.late_from is not None and step >= self.late_from
        rows = [self._row(random, self.late_crop if late else self.crop) for _ in range(self.batch)]
        return tuple(torch.cat(column) for column in zip(*rows, strict=True))

    def _row(self, random: np.random.Generator, crop: tuple[int, int]) -> list[torch.Tensor]:
        photo = load(self.photos[random.integers(len(self.photos))], self.size)
        top, left = (int(random.integers(side - cut + 1)) for side, cut in zip(self.size, crop, strict=True))
        cut = photo[top : top + crop[0], left : left + crop[1]]
        if random.random() < 0.5:
            cut = cut[:, ::-1]
        picture = to_tensor(cut, self.picture)
        styles = {port.name: _style(port.shape[1], random) for port in self.inputs if not port.is_image}
        return [styles.get(port.name, picture) for port in self.inputs]

    def whole(self, photos: Sequence, styles: bool = True) -> Iterator[tuple[torch.Tensor, ...]]:
        """Each photo whole, at the hub's size, in every style (or the styles in turn), one row at a time."""
        counts = [port.shape[1] for port in self.inputs if not port.is_image]
        count = counts[0] if counts else 1
        for index, photo in enumerate(photos):
            picture = to_tensor(load(photo, self.size), self.picture)
            for style in range(count) if styles else [index % count]:
                weights = torch.eye(count)[style : style + 1]
                yield tuple(picture if port.is_image else weights for port in self.inputs)


def to_tensor(photo: np.ndarray, port: Port) -> torch.Tensor:
    """uint8 HxWx3 as (1, C, H, W) in the port's range and colors."""
    sized = Port(port.name, (*port.shape[:2], *photo.shape[:2]), port.value_range, port.dtype)
    return torch.from_numpy(np.ascontiguousarray(photo_to_tensor(np.ascontiguousarray(photo), sized)))


def _style(count: int, random: np.random.Generator) -> torch.Tensor:
    pure = random.random() < 0.5
    weights = np.eye(count)[random.integers(count)] if pure else random.dirichlet(np.ones(count))
    return torch.from_numpy(weights.astype(np.float32))[None]
