"""One way to run a hub, a ``.tflite`` and a ``.mlpackage``: the hub's NCHW, dtypes and values, in and out."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import psutil
from PIL import Image

from validate.errors import BrushportError, short
from validate.ports import GIVEN, MEASURED, PORTS_KEY, STATISTICS, Port, ports_from_json
from validate.sessions import cpu_session

if TYPE_CHECKING:
    from validate.coreml.half_range import Beyond

THREADS = 2  # what a phone's big cores and the peers' figures use
Tensors = dict[str, np.ndarray]
T = TypeVar("T")


class Runner(ABC):
    """A loaded model with ``inputs`` and ``outputs`` (:class:`Port`); subclasses fill in :meth:`_run`.

    ``eight_bit`` names the outputs that come as 8-bit pictures. ``milliseconds`` holds the duration of each
    :meth:`run`, without conversions; ``memory`` is the growth of the process in bytes from before loading to after
    the first run.
    """

    def __init__(self, inputs: tuple[Port, ...], outputs: tuple[Port, ...], resident_before: int):
        self.inputs, self.outputs = inputs, outputs
        self.eight_bit: frozenset[str] = frozenset()
        self.milliseconds: list[float] = []
        self.memory: int | None = None
        self._resident_before = resident_before

    def run(self, feed: Tensors) -> Tensors:
        """Outputs by name for inputs by name, of the ports' shapes (NCHW), dtypes and hub values."""
        for port in self.inputs:
            if port.name not in feed:
                raise BrushportError(f"The input '{port.name}' was not given; the model takes it.")
        outputs = self._run({port.name: np.asarray(feed[port.name], port.dtype) for port in self.inputs})
        if self.memory is None:
            self.memory = max(0, resident() - self._resident_before)
        return outputs

    def beyond_half(self, feed: Tensors) -> list[Beyond]:
        """What in the artifact leaves the range of fp16 on this feed; empty where its format does not tell."""
        return []

    @abstractmethod
    def _run(self, feed: Tensors) -> Tensors: ...

    def _timed(self, call, *arguments):
        started = time.perf_counter()
        try:
            result = call(*arguments)
        except (RuntimeError, ValueError) as error:
            raise BrushportError(f"The model cannot be run: {short(error)}.") from error
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):  # its exceptions share no public base class
                raise
            raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error
        self.milliseconds.append(1000 * (time.perf_counter() - started))
        return result

    @property
    def latency(self) -> float | None:
        """Median milliseconds a run; the first, which warms up, is left out when there are more."""
        return float(np.median(self.milliseconds[1:] or self.milliseconds)) if self.milliseconds else None


def runs_natively(artifact: Path) -> bool:
    """Whether this machine runs the artifact itself, so that its milliseconds mean something."""
    return artifact.suffix != ".mlpackage" or sys.platform == "darwin"


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return psutil.Process().memory_info().rss


class OnnxRunner(Runner):
    """The hub, by ONNX Runtime. ``model`` is a path or a serialized ModelProto; its names are the ports' names."""

    def __init__(self, model: str | Path | bytes, inputs: tuple[Port, ...], outputs: tuple[Port, ...]):
        import onnxruntime as ort

        before = resident()
        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            source = model if isinstance(model, bytes) else str(model)
            self.session = cpu_session(source, options)
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error
        super().__init__(inputs, outputs, before)

    def _run(self, feed: Tensors) -> Tensors:
        names = [port.name for port in self.outputs]
        return dict(zip(names, self._timed(self.session.run, names, feed), strict=True))


