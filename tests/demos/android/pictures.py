"""What the app's own model makes of photos, in Python."""

from __future__ import annotations

import json
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tests.demos.android.build import ASSETS
from tests.demos.pictures import eight_bit, one_hot
from validate.photos import default_photos, photo_to_tensor, tensor_to_picture
from validate.runners import TfliteRunner, quiet_stderr


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
