"""Photos for the apps' checks, what the network makes of them, and how a painting in tiles compares with one look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from PIL import Image
from skimage import data

from export.hub import load_hub
from validate.photos import photo_to_tensor, tensor_to_picture
from validate.runners import OnnxRunner

GRAIN = 4.0  # of 255: the noise of a phone's camera, which an enlarged photo lacks
LARGE = (3024, 4032)  # a 12-megapixel photo, height and width


def large_photo(size: tuple[int, int] = LARGE) -> np.ndarray:
    """A photo of ``size`` as uint8 HxWx3: scikit-image's ``coffee``, cropped, enlarged and with grain."""
    height, width = size
    photo = Image.fromarray(data.coffee())
    scale = min(photo.width / width, photo.height / height)
    left, top = max(0.0, (photo.width - width * scale) / 2), max(0.0, (photo.height - height * scale) / 2)
    box = (left, top, min(photo.width, left + width * scale), min(photo.height, top + height * scale))
    large = np.asarray(photo.resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)
    grain = np.random.default_rng(7).standard_normal((height, width, 3), np.float32) * GRAIN
    return np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)


def whole_by_hub(name: str, photo: np.ndarray, style: int) -> np.ndarray:
    """``photo`` painted in one look by the network ``name`` itself, in float at the photo's own size: uint8 HxWx3."""
    network = load_hub(name, size=photo.shape[:2], check=False)
    runner = OnnxRunner(ir.to_proto(network.model).SerializeToString(), network.inputs, network.outputs)
    picture, styles = network.inputs
    feed = {picture.name: photo_to_tensor(photo, picture), styles.name: one_hot(styles.shape[1], style)}
    return eight_bit(tensor_to_picture(runner.run(feed)[network.outputs[0].name], network.outputs[0]))


def one_hot(count: int, index: int) -> np.ndarray:
    """The weights of one style, float32 1xN."""
    return np.eye(count, dtype=np.float32)[[index]]


def eight_bit(picture: np.ndarray) -> np.ndarray:
    """A picture in [0, 1] as uint8."""
    return np.round(picture * 255).astype(np.uint8)


@dataclass(frozen=True)
class Steps:
    """Steps from line to line where tiles meet: means over those of the lines around, in a painting and a whole one,
    and the largest single step of the painting, at seams and elsewhere.
    """

    seams: np.ndarray
    whole: np.ndarray
    largest: int
    elsewhere: int

    @property
    def worst(self) -> float:
        """By how much the worst seam stands out beyond what the whole painting has there."""
        return float((self.seams / self.whole).max())


def steps_at(painting: np.ndarray, whole: np.ndarray, cuts: list[int], axis: int) -> Steps:
    """How large steps across ``cuts`` are in both pictures (uint8 HxWx3), against lines next to them."""

    def ratios(picture: np.ndarray) -> np.ndarray:
        steps = np.abs(np.diff(picture.astype(np.int16), axis=axis)).mean(axis=(1 - axis, 2))
        beside = (-4, -3, -2, 2, 3, 4)
        return np.array([steps[cut - 1] / np.mean([steps[cut - 1 + far] for far in beside]) for cut in cuts])

    largest = np.abs(np.diff(painting.astype(np.int16), axis=axis)).max(axis=(1 - axis, 2))
    at = [cut - 1 for cut in cuts]
    return Steps(ratios(painting), ratios(whole), int(largest[at].max()), int(np.delete(largest, at).max()))