class TfliteRunner(Runner):
    """A ``.tflite`` file, by LiteRT with the XNNPACK delegate; quantized and NHWC tensors are converted.

    A file for tiles paints with each picture's own statistics, unless ``ports`` name those inputs, too.
    """

    def __init__(self, path: str | Path, ports: tuple[tuple[Port, ...], tuple[Port, ...]] | None = None):
        from ai_edge_litert.interpreter import Interpreter

        before = resident()
        path = Path(path)
        if not path.is_file():
            raise BrushportError(f"The file '{path}' does not exist; check the path.")
        try:
            with quiet_stderr():
                self.interpreter = Interpreter(model_path=str(path), num_threads=THREADS)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BrushportError(f"LiteRT cannot load '{path}': {short(error)}.") from error
        super().__init__(*(ports or embedded_ports(tflite_metadata(path), path)), before)
        details, unused = split_statistics(self.interpreter.get_input_details(), self.inputs, itemgetter("name"))
        self._zeros = [detail["index"] for detail in unused]
        self._feeds = by_port(self.inputs, details, path)
        self._shapes = {detail["index"]: tuple(int(d) for d in detail["shape"]) for detail in details}
        results, _ = split_statistics(self.interpreter.get_output_details(), self.outputs, itemgetter("name"))
        self._results = by_port(self.outputs, results, path)
        self.eight_bit = frozenset(
            port.name for port in self.outputs if port.is_image and self._results[port.name]["dtype"] == np.uint8
        )

    def _run(self, feed: Tensors) -> Tensors:
        feeds = {}
        for port in self.inputs:
            detail, value = self._feeds[port.name], feed[port.name]
            as_pixels = port.is_image and detail["dtype"] == np.uint8
            value = to_pixels(value, port) if as_pixels else quantize(value, detail)
            feeds[detail["index"]] = to_nhwc(value)
        self._fit_to(feeds)
        for index, value in feeds.items():
            self.interpreter.set_tensor(index, value)
        for index in self._zeros:
            self.interpreter.set_tensor(index, np.zeros_like(self.interpreter.get_tensor(index)))
        self._timed(self.interpreter.invoke)
        outputs = {}
        for port in self.outputs:
            detail = self._results[port.name]
            value = self.interpreter.get_tensor(detail["index"])
            value = from_pixels(value, port) if port.name in self.eight_bit else dequantize(value, detail)
            value = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
            outputs[port.name] = value.astype(port.dtype, copy=False)
        return outputs

    def _fit_to(self, feeds: dict[int, np.ndarray]) -> None:
        """Resize the inputs of a flexible file to what is fed; ``feeds`` by tensor index."""
        shapes = {index: value.shape for index, value in feeds.items()}
        if shapes == self._shapes:
            return
        try:
            for index, shape in shapes.items():
                self.interpreter.resize_tensor_input(index, shape, strict=True)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BrushportError(f"The model does not take this size: {short(error)}.") from error
        self._shapes = shapes


def split_statistics(parts: Sequence[T], ports: tuple[Port, ...], name: Callable[[T], str]) -> tuple[list[T], list[T]]:
    """A file's inputs or outputs that ``ports`` are about, and those for tiles that no port is named after."""
    beyond = {STATISTICS, GIVEN, MEASURED} - {port.name for port in ports}
    return [one for one in parts if name(one) not in beyond], [one for one in parts if name(one) in beyond]


def by_port(ports: tuple[Port, ...], parts: Sequence[T], path: Path) -> dict[str, T]:
    """The artifact's own inputs or outputs by the hub's names: same order, perhaps other names."""
    if len(ports) != len(parts):
        raise BrushportError(f"'{path}' has {len(parts)} inputs or outputs where its hub has {len(ports)}.")
    return {port.name: part for port, part in zip(ports, parts, strict=True)}


def to_nhwc(value: np.ndarray) -> np.ndarray:
    """A value as our TFLite files take it: everything of rank 4 is NHWC there."""
    return np.ascontiguousarray(value.transpose(0, 2, 3, 1)) if value.ndim == 4 else value


def quantize(value: np.ndarray, detail: dict) -> np.ndarray:
    """A value in an interpreter's dtype: q = round(x / scale) + zero point, clamped, where the tensor has a scale."""
    dtype, (scale, zero_point) = detail["dtype"], detail["quantization"]
    if not scale:
        return value.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(value / scale) + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(value: np.ndarray, detail: dict) -> np.ndarray:
    """An interpreter's tensor as float32, x = scale (q - zero point), where it has a scale."""
    scale, zero_point = detail["quantization"]
    return (value.astype(np.float32) - zero_point) * np.float32(scale) if scale else value


