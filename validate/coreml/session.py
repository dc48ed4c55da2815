"""ONNX Runtime around a translated program."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from validate.coreml.translate import Translation
from validate.errors import BrushportError, UnsupportedError
from validate.sessions import cpu_session


class Session:
    """One compiled program for one set of input shapes.

    The optimizer is kept to its basic level, which folds constants and drops what does nothing but leaves
    every rounding through fp16 in place (``tests/validate/coreml/test_rounding.py`` holds it to that).
    """

    def __init__(self, translation: Translation, threads: int, name: str, *, keep_memory: bool = True) -> None:
        self._name = name
        self._weights = {key: np.ascontiguousarray(value) for key, value in translation.weights.items()}
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # In the program's order, not from the last leaf backwards: what is only looked at is not held (half_range).
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
        options.enable_cpu_mem_arena = keep_memory  # for the next run; without it, memory is given back at once
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = threads
        values = [ort.OrtValue.ortvalue_from_numpy(value) for value in self._weights.values()]
        if values:
            options.add_external_initializers(list(self._weights), values)
        try:
            self._session = cpu_session(translation.model.SerializeToString(), options)
        except Exception as error:  # ONNX Runtime's exception classes are not public
            reason = " ".join(str(error).split())[:300]
            raise UnsupportedError(f"{name}: ONNX Runtime cannot run the translated program ({reason}).") from error
        self._outputs = dict(translation.outputs)
        self._types = {item.name: item.type for item in self._session.get_inputs()}

    def run(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name.

        Raises :class:`BrushportError` when the program fails on these values, for example an index out of range.
        """
        feeds = {
            name: value.astype(np.float32 if self._types[name] == "tensor(float)" else np.int32, copy=False)
            for name, value in tensors.items()
            if name in self._types
        }
        try:
            results = self._session.run(list(self._outputs.values()), feeds)
        except Exception as error:  # as above
            reason = " ".join(str(error).split())[:300]
            raise BrushportError(f"{self._name} fails on this input ({reason}).") from error
        return dict(zip(self._outputs, results, strict=True))
