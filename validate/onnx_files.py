"""Reads ONNX files, and what our own networks say of themselves in the files' metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from validate.errors import BrushportError, short

METADATA_KEY = "brushport"  # under which our own networks say what they take, as JSON
MAX_PROTOBUF_BYTES = 2**31 - 1  # protobuf's own limit on one message; larger models keep weights outside
MAX_IR_VERSION = 10  # what ONNX Runtime has taken since 1.18; it refuses files of a version newer than it is


def read_model(path: Path) -> ir.Model:
    """Read and check an ONNX file; its weights are in memory afterwards, also those kept in files beside it.

    Raises :class:`BrushportError` if the file is missing, empty, truncated, no ONNX, too large or not valid ONNX.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise BrushportError(f"{path} is empty; export the ONNX file again.")
        if size > MAX_PROTOBUF_BYTES:
            raise BrushportError(
                f"{path} is {size / 2**30:.1f} GB and an ONNX file holds 2 GB at most; "
                "save it again with external data."
            )
        proto = onnx.load_model_from_string(path.read_bytes())
    except FileNotFoundError:
        raise BrushportError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise BrushportError(f"{path} is a folder; give an ONNX file.") from None
    except OSError as error:
        raise BrushportError(f"Cannot read {path}: {error.strerror or error}.") from error
    except DecodeError as error:
        raise BrushportError(f"{path} is not an ONNX file, or it is cut short.") from error
    if not proto.HasField("graph") or not proto.graph.output or not proto.opset_import:
        raise BrushportError(f"{path} is not an ONNX file, or it is cut short: it holds no graph with outputs.")
    _check(path)
    try:
        proto.ir_version = min(proto.ir_version, MAX_IR_VERSION)
        model = ir.from_proto(proto)
        ir.external_data.set_base_dir(model.graph, path.parent)
        model = ir.external_data.load_to_model(model)
        for value in model.graph.initializers.values():
            _ = value.const_value is None or value.const_value.numpy()  # raises where bytes and shape do not agree
        return model
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise BrushportError(f"{path} cannot be read as a model: {short(error)}") from error


def read_metadata(model: ir.Model) -> dict:
    """What our own networks say about themselves, the JSON under ``METADATA_KEY``; empty for other models.

    Raises :class:`BrushportError` for metadata that are no JSON object.
    """
    text = model.metadata_props.get(METADATA_KEY)
    if not text:
        return {}
    try:
        metadata = json.loads(text)
    except json.JSONDecodeError as error:
        raise BrushportError(f"The model's '{METADATA_KEY}' metadata are no JSON: {short(error)}.") from error
    if not isinstance(metadata, dict):
        raise BrushportError(f"The model's '{METADATA_KEY}' metadata are no JSON object.")
    return metadata


def read_value_range(model: ir.Model, key: str = "value_range") -> tuple[float, float] | None:
    """Black and white as the model's own metadata give them, or None; raises :class:`BrushportError` for nonsense.

    ``key`` is ``"output_range"`` for the output's, where that differs from the input's.
    """
    metadata = read_metadata(model)
    return check_range(metadata[key]) if key in metadata else None


def check_range(value_range: object) -> tuple[float, float]:
    """A value range as two finite floats, the first smaller; raises :class:`BrushportError` otherwise."""
    try:
        low, high = (float(x) for x in value_range)
    except (TypeError, ValueError) as error:
        raise BrushportError(f"A value range is two numbers such as 0 and 255, not {value_range!r}.") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise BrushportError(f"A value range goes from black up to white, not from {low:g} to {high:g}.")
    return low, high


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise BrushportError(f"{path} is not valid ONNX: {short(error)}.") from error
    except (ValueError, RuntimeError, OSError) as error:
        raise BrushportError(f"{path} cannot be checked as ONNX: {short(error)}.") from error
