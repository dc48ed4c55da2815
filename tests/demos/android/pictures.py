"""Photos for the app's checks, what Python paints of them, and how a painting in tiles compares with one look."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from skimage import data

from export.hub import load_hub
from tests.demos.android.build import ASSETS
from validate.photos import default_photos, photo_to_tensor, tensor_to_picture
from validate.runners import OnnxRunner, TfliteRunner, quiet_stderr

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
        (folder / f"painted-{index}-{chosen}.rgb").write_bytes(eight_bit(painted).tobytes())


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
    network = load_hub(bundled()[1]["name"], size=photo.shape[:2], check=False)
    runner = OnnxRunner(ir.to_proto(network.model).SerializeToString(), network.inputs, network.outputs)
    picture, styles = network.inputs
    feed = {picture.name: photo_to_tensor(photo, picture), styles.name: one_hot(styles.shape[1], style)}
    return eight_bit(tensor_to_picture(runner.run(feed)[network.outputs[0].name], network.outputs[0]))


def whole_by_file(photo: np.ndarray, style: int) -> np.ndarray:
    """``photo`` painted in one look by the app's own file, changed to take the photo's size: uint8 HxWx3."""
    height, width = photo.shape[:2]
    with quiet_stderr():
        interpreter = Interpreter(model_content=resized(bundled()[0].read_bytes(), height, width), num_threads=2)
        details = interpreter.get_input_details()
        interpreter.resize_tensor_input(details[0]["index"], (1, height, width, 3))
        interpreter.allocate_tensors()
    feeds = [photo[None], one_hot(details[1]["shape"][1], style)]
    feeds += [np.zeros(detail["shape"], np.float32) for detail in details[2:]]
    for detail, value in zip(details, feeds, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def resized(content: bytes, height: int, width: int) -> bytes:
    """A file for tiles whose picture can be resized to ``height`` x ``width``, multiples of 8; same weights and scales.

    What has the size written in are the sizes that RESIZE_BILINEAR aims at and the windows of the means: these become
    windows that divide the larger planes. The blocks that a tile measures go, as nothing is left to be given.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    codes = [code.builtinCode for code in model.operatorCodes]
    own = [int(side) for side in graph.tensors[graph.inputs[0]].shape[1:3]]
    lines: dict[int, tuple[int, ...]] = {}  # of what was pooled
    for operator in graph.operators:
        code, source = codes[operator.opcodeIndex], int(operator.inputs[0])
        if code == schema.BuiltinOperator.AVERAGE_POOL_2D:
            usual = [int(side) for side in graph.tensors[source].shape[1:3]]
            found = lines.get(source) or (usual[0] * height // own[0], usual[1] * width // own[1])
            window = [max(size for size in range(1, 9) if side % size == 0) for side in found]
            options = operator.builtinOptions
            options.filterHeight, options.filterWidth = options.strideH, options.strideW = window
            lines[int(operator.outputs[0])] = tuple(n // k for n, k in zip(found, window, strict=True))
        elif code == schema.BuiltinOperator.RESIZE_BILINEAR:
            buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            aim = np.frombuffer(bytes(buffer.data), np.int32)
            aim = np.array([aim[0] * height // own[0], aim[1] * width // own[1]], np.int32)
            buffer.data = np.frombuffer(aim.tobytes(), np.uint8)
    measured = int(graph.outputs[-1])
    graph.outputs = graph.outputs[:-1]
    graph.operators = [operator for operator in graph.operators if measured not in operator.outputs]
    model.signatureDefs = []
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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
