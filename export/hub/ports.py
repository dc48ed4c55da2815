"""Which inputs and outputs are pictures, and which tensor values stand for black and white."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from export.hub.input_range import BYTES, SIGNED, UNIT
from export.hub.ranges import bounds
from export.hub.shapes import is_image_shape
from validate.errors import BrushportError, short
from validate.onnx_files import METADATA_KEY, check_range, read_metadata
from validate.ports import Port
from validate.sessions import cpu_session

RANGE_KEYS = ("value_range", "output_range")  # of the metadata: pictures that go in, pictures that come out
BYTE_EXTENT = 4.0  # outputs beyond this are in 0..255
SIGNED_MINIMUM, SIGNED_MAXIMUM = -0.3, 1.1  # outputs that reach below the one and stay under the other are -1..1


@dataclass
class ModelPorts:
    """The ports of a model, and one sentence about how the value ranges were found if they were not stated."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...] = field(default=())


def write_metadata(model: ir.Model, metadata: dict) -> None:
    """Store ``metadata`` where :func:`~validate.onnx_files.read_metadata` finds them."""
    model.metadata_props[METADATA_KEY] = json.dumps(metadata, ensure_ascii=False, sort_keys=True)


def read_ports(
    model: ir.Model,
    value_range: tuple[float, float] | None = None,
    output_range: tuple[float, float] | None = None,
    seen: tuple[tuple[float, float], str] | None = None,
    tensors: bool = False,
) -> ModelPorts:
    """Determine the ports; with ``tensors`` none of them is a picture.

    ``value_range`` is what the pictures that go in have, ``output_range`` what those that come out have, by default
    the same; what is not given comes from the model's metadata (keys of these names), or else from how it behaves.
    ``seen`` is what :func:`~export.hub.input_range.find_input_range` told before the graph was simplified.
    """
    if tensors:
        return ModelPorts(_ports(model.graph.inputs, {}), _ports(model.graph.outputs, {}))
    taken, given = ([v for v in values if is_picture(v)] for values in (model.graph.inputs, model.graph.outputs))
    metadata = read_metadata(model)
    stated = {key: metadata[key] for key in RANGE_KEYS if key in metadata}
    if value_range is not None:
        stated = dict.fromkeys(RANGE_KEYS, value_range)
    if output_range is not None:
        stated["output_range"] = output_range
    elif "value_range" in stated:
        stated.setdefault("output_range", stated["value_range"])
    ranges = {key: check_range(stated[key]) for key in RANGE_KEYS if key in stated}
    reasons, outputs = [], dict.fromkeys([value.name for value in given], ranges.get("output_range"))
    if given and "output_range" not in ranges:
        detected = detect_output_ranges(model, ranges.get("value_range") or (seen and seen[0]))
        outputs = {name: found for name, (found, _) in detected.items()}
        ranges["output_range"] = outputs[given[0].name]
        alike = len(set(outputs.values())) == 1
        for name, (found, why) in list(detected.items())[: 1 if alike else None]:
            reasons.append(_reason("output" if alike else f"output '{name}' has its", found, why))
    if taken and "value_range" not in ranges:
        if seen is not None:
            ranges["value_range"], why = seen
        elif given or "output_range" in ranges:
            ranges["value_range"], why = ranges["output_range"], "nothing in it says otherwise than its output"
        else:
            ranges["value_range"], why = UNIT, "it gives no picture to judge by"
        reasons.insert(0, _reason("input", ranges["value_range"], why))
    note = " and ".join(reasons)
    notes = (f"{note[0].upper()}{note[1:]}; say --range or --output-range to override.",) if note else ()
    inputs = dict.fromkeys([value.name for value in taken], ranges.get("value_range"))
    return ModelPorts(_ports(model.graph.inputs, inputs), _ports(model.graph.outputs, outputs), notes)


def _ports(values: Sequence[ir.Value], ranges: dict[str, tuple[float, float] | None]) -> tuple[Port, ...]:
    return tuple(
        Port(value.name, tuple(value.shape), ranges.get(value.name), value.dtype.numpy().name) for value in values
    )


