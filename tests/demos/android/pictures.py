"""Photos for the app's checks, what Python paints of them, and how a painting in tiles compares with one look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from export import hub
from tests.demos.android.build import ASSETS
from validate.photos import default_photos, photo_to_tensor, tensor_to_picture
from validate.runners import OnnxRunner, TfliteRunner

GRAIN = 4.0  # of 255: the noise of a phone's camera, which an enlarged photo lacks
LARGE = (3024, 4032)  # a 12-megapixel photo, height and width


def bundled() -> tuple[Path, dict]:
    """The app's model file and its entry in the manifest."""
    facts = json.loads(next(ASSETS.glob("*.json")).read_text(encoding="utf-8"))["artifacts"]["tflite"]
    return ASSETS / facts["file"], facts


def save_photos(folder: Path) -> None:
    """Three photos and what Python paints of each in a style of its own, as raw RGB: what InferenceTest reads."""
    model, facts = bundled()
    runner = TfliteRunner(model)
    height, width = facts["inputs"][0]["shape"][1:3]
    picture, style = runner.inputs
    for index, photo in enumerate(default_photos(3, (height, width))):
        chosen = index % style.shape[1]
        feed = {picture.name: photo_to_tensor(photo, picture), style.name: one_hot(style.shape[1], chosen)}
        painted = tensor_to_picture(runner.run(feed)[runner.outputs[0].name], runner.outputs[0])
        (folder / f"photo-{index}.rgb").write_bytes(photo.tobytes())
        (folder / f"painted-{index}-{chosen}.rgb").write_bytes(np.round(painted * 255).astype(np.uint8).tobytes())


def large_photo(size: tuple[int, int] = LARGE) -> np.ndarray:
    """A photo of ``size`` as uint8 HxWx3: scikit-image's ``coffee``, cropped, enlarged and with grain."""
    height, width = size
    photo = Image.fromarray(data.coffee())
    scale = min(photo.width / width, photo.height / height)
    left, top = (photo.width - width * scale) / 2, (photo.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    large = np.asarray(photo.resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)
    grain = np.random.default_rng(7).standard_normal((height, width, 3), np.float32) * GRAIN
    return np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)


def whole_by_hub(photo: np.ndarray, style: int) -> np.ndarray:
    """``photo`` painted in one look by the network itself, in float at the photo's own size: uint8 HxWx3."""
    network = hub.load_hub(bundled()[1]["name"], size=photo.shape[:2], check=False)
    runner = OnnxRunner(hub.serialized(network), network.inputs, network.outputs)
    return _painted(runner, photo, style)


def whole_by_file(photo: np.ndarray, style: int) -> np.ndarray:
    """``photo`` painted in one look by the app's own file, its input resized to the photo: uint8 HxWx3."""
    runner = TfliteRunner(bundled()[0])
    height, width = photo.shape[:2]
    runner.inputs = tuple(_sized(port, height, width) for port in runner.inputs)
    runner.outputs = tuple(_sized(port, height, width) for port in runner.outputs)
    return _painted(runner, photo, style)