class CoreMLRunner(Runner):
    """A ``.mlpackage``, by Apple's ``predict`` on macOS and by :class:`validate.coreml.CoreMLModel` elsewhere.

    A file for tiles paints with each picture's own statistics, unless ``ports`` name those inputs, too.
    Its milliseconds mean something on macOS only: elsewhere each operator is emulated.
    """

    def __init__(self, path: str | Path, ports: tuple[tuple[Port, ...], tuple[Port, ...]] | None = None):
        from validate.coreml import CoreMLModel

        before = resident()
        path = Path(path)
        self.model = CoreMLModel(path, threads=THREADS)
        super().__init__(*(ports or embedded_ports(self.model.user_defined_metadata, path)), before)
        features, self._zeros = split_statistics(self.model.inputs, self.inputs, attrgetter("name"))
        self._feeds = by_port(self.inputs, features, path)
        results, _ = split_statistics(self.model.outputs, self.outputs, attrgetter("name"))
        self._results = by_port(self.outputs, results, path)
        self.eight_bit = frozenset(name for name, feature in self._results.items() if feature.is_image)

    def beyond_half(self, feed: Tensors) -> list[Beyond]:
        """As found by :mod:`validate.coreml.half_range`, in the order of the program."""
        return self.model.half_range(self._given(feed))

    def _given(self, feed: Tensors) -> dict:
        ports = {port.name: port for port in self.inputs}
        given = {feature.name: np.zeros(feature.shape, feature.dtype) for feature in self._zeros}
        for name, value in feed.items():
            feature = self._feeds[name]
            if feature.is_image:
                given[feature.name] = as_image(to_pixels(value, ports[name]))
            else:  # Core ML has no scalars: they are presented as arrays of one number
                given[feature.name] = value.reshape(feature.shape if value.ndim == 0 else value.shape)
        return given

    def _run(self, feed: Tensors) -> Tensors:
        result = self._timed(self.model.predict, self._given(feed))
        outputs = {}
        for port in self.outputs:
            value = result[self._results[port.name].name]
            if port.name in self.eight_bit:
                value = from_pixels(planes_of(value), port)
            value = np.asarray(value).astype(port.dtype)
            if port.is_image and value.ndim == 3:
                value = value[None]
            outputs[port.name] = value if port.shape else value.reshape(())
        return outputs


def as_image(pixels: np.ndarray) -> Image.Image:
    """(1, C, H, W) pixels as an image: RGB of three channels, gray of one."""
    return Image.fromarray(pixels[0].transpose(1, 2, 0) if pixels.shape[1] == 3 else pixels[0, 0])


def planes_of(image: Image.Image) -> np.ndarray:
    """An image's pixels as (C, H, W), without a fourth channel that some runtimes add."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels[..., :3].transpose(2, 0, 1)


def to_pixels(value: np.ndarray, port: Port) -> np.ndarray:
    """A picture's value in ``port``'s range as 8 bits, black 0 and white 255, of the same shape."""
    black, white = port.value_range
    return np.clip(np.round((value - black) / (white - black) * 255), 0, 255).astype(np.uint8)


def from_pixels(pixels: np.ndarray, port: Port) -> np.ndarray:
    """Values 0 to 255 as float32 in ``port``'s range, of the same shape."""
    black, white = port.value_range
    return pixels.astype(np.float32) / np.float32(255) * np.float32(white - black) + np.float32(black)


def open_artifact(path: str | Path, ports: tuple[tuple[Port, ...], tuple[Port, ...]] | None = None) -> Runner:
    """The runner for ``path``, by its ending. ``ports`` are needed only for files that do not carry their own."""
    kinds = {".tflite": TfliteRunner, ".mlpackage": CoreMLRunner}
    path = Path(path)
    if path.suffix not in kinds:
        raise BrushportError(f"'{path}' is neither a .tflite file nor an .mlpackage; give one of those.")
    return kinds[path.suffix](path, ports)


def tflite_metadata(path: str | Path) -> dict[str, str]:
    """The named metadata buffers of a ``.tflite`` file, as text. Raises BrushportError when it is no such file."""
    from ai_edge_litert import schema_py_generated as schema

    data = Path(path).read_bytes()
    if data[4:8] != b"TFL3":
        raise BrushportError(f"'{path}' is no TFLite file; give one that is.")
    model = schema.Model.GetRootAsModel(data, 0)
    texts = {}
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        buffer = model.Buffers(entry.Buffer()).DataAsNumpy()
        if isinstance(buffer, np.ndarray):
            texts[entry.Name().decode()] = buffer.tobytes().decode("utf-8", "replace")
    return texts


def metadata_of(artifact: str | Path) -> dict[str, str]:
    """What an artifact tells of itself, without loading its network; raises BrushportError when it is damaged."""
    if Path(artifact).suffix == ".mlpackage":
        from validate.coreml.package import open_package

        return dict(open_package(artifact).spec.description.metadata.userDefined)
    return tflite_metadata(artifact)


def embedded_ports(metadata: dict[str, str], path: str | Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The ports an artifact carries; raises BrushportError when it was not written by Brushport."""
    try:
        return ports_from_json(metadata[PORTS_KEY])
    except (KeyError, ValueError, TypeError) as error:
        raise BrushportError(f"'{path}' does not say what its inputs mean; export it with Brushport.") from error


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Swallow what a native library writes to stderr; LiteRT announces its delegate there on every load."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
