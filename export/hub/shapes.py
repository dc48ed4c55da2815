"""Fixed sizes: every dimension of every value becomes a number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import onnx
import onnx_ir as ir

from validate.errors import BrushportError, UnsupportedError, short
from validate.ports import DTYPES

IMAGE_CHANNELS = (1, 3)
# From here on onnx counts the windows of a pool with ceil_mode as ONNX Runtime does: none starts in the pad at the
# end. Nothing else that opset 22 changed, only types, matters to shapes.
INFERENCE_OPSET = 22
# Operators for which onnx 1.23 infers no shape, and one of the same inputs and shapes for which it does.
SHAPED_LIKE = {"GroupNormalization": "InstanceNormalization", "MeanVarianceNormalization": "Identity"}
MAX_ELEMENTS = 2**30  # of one tensor: 4 GB as float32
MAX_SIDE = 8192  # pixels; a picture of 8192×8192 is 800 MB as float32, more than a phone has to give


def check_inputs(model: ir.Model) -> None:
    """Raise :class:`BrushportError` for inputs and outputs that are no tensors of numbers."""
    for kind, values in (("input", model.graph.inputs), ("output", model.graph.outputs)):
        for value in values:
            if value.type is not None and not isinstance(value.type, ir.TensorType):
                raise UnsupportedError(f"The {kind} '{value.name}' is a {_type_name(value)}, not a tensor.")
            if kind == "input" and (value.dtype is None or not _is_port_dtype(value.dtype)):
                raise UnsupportedError(
                    f"The input '{value.name}' holds {_type_name(value)} values; a hub takes {', '.join(DTYPES)}."
                )
            if kind == "input" and value.shape is None:
                raise BrushportError(f"The input '{value.name}' has no shape; export the ONNX file again with one.")
    if not model.graph.inputs:
        raise BrushportError("The model has no input, so there is nothing to feed a picture to.")


def is_image_shape(shape: ir.Shape | None) -> bool:
    """Whether a shape is that of a picture, NCHW with 1 or 3 channels; open dimensions count as fitting."""
    return shape is not None and len(shape) == 4 and (not isinstance(shape[1], int) or shape[1] in IMAGE_CHANNELS)


def check_size(size: object, multiple: object = 1) -> tuple[int, int]:
    """(height, width) as two ints; raises :class:`BrushportError` if they are none, or not a ``multiple``."""
    try:
        height, width = (int(n) for n in size)
        wrong = (height, width) != tuple(size)
    except (TypeError, ValueError):
        wrong = True
    if wrong:
        raise BrushportError(f"A size is a height and a width in whole pixels, not {size!r}.")
    if not all(1 < n <= MAX_SIDE for n in (height, width)):
        raise BrushportError(f"The size {height}x{width} is out of range: sides go from 2 to {MAX_SIDE} pixels.")
    if isinstance(multiple, int) and multiple > 1 and (height % multiple or width % multiple):
        near = "x".join(str(max(multiple, round(n / multiple) * multiple)) for n in (height, width))
        raise BrushportError(
            f"This network takes sides that {multiple} divides, and {height}x{width} has not; the nearest is {near}."
        )
    return height, width


def has_other_size(model: ir.Model, size: tuple[int, int]) -> bool:
    """Whether the file fixes height and width of every picture that it takes, and not to ``size``."""
    sizes = [tuple(value.shape)[2:] for value in model.graph.inputs if is_image_shape(value.shape)]
    return bool(sizes) and all(isinstance(d, int) for s in sizes for d in s) and any(s != size for s in sizes)


def has_open_size(model: ir.Model) -> bool:
    """Whether the file leaves the height or width of a picture open."""
    sizes = [tuple(value.shape)[2:] for value in model.graph.inputs if is_image_shape(value.shape)]
    return any(not isinstance(d, int) for s in sizes for d in s)


def fix_input_shapes(model: ir.Model, size: tuple[int, int] | None, *, any_batch: bool = False) -> None:
    """Give every input a fixed shape: batch 1, and ``size`` (height, width) for pictures of open size.

    ``any_batch`` leaves a batch that the file fixes as it is. Raises :class:`BrushportError` if a size is needed and
    missing, or given and not the file's own.
    """
    if size is not None and not any(is_image_shape(value.shape) for value in model.graph.inputs):
        raise BrushportError("A size was given, but the model has no input that is a picture (1×3×H×W or 1×1×H×W).")
    for value in model.graph.inputs:
        dims = list(value.shape)
        if dims and not isinstance(dims[0], int):
            dims[0] = 1
        if is_image_shape(value.shape):
            if not isinstance(dims[1], int):
                raise BrushportError(
                    f"The input '{value.name}' has an open number of channels: {shape_text(value.shape)}."
                )
            if size is not None:
                if any(isinstance(d, int) and d != s for d, s in zip(dims[2:], size, strict=True)):
                    asked = f"{size[0]}x{size[1]}"
                    raise BrushportError(
                        f"The input '{value.name}' is {shape_text(value.shape)}, which --size {asked} does not fit."
                    )
                dims[2:] = size
        if is_image_shape(value.shape) and not all(isinstance(d, int) for d in dims):
            raise BrushportError(
                f"The input '{value.name}' has an open size, {shape_text(value.shape)}; choose one with --size, "
                "for example --size 512 or --size 480x640."
            )
        if 0 in dims:
            readers = " and ".join(sorted({node.op_type for node in value.consumers()}))
            raise UnsupportedError(
                f"The input '{value.name}' of {readers or 'the model'} is empty, {shape_text(value.shape)}, and "
                "runtimes on phones hold no empty tensors; export the ONNX file again without it."
            )
        if not all(isinstance(d, int) and d > 0 for d in dims):
            raise BrushportError(
                f"The input '{value.name}' has open dimensions, {shape_text(value.shape)}; export the ONNX file again "
                "with fixed ones."
            )
        if is_image_shape(value.shape) and dims[0] != 1 and not any_batch:
            raise BrushportError(
                f"The input '{value.name}' takes {dims[0]} at a time, {shape_text(value.shape)}; export the ONNX file "
                "again with batch size 1."
            )
        value.shape = ir.Shape(dims)


def forget_shapes(model: ir.Model) -> None:
    """Drop the shapes that the file states for everything but inputs and constants."""
    for node in model.graph:
        for value in node.outputs:
            value.shape = None


def infer_shapes(model: ir.Model) -> None:
    """Infer every value's shape and dtype with ONNX's own rules.

    Raises :class:`BrushportError` if the graph contradicts itself, which names the node.
    """
    try:
        proto = ir.to_proto(model)
        for opset in proto.opset_import:
            opset.version = max(opset.version, INFERENCE_OPSET)
        for node in proto.graph.node:
            node.op_type = SHAPED_LIKE.get(node.op_type, node.op_type)
        inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    except (
        onnx.shape_inference.InferenceError, ir.serde.SerdeError, RuntimeError, ValueError, TypeError
    ) as error:  # fmt: skip
        reason = error
        while isinstance(reason, ir.serde.SerdeError) and reason.__cause__ is not None:
            reason = reason.__cause__  # onnx-ir wraps what it trips over once for each level of the graph
        raise BrushportError(f"The model's shapes do not fit together: {short(reason)}.") from error
    known = {info.name: info for info in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in model.graph:
        for value in node.outputs:
            info = known.get(value.name)
            if info is None or not info.type.HasField("tensor_type"):
                continue
            value.type = ir.serde.deserialize_type_proto_for_type(info.type)
            value.shape = ir.serde.deserialize_type_proto_for_shape(info.type)
    if _shape_scalars(model):
        infer_shapes(model)


def _shape_scalars(model: ir.Model) -> bool:
    """Give a GatherND that picks one element its shape, which ONNX's rules leave out; returns whether there was one."""
    found = False
    for node in model.graph:
        data, indices = node.inputs[:2] if node.op_type == "GatherND" else (None, None)
        if data is None or node.outputs[0].shape is not None or not is_static(model, [data, indices]):
            continue
        batch = node.attributes["batch_dims"].as_int() if "batch_dims" in node.attributes else 0
        output = node.outputs[0]
        output.shape = ir.Shape([*indices.shape[:-1], *data.shape[batch + indices.shape[-1] :]])
        output.dtype, found = data.dtype, True
    return found


