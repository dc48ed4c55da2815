"""Runs graphs in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import onnxruntime

from validate.errors import BrushportError, short
from validate.sessions import cpu_session

Sample = Mapping[str, np.ndarray]  # what a model is fed once: arrays by input name


def open_session(model: ir.Model, *, simulate: bool = False) -> onnxruntime.InferenceSession:
    """A CPU session over ``model``.

    With ``simulate``, Q/DQ pairs round and the rest runs in float, alike on every machine; without, ONNX
    Runtime fuses them to its own int8 kernels. Raises :class:`BrushportError` when it refuses the model.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # the arena keeps its peak for good
    if simulate:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return cpu_session(ir.to_proto(model).SerializeToString(), options)
    except Exception as error:  # ONNX Runtime's classes derive from Exception alone
        raise BrushportError(f"ONNX Runtime cannot load the model: {short(error)}.") from error


def run(
    session: onnxruntime.InferenceSession, sample: Sample, outputs: Sequence[str] | None = None
) -> list[np.ndarray]:
    """The named ``outputs`` (all by default) for ``sample``; raises :class:`BrushportError` where it does not fit."""
    try:
        return session.run(None if outputs is None else list(outputs), dict(sample))
    except Exception as error:
        raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error