def _reason(side: str, found: tuple[float, float], why: str) -> str:
    return f"{side} range taken as {found[0]:g}..{found[1]:g} because {why}"


def write_ranges(model: ir.Model, ports: ModelPorts) -> None:
    """Store the pictures' ranges in the metadata: a simplified graph no longer shows how its input is normalized."""
    found = {}
    for key, side in zip(RANGE_KEYS, (ports.inputs, ports.outputs), strict=True):
        ranges = {port.value_range for port in side if port.is_image}
        if len(ranges) == 1:  # outputs that differ are told apart anew from their bounds
            found[key] = list(ranges.pop())
    if found:
        write_metadata(model, {**read_metadata(model), **found})


def detect_output_ranges(
    model: ir.Model, input_range: tuple[float, float] | None
) -> dict[str, tuple[tuple[float, float], str]]:
    """Judge each output picture by its bounds or, if it has none, by running the model on a photo.

    The photo is in ``input_range`` if that is known, else in 0..1. Returns each one's range and the reason, by name.
    """
    pictures = [value for value in model.graph.outputs if is_picture(value)]
    limits = {value.name: bounds(value) for value in pictures}
    fed, painted = input_range or UNIT, {}
    if not all(np.isfinite(pair).all() for pair in limits.values()):
        painted = dict(zip(limits, run_on_photo(model, fed), strict=True))
    return {name: _judge(pair, painted.get(name), fed) for name, pair in limits.items()}


def _judge(
    limits: tuple[float, float], painted: np.ndarray | None, fed: tuple[float, float]
) -> tuple[tuple[float, float], str]:
    """The usual range that ``limits`` mean or, without limits, what was ``painted`` from a photo in ``fed``."""
    low, high = limits
    if np.isfinite(low) and np.isfinite(high):
        return _usual_range(low, high), f"its output is bounded to {low:g}..{high:g} by its last operators"
    low, high = float(np.min(painted)), float(np.max(painted))
    if not (np.isfinite(low) and np.isfinite(high)):
        return UNIT, f"a photo in {fed[0]:g}..{fed[1]:g} makes it give values that are not finite"
    return _usual_range(low, high), f"a photo in {fed[0]:g}..{fed[1]:g} comes out as {low:.2f}..{high:.2f}"


def _usual_range(low: float, high: float) -> tuple[float, float]:
    if max(abs(low), abs(high)) > BYTE_EXTENT:
        return BYTES
    return SIGNED if low < SIGNED_MINIMUM and high <= SIGNED_MAXIMUM else UNIT


def run_on_photo(model: ir.Model, value_range: tuple[float, float] = UNIT) -> list[np.ndarray]:
    """Feed a photo in ``value_range`` to every picture input and equal weights to the others; returns the pictures."""
    import onnxruntime
    from skimage import data, transform

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = cpu_session(ir.to_proto(model).SerializeToString(), options)
        feeds = {}
        for value in model.graph.inputs:
            shape = tuple(value.shape)
            if is_picture(value):
                photo = transform.resize(data.astronaut(), shape[2:], anti_aliasing=True).astype(np.float32)
                photo = photo if shape[1] == 3 else photo.mean(axis=2, keepdims=True)
                photo = value_range[0] + (value_range[1] - value_range[0]) * photo
                feeds[value.name] = np.ascontiguousarray(photo.transpose(2, 0, 1)[None], np.float32)
            else:
                feeds[value.name] = np.full(shape, 1 / max(shape[-1] if shape else 1, 1)).astype(value.dtype.numpy())
        pictures = [value.name for value in model.graph.outputs if is_picture(value)]
        return session.run(pictures, feeds)
    except Exception as error:  # onnxruntime raises its own classes, which derive from Exception alone
        raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error


def is_picture(value: ir.Value) -> bool:
    """Whether a value of static shape is one picture: floats of 1×3×H×W or 1×1×H×W, and more than a line."""
    is_float = value.dtype is None or value.dtype.is_floating_point()
    return is_float and is_image_shape(value.shape) and value.shape[0] == 1 and min(value.shape[2:]) > 1
