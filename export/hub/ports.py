"""Which inputs and outputs are pictures, and which tensor values stand for black and white."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from export.hub.ranges import bounds
from export.hub.shapes import is_image_shape
from export.hub.source import short
from validate.errors import BrushportError
from validate.ports import Port

METADATA_KEY = "brushport"
RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
BYTE_EXTENT = 4.0  # outputs beyond this for an input in 0..1 are in 0..255
SIGNED_MINIMUM, SIGNED_MAXIMUM = (
    -0.3,
    1.1,
)  # outputs that reach below the one and stay under the other are -1..1


@dataclass
class ModelPorts:
    """The ports of a model, and one sentence about how the value range was found if it was not stated."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...] = field(default=())


def read_metadata(model: ir.Model) -> dict:
    """What our own networks say about themselves, the JSON under ``brushport``; empty for other models."""
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


def write_metadata(model: ir.Model, metadata: dict) -> None:
    """Store ``metadata`` where :func:`read_metadata` finds them."""
    model.metadata_props[METADATA_KEY] = json.dumps(metadata, ensure_ascii=False, sort_keys=True)


def read_ports(model: ir.Model, value_range: tuple[float, float] | None) -> ModelPorts:
    """Determine the ports: from ``value_range``, else the model's metadata, else from how it behaves."""
    pictures = [v for v in (*model.graph.inputs, *model.graph.outputs) if _is_picture(v)]
    note = ""
    if value_range is not None:
        found = check_range(value_range)
    elif "value_range" in (metadata := read_metadata(model)):
        found = check_range(metadata["value_range"])
    elif pictures:
        found, why = detect_range(model)
        note = f"Input range taken as {found[0]:g}..{found[1]:g} because {why}; say --range to override."
    else:
        found = None

    def port(value: ir.Value) -> Port:
        return Port(value.name, tuple(value.shape), found if _is_picture(value) else None)

    inputs = tuple(port(value) for value in model.graph.inputs)
    outputs = tuple(port(value) for value in model.graph.outputs)
    return ModelPorts(inputs, outputs, (note,) if note else ())


def check_range(value_range: object) -> tuple[float, float]:
    """A value range as two finite floats, the first smaller; raises :class:`BrushportError` otherwise."""
    try:
        low, high = (float(x) for x in value_range)
    except (TypeError, ValueError) as error:
        raise BrushportError(f"A value range is two numbers such as 0 and 255, not {value_range!r}.") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise BrushportError(f"A value range goes from black up to white, not from {low:g} to {high:g}.")
    return low, high


def detect_range(model: ir.Model) -> tuple[tuple[float, float], str]:
    """Judge by the bounds of the output picture or, if it has none, run the model on a photo in 0..1.

    Returns the range and the reason. What the output's range is, the input's is taken to be.
    """
    pictures = [value for value in model.graph.outputs if _is_picture(value)]
    if not pictures:
        return RANGES[0], "it gives no picture to judge by"
    limits = [bounds(value) for value in pictures]
    low, high = min(pair[0] for pair in limits), max(pair[1] for pair in limits)
    reason = f"its output is bounded to {low:g}..{high:g} by its last operators"
    if not (np.isfinite(low) and np.isfinite(high)):
        outputs = run_on_photo(model)
        low, high = min(float(np.min(o)) for o in outputs), max(float(np.max(o)) for o in outputs)
        if not (np.isfinite(low) and np.isfinite(high)):
            return RANGES[0], "a photo in 0..1 makes it give values that are not finite"
        reason = f"a photo in 0..1 comes out as {low:.2f}..{high:.2f}"
    if max(abs(low), abs(high)) > BYTE_EXTENT:
        return RANGES[1], reason
    if low < SIGNED_MINIMUM and high <= SIGNED_MAXIMUM:
        return RANGES[2], reason
    return RANGES[0], reason


def run_on_photo(model: ir.Model) -> list[np.ndarray]:
    """Feed a photo in 0..1 to every picture input, equal weights to the others; returns the output pictures."""
    import onnxruntime
    from skimage import data, transform

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds = {}
        for value in model.graph.inputs:
            shape = tuple(value.shape)
            if _is_picture(value):
                photo = transform.resize(data.astronaut(), shape[2:], anti_aliasing=True).astype(np.float32)
                photo = photo if shape[1] == 3 else photo.mean(axis=2, keepdims=True)
                feeds[value.name] = np.ascontiguousarray(photo.transpose(2, 0, 1)[None])
            else:
                feeds[value.name] = np.full(shape, 1 / max(shape[-1] if shape else 1, 1), np.float32)
        pictures = [value.name for value in model.graph.outputs if _is_picture(value)]
        return session.run(pictures, feeds)
    except Exception as error:  # onnxruntime raises its own classes, which derive from Exception alone
        raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error


def _is_picture(value: ir.Value) -> bool:
    return is_image_shape(value.shape) and min(value.shape[2:]) > 1
