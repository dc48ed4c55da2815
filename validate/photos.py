"""Photos in, pictures out: the folder a user names, or photographs that scikit-image carries in its wheel.

Photos are ``uint8`` HxWx3 RGB. A port says how a photo becomes a tensor and a tensor a picture again.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from skimage import data as bundled

from validate.errors import BrushportError
from validate.ports import STYLE, Port

Size = int | tuple[int, int]  # a square's side, or (height, width)

# Photographs inside scikit-image's wheel: nothing is downloaded. The two lists share no scene.
DEFAULT_PHOTOS = {
    "verification": ("astronaut", "coffee", "chelsea"),
    "calibration": (
        *("motorcycle", "rocket", "camera"),
        *("retina", "immunohistochemistry", "grass", "gravel", "brick"),
    ),
}

# How the bundled photos make more: the part of the side that is kept, from where (0 top left, 1 bottom
# right), mirrored or not. The first is the whole photo, so whole photos come before any crop.
VARIANTS = (
    (1.0, 0.5, False),
    (0.6, 0.0, True),
    (0.7, 1.0, False),
    (0.5, 0.5, True),
    (0.8, 0.2, False),
    (0.45, 0.8, True),
    (0.55, 0.35, False),
    (0.9, 0.65, True),
)

# Endings that promise a photo; a file with another ending is left alone, one without an ending is tried.
PHOTO_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".avif", ".heic", ".heif", ".jp2", ".tga"),
)

# Luma weights of ITU-R BT.601, those of JPEG and of Pillow's "L" mode.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def default_photos(count: int, size: Size, *, use: str = "verification") -> list[np.ndarray]:
    """``count`` bundled photos of ``size``, always the same ones in the same order, as uint8 HxWx3.

    ``use`` is ``"verification"`` or ``"calibration"``; the two share no scene. Beyond the number of photos
    bundled, crops and mirror images of them follow. Raises :class:`BrushportError` for more than there are.
    """
    return list(iterate_default_photos(count, size, use=use))


def iterate_default_photos(count: int, size: Size, *, use: str = "verification") -> Iterator[np.ndarray]:
    """:func:`default_photos`, one at a time, so that memory holds one photo."""
    names = DEFAULT_PHOTOS[use]
    most = len(names) * len(VARIANTS)
    if count > most:
        raise BrushportError(f"There are {most} bundled {use} photos, not {count}: name a folder of photos.")
    return (_default_photo(names, index, size) for index in range(count))


def _default_photo(names: tuple[str, ...], index: int, size: Size) -> np.ndarray:
    kept, position, mirrored = VARIANTS[index // len(names)]
    photo = _bundled(names[index % len(names)])
    height, width = photo.shape[:2]
    top, left = round((height * (1 - kept)) * position), round((width * (1 - kept)) * position)
    photo = photo[top : top + round(height * kept), left : left + round(width * kept)]
    return fit(Image.fromarray(np.ascontiguousarray(photo[:, ::-1] if mirrored else photo)), size)


def load_photos(folder: str | Path, size: Size, limit: int | None = None) -> list[np.ndarray]:
    """``limit`` photos of ``folder``, as :func:`iterate_photos` gives them."""
    return list(iterate_photos(folder, size, limit))


def iterate_photos(folder: str | Path, size: Size, limit: int | None = None) -> Iterator[np.ndarray]:
    """Photos of ``folder`` in turn, upright, cropped at the center and resized to ``size``: uint8 HxWx3.

    Files are taken in the order of their names; where there are more than ``limit``, those at even distances from
    the first on, so that a folder sorted by date or scene is seen throughout. Always the same files. Subfolders,
    hidden files and files whose ending is no photo's are left alone. The folder is looked at when this is called.
    Raises :class:`BrushportError` for a folder that is missing or has no photo in it, and, while iterating, for a
    photo that cannot be read.
    """
    paths = list_photos(folder)
    count = len(paths) if limit is None else min(limit, len(paths))
    return (read_photo(paths[index * len(paths) // count], size) for index in range(count))


def list_photos(folder: str | Path, *, recursive: bool = False, endings: Collection[str] | None = None) -> list[Path]:
    """The photos in ``folder``, with ``recursive`` also in the folders below, sorted by path.

    A photo is known by its ending in lower case: one of ``endings``, by default of ``PHOTO_ENDINGS`` or none at all.
    What is hidden (its name or a folder's begins with a dot) is left alone. Raises :class:`BrushportError` when there
    are no photos.
    """
    folder = Path(folder)
    wanted = ("", *PHOTO_ENDINGS) if endings is None else endings
    try:
        next(folder.iterdir(), None)  # rglob takes a folder that cannot be read for an empty one
        entries = sorted(folder.rglob("*") if recursive else folder.iterdir())
    except FileNotFoundError:
        raise BrushportError(f"The photo folder {folder} does not exist.") from None
    except NotADirectoryError:
        raise BrushportError(f"{folder} is a file, not a folder of photos.") from None
    except OSError as error:
        raise BrushportError(f"The photo folder {folder} cannot be read: {error.strerror}.") from None
    candidates = (path for path in entries if path.suffix.lower() in wanted)
    paths = [path for path in candidates if not _is_hidden(path.relative_to(folder)) and path.is_file()]
    if not paths:
        raise BrushportError(f"The folder {folder} holds no photos: put JPEG or PNG files into it.")
    return paths


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_photo(path: str | Path, size: Size) -> np.ndarray:
    """One photo, turned upright by its EXIF orientation, :func:`fit` to ``size``: uint8 HxWx3.

    Raises :class:`BrushportError` naming the file when it cannot be read as a photo.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of odd but readable files: no part of a command's output
            with Image.open(path) as image:
                return fit(ImageOps.exif_transpose(image), size)
    except FileNotFoundError:
        raise BrushportError(f"The photo {path} does not exist.") from None
    # Pillow answers damaged files with any of these, by format and by place of the damage.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "it is damaged or no picture" if isinstance(error, Image.UnidentifiedImageError) else error
        raise BrushportError(f"The photo {path} cannot be read: {str(reason).rstrip('.')}.") from None


def fit(image: Image.Image, size: Size) -> np.ndarray:
    """``image`` as uint8 HxWx3 of ``size``: cropped at its center to that aspect ratio, then resized.

    Resizing is Pillow's Lanczos, which widens its kernel when it shrinks a picture (no aliasing). Gray of 16 bits and
    of floats in 0..1 is scaled to 8 bits; transparency is ignored. Raises ValueError for gray of another range.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_eight_bit_gray(image))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns
    image = image.convert("RGB")
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS, box=box))


def _eight_bit_gray(image: Image.Image) -> np.ndarray:
    """Gray of 16 bits or of floats as uint8, where Pillow itself would clip at 255 rather than scale."""
    values = np.asarray(image).astype(np.float64)
    white = 1.0 if image.mode == "F" else 65535.0
    if not (values.min() >= 0.0 and values.max() <= white):  # written so that NaN is refused, too
        raise ValueError(
            f"its gray values go from {values.min():g} to {values.max():g}, not from 0 to {white:g}; "
            "save it with 8 bits a channel"
        )
    return np.rint(values * (255.0 / white)).astype(np.uint8)


def photo_to_tensor(photo: np.ndarray, port: Port) -> np.ndarray:
    """A uint8 HxWx3 photo as ``port`` takes it: float32 1xCxHxW, black and white at ``port.value_range``.

    A gray port takes the luminance (BT.601). Raises :class:`BrushportError` when the photo has another size.
    """
    _check_image(port)
    if photo.shape[:2] != tuple(port.shape[2:]):
        raise BrushportError(
            f"Input {port.name} takes pictures of {port.shape[2]}x{port.shape[3]}, "
            f"this photo is {photo.shape[0]}x{photo.shape[1]}."
        )
    black, white = port.value_range
    values = photo.astype(np.float32) / np.float32(255.0)
    if port.shape[1] == 1:
        values = (values @ LUMA)[..., None]
    return np.ascontiguousarray((values * np.float32(white - black) + np.float32(black)).transpose(2, 0, 1)[None])


def photo_samples(photos: Iterable[np.ndarray], inputs: Sequence[Port]) -> Iterator[dict[str, np.ndarray]]:
    """What a model is fed for each photo: ``{input name: array}``, one photo at a time.

    The first picture port takes the photo, which is to be of its size. Any further one takes a photo of its own,
    fitted to its own size: the second the photo before, the third the one before that; where there is none yet, or
    it is the same photo again, the photo itself mirrored or turned over. So a sample keeps as many photos in memory
    as there are picture ports.

    ``style`` of shape (1, N) takes its N one-hot vectors in turn, one a photo, so that a run over the photos sees
    every style. A scalar is 1. Any other port takes normally distributed numbers, or 0 and 1 where it holds whole
    numbers, which may be indices; for a photo's index always the same. Raises :class:`BrushportError` when a photo is
    not of the first picture port's size.
    """
    pictures = [port for port in inputs if port.is_image]
    earlier: deque[np.ndarray] = deque(maxlen=max(len(pictures) - 1, 0))  # the latest first
    for index, photo in enumerate(photos):
        random = np.random.default_rng(index)
        sample = {port.name: _numbers(port, index, random) for port in inputs if not port.is_image}
        for place, port in enumerate(pictures):
            if place == 0:
                sample[port.name] = photo_to_tensor(photo, port)
            else:
                sample[port.name] = photo_to_tensor(_other_photo(photo, earlier, place, port.shape[2:]), port)
        earlier.appendleft(photo)
        yield {port.name: sample[port.name] for port in inputs}


def _other_photo(photo: np.ndarray, earlier: Sequence[np.ndarray], place: int, size: Size) -> np.ndarray:
    """What the picture port number ``place`` is shown beside ``photo``."""
    other = earlier[place - 1] if place <= len(earlier) else photo
    if np.array_equal(other, photo):
        other = photo[:: -1 if place // 2 % 2 else 1, :: -1 if place % 2 else 1]
    return fit(Image.fromarray(np.ascontiguousarray(other)), size)


def _numbers(port: Port, index: int, random: np.random.Generator) -> np.ndarray:
    """What ``port``, which is no picture, takes beside photo number ``index``."""
    if port.shape == ():
        return np.array(1, port.dtype)
    if port.name == STYLE and len(port.shape) == 2 and port.shape[0] == 1:
        return np.eye(port.shape[1], dtype=np.float32)[[index % port.shape[1]]]
    numbers = random.standard_normal(port.shape, np.float32)
    return numbers if port.dtype == "float32" else (numbers > 0).astype(port.dtype)


def tensor_to_picture(tensor: np.ndarray, port: Port) -> np.ndarray:
    """What ``port`` gave, float 1xCxHxW, as a float32 HxWxC picture clipped to [0, 1].

    NaN and infinity become NaN rather than white, so that no metric takes them for a picture.
    """
    _check_image(port)
    black, white = port.value_range
    picture = (np.asarray(tensor, np.float32)[0].transpose(1, 2, 0) - np.float32(black)) / np.float32(white - black)
    return np.where(np.isfinite(picture), picture.clip(0.0, 1.0), np.float32(np.nan))


def _check_image(port: Port) -> None:
    if not port.is_image:
        raise BrushportError(f"{port.name} of shape {tuple(port.shape)} is no picture.")


def _bundled(name: str) -> np.ndarray:
    photo = bundled.stereo_motorcycle()[0] if name == "motorcycle" else getattr(bundled, name)()
    return np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo[..., :3]
