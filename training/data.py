"""Photos and paintings as batches; each batch depends on its number alone, so a resumed run sees the same ones."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from validate import photos as files
from validate.errors import BrushportError

PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")  # what torchvision decodes to one still picture


def read_picture(path: Path) -> torch.Tensor:
    """The picture at ``path`` as (3, H, W) uint8 RGB, turned as its EXIF orientation says; 16 bits become 8.

    Raises BrushportError when there is no such file or it is no picture.
    """
    if not path.is_file():
        raise BrushportError(f"The picture '{path}' does not exist; check the path.")
    try:
        picture = decode_image(str(path), mode=ImageReadMode.RGB, apply_exif_orientation=True)
    except RuntimeError as error:
        raise BrushportError(f"'{path}' cannot be read as a picture; replace or remove it.") from error
    return v2.functional.to_dtype(picture, torch.uint8, scale=True)


def list_photos(folder: Path) -> list[Path]:
    """The JPEG, PNG and WebP files in ``folder`` and below, sorted. Raises BrushportError when there is none."""
    return files.list_photos(folder, recursive=True, endings=PICTURES)


@dataclass(frozen=True)
class Batch:
    """``photos`` (B, 3, S, S) RGB in [0, 1]; ``styles`` (B,) the number of each one's painting."""

    photos: torch.Tensor
    styles: torch.Tensor


class PhotoBatches(Dataset):
    """Batch ``step`` of a run: random photos, cropped to ``crop`` pixels and flipped, with styles dealt in turn.

    All randomness comes from ``seed`` and ``step``.
    """

    def __init__(self, photos: list[Path], steps: int, batch: int, crop: int, styles: int, seed: int):
        self.photos, self.steps, self.batch, self.styles, self.seed = photos, steps, batch, styles, seed
        self.augment = v2.Compose(
            [
                v2.RandomResizedCrop(crop, scale=(0.5, 1.0), ratio=(0.9, 1.1), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        """The number of steps."""
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Batch number ``step``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + step)
            picks = torch.randint(len(self.photos), (self.batch,)).tolist()
            photos = torch.stack([self.augment(read_picture(self.photos[pick])) for pick in picks])
        return Batch(photos, (torch.arange(self.batch) + step * self.batch) % self.styles)
