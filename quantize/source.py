"""Reads an ONNX file as the quantizer needs it: shapes static and known throughout, constants as initializers."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveInitializersFromInputsPass

from validate.errors import BrushportError

METADATA_KEY = "brushport"  # under which our own networks say what they take


def read_onnx(path: Path) -> ir.Model:
    """The model in ``path``; raises :class:`BrushportError` when it is no whole ONNX model of static shapes."""
    try:
        size = path.stat().st_size
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
    except FileNotFoundError as error:
        raise BrushportError(f"There is no file {error.filename or path}.") from None
    except IsADirectoryError:
        raise BrushportError(f"{path} is a folder; give an ONNX file.") from None
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        what = "empty" if size == 0 else f"no whole ONNX model: {_first_line(error)}"
        raise BrushportError(f"{path} is {what}.") from None
    model = _inferred(proto, path)
    for value in (*model.graph.inputs, *model.graph.outputs, *(v for node in model.graph for v in node.outputs)):
        if value.shape is None or not value.shape.is_static():
            raise BrushportError(
                f"{value.name} in {path} has the shape {value.shape}, which is not static: export the model with "
                "python -m export and a --size, or with its own exporter at one size."
            )
    return model


def read_value_range(model: ir.Model) -> tuple[float, float] | None:
    """Black and white as the model's own metadata give them, or None."""
    try:
        low, high = json.loads(model.metadata_props[METADATA_KEY])["value_range"]
        return float(low), float(high)
    except (KeyError, ValueError, TypeError):
        return None


def _inferred(proto: onnx.ModelProto, path: Path) -> ir.Model:
    try:
        model = ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True))
    except onnx.shape_inference.InferenceError as error:
        raise BrushportError(f"The shapes in {path} contradict each other: {_first_line(error)}.") from None
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    RemoveInitializersFromInputsPass()(model)
    return model


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:240].rstrip(".")