def is_static(model: ir.Model, values: Iterable[ir.Value] | None = None) -> bool:
    """Whether ``values``, by default all that nodes compute, have a dtype and a fixed shape."""
    if values is None:
        values = (value for node in model.graph for value in node.outputs if value.name)
    return all(
        value.dtype is not None and value.shape is not None and all(isinstance(d, int) and d > 0 for d in value.shape)
        for value in values
    )


def require_static(model: ir.Model, origins: Mapping[str, str] | None = None) -> None:
    """Raise :class:`BrushportError` naming the first node with an output of open or empty shape or unknown dtype.

    ``origins`` are the operators that values came from before constants were folded.
    """
    for value in model.graph.inputs:
        _require_possible(f"The input '{value.name}'", value)
    for node in model.graph:
        for value in node.outputs:
            if not value.name:
                continue
            if is_static(model, [value]):
                _require_possible(f"An output of node '{node.name}' ({node.op_type})", value)
                continue
            shape = "unknown" if value.shape is None else shape_text(value.shape)
            named = f"Node '{node.name}' ({(origins or {}).get(value.name, node.op_type)}) has an output"
            if value.shape is not None and any(d == 0 for d in value.shape):
                raise UnsupportedError(
                    f"{named} that is empty ({shape}), and runtimes on phones hold no empty tensors; export the model "
                    "without it."
                )
            raise BrushportError(
                f"{named} whose shape is not fixed ({shape}); export the model so that all shapes follow from the "
                "input's size."
            )


def _require_possible(what: str, value: ir.Value) -> None:
    """Raise :class:`UnsupportedError` for a tensor that no phone could hold."""
    if math.prod(value.shape) > MAX_ELEMENTS:
        raise UnsupportedError(
            f"{what} would have {shape_text(value.shape)} = {math.prod(value.shape):.2g} elements, more than a phone "
            "holds; give a smaller --size, or export the model for smaller inputs."
        )


def _is_port_dtype(dtype: ir.DataType) -> bool:
    return dtype is ir.DataType.FLOAT or dtype.name.lower() in DTYPES


def _type_name(value: ir.Value) -> str:
    if isinstance(value.type, ir.TensorType):
        return value.type.dtype.name.lower()
    return type(value.type).__name__.removesuffix("Type").lower()


def shape_text(shape: ir.Shape) -> str:
    """A shape as 1×3×H×W, open dimensions by their names."""
    return "×".join(str(d) if isinstance(d, int) else str(getattr(d, "value", None) or "?") for d in shape)
