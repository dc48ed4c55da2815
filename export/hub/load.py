"""``load_hub``: from a name or a file to a hub that both compilers can lower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from export.hub.byte_pictures import widen_byte_pictures
from export.hub.check import check_hub, smaller
from export.hub.decompose import decompose
from export.hub.folding import clean_up
from export.hub.input_range import BYTES, find_input_range
from export.hub.layout import channels_first, outputs_channels_first
from export.hub.model import Hub
from export.hub.opset import standardize
from export.hub.outputs import restore_outputs
from export.hub.passes import simplify
from export.hub.ports import is_picture, read_ports, write_metadata, write_ranges
from export.hub.precision import to_float32
from export.hub.rebatch import batch_of, rebatch_model
from export.hub.resize import resize_model
from export.hub.resolve import resolve
from export.hub.shapes import (
    check_inputs,
    check_size,
    fix_input_shapes,
    forget_shapes,
    has_open_size,
    has_other_size,
    infer_shapes,
    require_static,
)
from export.hub.source import find_model
from export.hub.styles import select_styles, style_names
from validate.errors import BrushportError
from validate.onnx_files import check_range, read_metadata, read_model

FLOAT32_NOTE = "The file computes in another float than float32; the hub computes in float32."


def load_hub(
    source: str | Path,
    *,
    size: tuple[int, int] | None = None,
    open_size: tuple[int, int] | None = None,
    styles: Sequence[str] | None = None,
    value_range: tuple[float, float] | None = None,
    output_range: tuple[float, float] | None = None,
    name: str | None = None,
    tensors: bool = False,
    check: bool = True,
) -> Hub:
    """Load a model and make it a hub: checked, of fixed shapes, simplified, its ports understood.

    ``source`` is a zoo name, an ONNX file, a training run's folder or a checkpoint inside one; nothing is ever
    written there. ``size`` is (height, width) of the pictures; our own networks have a default, and ``open_size`` is
    one for other files that leave it open. ``styles`` picks among a network's styles: one is baked in and the
    ``style`` input disappears, several keep the input, with one weight each in that order.
    ``value_range`` says which tensor values are black and white in the pictures that go in, ``output_range`` in those
    that come out, by default the same; without both the model's own metadata say so, or each is found out (and
    ``Hub.notes`` tells how). ``name`` is what artifacts are called. ``tensors`` takes every port as it stands in the
    file: nothing is a picture, so no port is turned to NCHW, to a batch of one or given a range. ``check`` runs file
    and hub on one picture and compares (:mod:`export.hub.check`).

    Raises :class:`~validate.errors.BrushportError`, one sentence, for everything that a user can put right.
    """
    path, stem = find_model(source)
    model = standardize(read_model(path))
    rounded = to_float32(model)
    widened = None if tensors else widen_byte_pictures(model)
    if widened is not None:
        _require_bytes(stem, value_range)
    check_inputs(model)
    is_open = has_open_size(model)
    turned = [] if tensors else channels_first(model)
    outputs = [value.name for value in model.graph.outputs]
    metadata = read_metadata(model)
    if size is None and has_open_size(model):
        size = (metadata["default_size"],) * 2 if "default_size" in metadata else open_size
    if size is not None:
        size = check_size(size, metadata.get("size_multiple", 1))
    if batch_of(model) > 1 and not tensors:
        rebatch_model(model, size)
    if size is not None and has_other_size(model, size):
        fix_input_shapes(model, None)
        resize_model(model, size)
    else:
        fix_input_shapes(model, size, any_batch=tensors)
    names = style_names(model, metadata)
    if styles is not None:
        names = select_styles(model, names, styles)
        write_metadata(model, {**metadata, "styles": list(names)})
    forget_shapes(model)
    resolve(model)
    if decompose(model):
        resolve(model)
    seen = None if tensors else find_input_range([value for value in model.graph.inputs if is_picture(value)])
    seen = seen or widened
    simplify(model)
    clean_up(model)
    if not tensors and (given := outputs_channels_first(model, bool(turned))):
        turned.extend(given)
        simplify(model)
        clean_up(model)
    renamed = restore_outputs(model, outputs)
    infer_shapes(model)
    require_static(model)
    ports = read_ports(model, value_range, output_range, seen, tensors)
    write_ranges(model, ports)
    notes = (*([FLOAT32_NOTE] if rounded else []), *turned, *renamed, *ports.notes)
    hub = Hub(model, name or stem, ports.inputs, ports.outputs, names, str(path), notes)
    if check and not (is_open and _check_smaller(hub, size, styles, value_range, output_range, tensors)):
        check_hub(hub, path, rounded=rounded)
    return hub


def _require_bytes(stem: str, value_range: tuple[float, float] | None) -> None:
    """Refuse a range that a file's 8-bit pictures do not have: they would come to it in those values."""
    if value_range is not None and check_range(value_range) != BYTES:
        raise BrushportError(
            f"'{stem}' takes its pictures as bytes, 0..255, so their range cannot be {value_range[0]:g}.."
            f"{value_range[1]:g}; leave --range out, or give --output-range for what comes out."
        )


def _check_smaller(hub: Hub, size: tuple[int, int] | None, *settings: object) -> bool:
    """Check a hub made for a smaller picture in this one's place; returns whether there is one."""
    small = None if size is None else smaller(size)
    if small is None or small == tuple(size):
        return False
    styles, value_range, output_range, tensors = settings
    try:
        made = load_hub(
            hub.source,
            size=small,
            styles=styles,
            value_range=value_range,
            output_range=output_range,
            tensors=tensors,
            check=False,
        )
    except BrushportError:
        return False  # this network takes no pictures of that size
    check_hub(made, Path(hub.source), rounded=FLOAT32_NOTE in hub.notes)
    return True
