"""Running a saved Core ML model: with Apple's runtime on macOS, with ONNX Runtime elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from validate.coreml.features import Feature, from_tensor, read_feature, to_tensor
from validate.coreml.half_range import Beyond, find_beyond
from validate.coreml.package import open_package
from validate.coreml.session import Session
from validate.coreml.tools import load_coremltools
from validate.coreml.translate import Translation, translate
from validate.errors import BrushportError

ENGINES = ("auto", "onnxruntime", "apple")

KEPT_SESSIONS = 4
"""How many input sizes of a flexible model stay compiled."""


class CoreMLModel:
    """A saved ``.mlpackage`` that can be run, with the interface of ``coremltools.models.MLModel``.

    ``engine`` is ``"apple"`` for Apple's own ``predict`` (macOS only), ``"onnxruntime"`` for the executor of this
    package, ``"auto"`` for Apple's where there is one. ``round_fp16=False`` makes the executor compute fp16
    programs in float32, to tell rounding from errors. ``threads`` of 0 means all cores.

    ``inputs`` and ``outputs`` are tuples of :class:`~validate.coreml.features.Feature` in the model's order.

    Raises :class:`BrushportError` for a missing or damaged package and :class:`UnsupportedError` for a program
    that cannot be run.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        engine: str = "auto",
        round_fp16: bool = True,
        threads: int = 0,
    ) -> None:
        if engine not in ENGINES:
            raise BrushportError(f"Unknown engine {engine!r}; choose among {', '.join(ENGINES)}.")
        if engine == "auto":
            engine = "apple" if sys.platform == "darwin" else "onnxruntime"
        if engine == "apple" and sys.platform != "darwin":
            raise BrushportError('Apple\'s Core ML runs on macOS only; use engine="onnxruntime".')
        self.path = Path(path)
        self.engine = engine
        self._package = open_package(path)
        description = self._package.spec.description
        self.inputs: tuple[Feature, ...] = tuple(read_feature(item) for item in description.input)
        self.outputs: tuple[Feature, ...] = tuple(read_feature(item) for item in description.output)
        self._round_fp16, self._threads = round_fp16, threads
        self._sessions: dict[tuple, Session] = {}
        self._apple: Any = None
        if engine == "onnxruntime" and not any(feature.flexible for feature in self.inputs):
            self._session({feature.name: feature.shape for feature in self.inputs})

    @property
    def input_description(self) -> dict[str, str]:
        """The author's remarks on each input."""
        return {item.name: item.shortDescription for item in self._package.spec.description.input}

    @property
    def output_description(self) -> dict[str, str]:
        """The author's remarks on each output."""
        return {item.name: item.shortDescription for item in self._package.spec.description.output}

    @property
    def user_defined_metadata(self) -> dict[str, str]:
        """The metadata that the exporter wrote into the file."""
        return dict(self._package.spec.description.metadata.userDefined)

    @property
    def specification_version(self) -> int:
        """Core ML's file version: 6 for iOS 15, 7 for iOS 16, and so on."""
        return int(self._package.spec.specificationVersion)

    def predict(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Run the model on one set of inputs: PIL images for pictures, arrays for the rest; the same comes back.

        Raises :class:`BrushportError` when a name is missing or unknown, or a value does not fit.
        """
        tensors = self._check_inputs(data)
        if self.engine == "apple":
            return dict(self._apple_model().predict(dict(data)))
        raw = self._run(tensors)
        return {feature.name: from_tensor(feature, raw[feature.name]) for feature in self.outputs}

    def predict_raw(self, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """As :meth:`predict`, but pictures come back as float32 [1, C, H, W] before rounding to 8 bits.

        Channels are in the order of the feature's ``color``. Apple's runtime keeps those values to itself, so
        this is always the executor's answer.
        """
        return self._run(self._check_inputs(data))

    def half_range(self, data: Mapping[str, Any]) -> list[Beyond]:
        """The operators whose values leave the range of fp16 on this input, in the program's order; see there."""
        tensors = self._check_inputs(data)
        shapes = {name: value.shape for name, value in tensors.items()}
        self._sessions.clear()  # one set of activations at a time; the next prediction makes its own
        return find_beyond(self._package.load_program(shapes), tensors, self._threads, self.path.name)

    def to_onnx(self) -> onnx.ModelProto:
        """The program as a self-contained ONNX model, rounding included: Core ML → ONNX.

        Pictures become float32 [1, C, H, W] with values 0 to 255.
        """
        return self._translate({feature.name: feature.shape for feature in self.inputs}).whole_model()

    def _check_inputs(self, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        names = [feature.name for feature in self.inputs]
        if not isinstance(data, Mapping):
            raise BrushportError(f"predict takes a dictionary with the inputs {', '.join(names)}.")
        unknown = [name for name in data if name not in names]
        if unknown:
            raise BrushportError(f"{self.path.name} has no input {unknown[0]!r}; its inputs are {', '.join(names)}.")
        missing = [f.name for f in self.inputs if f.name not in data and not f.optional]
        if missing:
            raise BrushportError(f"{self.path.name} needs the input {missing[0]!r}, which was not given.")
        return {
            feature.name: to_tensor(feature, data[feature.name])
            if feature.name in data
            else np.full(feature.shape, feature.default, np.float32)
            for feature in self.inputs
        }

    def _run(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._session({name: value.shape for name, value in tensors.items()}).run(tensors)

    def _session(self, shapes: dict[str, tuple[int, ...]]) -> Session:
        key = tuple(sorted(shapes.items()))
        if key not in self._sessions:
            while len(self._sessions) >= KEPT_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[key] = Session(self._translate(shapes), self._threads, self.path.name)
        return self._sessions[key]

    def _translate(self, shapes: dict[str, tuple[int, ...]]) -> Translation:
        return translate(self._package.load_program(shapes), round_fp16=self._round_fp16)

    def _apple_model(self) -> Any:
        if self._apple is None:
            self._apple = load_coremltools().models.MLModel(str(self.path))
        return self._apple
