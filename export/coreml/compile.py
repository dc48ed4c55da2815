"""Hub → MIL program → ``.mlpackage``: the Core ML compiler's main road.

The lowerings write a float32 MIL program; coremltools' passes turn it to fp16, simplify it and write the file.
"""

from __future__ import annotations

import logging
import re
import tempfile
import traceback
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx_ir as ir

from export.coreml import passes, pictures
from export.coreml.arrange import MAX_RANK
from export.coreml.call import Call, Values, mil_dtype
from export.coreml.mil import mb, quietly
from export.coreml.prepare import COMPRESSED, SPARSITY, prepared
from export.coreml.registry import Lowering, lowering_of, supported_ops
from export.coreml.statistics import with_statistics
from export.coreml.weights import add_encoding
from export.hub.dynamic_rounding import without_dynamic_rounding
from export.hub.model import Hub
from validate.coreml.tools import load_coremltools
from validate.errors import BrushportError, UnsupportedError, short

Precision = Literal["fp16", "fp32", "w8", "w6", "w4", "sparse", "int8"]
IO = Literal["image", "tensor"]

logger = logging.getLogger(__name__)

_ONNX = ("", "ai.onnx")

_ANY_RANK = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity")
"""Operators whose lowerings take and give values of more than ``MAX_RANK`` dimensions, see :mod:`.arrange`."""

SCALAR = (1,)
"""The shape of a scalar at a program's doors, where Core ML takes arrays only."""

_PASSES = "converters/mil/mil/passes/defs/"
"""Part of the path of every graph pass of coremltools."""

_RESERVED = frozenset(
    {"any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string", "state"}
    | {"bf16", "fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)
"""Words of the MIL language; coremltools renames a variable of such a name without telling."""


def compile_coreml(
    hub: Hub,
    path: Path,
    *,
    precision: Precision = "fp16",
    io: IO = "image",
    metadata: Mapping[str, str] | None = None,
    group_size: int = 0,
    sparsity: float = SPARSITY,
    tiles: bool = False,
) -> list[dict[str, int]]:
    """Compile ``hub`` to a Core ML ML Program and save it as the ``.mlpackage`` folder ``path``.

    Args:
        hub: a model that keeps :class:`export.hub.model.Hub`'s promises.
        path: where to write; its name ends with ``.mlpackage``.
        precision: ``"fp16"`` or ``"fp32"`` arithmetic, for iOS 16 and later. ``"int8"`` needs a hub with
            QuantizeLinear/DequantizeLinear nodes: 8-bit weights in the file, 8-bit activations where the hub
            quantizes them (then for iOS 17 and later), fp16 for the rest. ``"w8"``, ``"w6"``, ``"w4"`` and
            ``"sparse"`` compute in fp16 and store weights in 8 bits, in palettes of 64 and 16 numbers, and without
            their zeros. Each weight takes the smallest form that holds exactly its numbers. Which those are is chosen
            before (:mod:`export.schemes`); a hub for which it is not is prepared here, all weights alike, without
            looking at pictures.
        io: ``"image"`` makes every picture port an RGB (gray for one channel) image of 0 to 255, which an app
            sees as a pixel buffer; scaling to and from the hub's value range happens in the program.
            ``"tensor"`` keeps float32 ``(1, C, H, W)`` arrays in the hub's value range. Ports that are no
            picture, such as ``style``, are float32 arrays either way, or int32 where the hub holds whole numbers or
            truth values; a scalar is an array of one number.
        group_size: a palette for every so many output channels, instead of one for each weight (iOS 18 and later).
        sparsity: the share of zeros that ``"sparse"`` brings a hub to that has none.
        tiles: adds inputs and an output for statistics of a larger photo (:mod:`export.coreml.statistics`).
        metadata: stored as it is in the model's user-defined metadata; the keys ``description``, ``author``,
            ``license`` and ``version`` also fill the fields that Xcode shows.

    Returns:
        What the statistics of ``tiles`` are, layer by layer; none where none is needed.

    Raises:
        UnsupportedError: an operator, attribute, dtype or shape cannot be expressed exactly.
        BrushportError: an unknown precision or io, or ``"int8"`` of a hub that is not quantized.
    """
    _check(hub, path, precision, io)
    hub = without_dynamic_rounding(hub)
    _refuse_unknown_operators(hub)
    if precision in COMPRESSED:
        hub = prepared(hub, precision, group_size, sparsity)
    layers: list[dict[str, int]] = []
    if tiles:
        hub, layers = with_statistics(hub, half=precision != "fp32")
    target = _target(hub, precision, group_size)
    options = {"precision": precision, "group_size": group_size}
    with quietly():
        try:
            mlmodel = _convert(hub, io, target, fusions=True, **options)
        except BrushportError:
            raise
        except Exception as error:
            if not _in_pass(error):
                raise _explained(error, hub) from error
            logger.warning("%s is compiled without coremltools' fusions: %s", hub.name, short(error))
            mlmodel = _convert_plainly(hub, io, target, **options)
    _describe(mlmodel, hub, io, dict(metadata or {}))
    mlmodel.save(str(path))
    return layers


def _target(hub: Hub, precision: str, group_size: int) -> Any:
    """The first iOS that has what the program needs."""
    ct = load_coremltools()
    if group_size and precision in ("w6", "w4"):
        return ct.target.iOS18
    return ct.target.iOS17 if _op_types(hub) & {"QuantizeLinear"} else ct.target.iOS16


def _convert(hub: Hub, io: IO, target: Any, *, precision: str, group_size: int, fusions: bool) -> Any:
    ct = load_coremltools()
    program = build_program(hub, io, target)
    names = port_names(hub)
    inputs = [_feature_type(ct, port, names[port.name], io, shaped=True) for port in hub.inputs]
    outputs = [_feature_type(ct, port, names[port.name], io, shaped=False) for port in hub.outputs]
    program.functions["main"].set_output_types(outputs)
    pipeline = passes.pipeline(fusions=fusions)
    if precision in COMPRESSED:
        add_encoding(pipeline, group_size)
    return ct.convert(
        program,
        source="milinternal",
        convert_to="mlprogram",
        inputs=inputs,
        compute_precision=ct.precision.FLOAT32 if precision == "fp32" else ct.precision.FLOAT16,
        minimum_deployment_target=target,
        pass_pipeline=pipeline,
        skip_model_load=True,
    )


def _convert_plainly(hub: Hub, io: IO, target: Any, **options: Any) -> Any:
    try:
        return _convert(hub, io, target, fusions=False, **options)
    except BrushportError:
        raise
    except Exception as error:  # passes raise whatever comes to their mind
        raise _explained(error, hub) from error


def _in_pass(error: Exception) -> bool:
    """Whether one of coremltools' graph passes raised ``error``: the others may do without it."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(_PASSES in Path(frame.filename).as_posix() for frame in frames)


def _explained(error: Exception, hub: Hub) -> BrushportError:
    """What to say of an ``error`` that coremltools raised over a program that it took from us."""
    if "FileWriter" in str(error):
        place = tempfile.gettempdir()  # coremltools keeps the weights there until they are saved
        return BrushportError(
            f"coremltools could not write to its temporary folder '{place}'; free some space there, "
            "or name another one in the environment variable TMPDIR."
        )
    operators = ", ".join(sorted(_op_types(hub)))
    return UnsupportedError(f"Core ML: coremltools rejects the model {hub.name!r} (of {operators}): {short(error)}.")


def build_program(hub: Hub, io: IO, target: Any) -> Any:
    """The float32 MIL program of ``hub`` for the iOS version ``target``, before any of coremltools' passes.

    Raises:
        UnsupportedError: see :func:`compile_coreml`.
    """
    load_coremltools()
    from coremltools.converters.mil.mil import Function, Program, types

    graph = hub.model.graph
    values = Values(hub.model.opset_imports.get("", 0))
    names = port_names(hub)
    placeholders = {
        names[port.name]: mb.placeholder(
            shape=port.shape or SCALAR,
            dtype=types.fp32 if port.dtype == "float32" else types.int32,
            name=names[port.name],
        )
        for port in hub.inputs
    }
    program = Program()
    with Function(placeholders, opset_version=target) as function:
        for port, value in zip(hub.inputs, graph.inputs, strict=True):
            var = function.inputs[names[port.name]]
            if io == "image" and port.is_image:
                var = pictures.from_bytes(var, port.value_range)
            if not port.shape:
                var = mb.squeeze(x=var, axes=[0])
            values[value] = mb.cast(x=var, dtype="bool") if port.dtype == "bool" else var
        for node in graph:
            _lower(node, values)
        results = []
        for port, value in zip(hub.outputs, graph.outputs, strict=True):
            var = values[value]
            if io == "image" and port.is_image:
                var = pictures.to_bytes(var, port.value_range)
            if port.dtype == "bool":
                var = mb.cast(x=var, dtype="int32")
            if not port.shape:
                var = mb.expand_dims(x=var, axes=[0])
            if var.val is not None:
                var = _computed(var, next(iter(function.inputs.values())))
            results.append(mb.identity(x=var, name=names[port.name]))
        function.set_outputs(results)
    program.add_function("main", function)
    return program


def _computed(var: Any, x: Any) -> Any:
    """The constant ``var`` as a result of the input ``x``: Core ML's outputs are computed.

    What is added is whether one element of ``x`` both is and is not itself: 0, whatever it is, and nothing that a pass
    would know.
    """
    one = mb.slice_by_index(x=x, begin=[0] * len(x.shape), end=[1] * len(x.shape))
    never = mb.logical_and(x=mb.equal(x=one, y=one), y=mb.not_equal(x=one, y=one))
    zero = mb.cast(x=mb.squeeze(x=never, axes=list(range(len(x.shape)))), dtype=mil_dtype(var))
    return mb.add(x=var, y=zero)


def feature_name(name: str) -> str:
    """The name of a port in the Core ML model: ``name`` itself wherever Core ML allows it.

    Everything but letters, digits and ``_`` becomes ``_``, a digit in front gets one before it, and a word of the
    MIL language one after it.
    """
    safe = re.sub(r"\W", "_", name, flags=re.ASCII)
    safe = safe if re.match(r"[A-Za-z_]", safe) else f"_{safe}"
    return f"{safe}_" if safe in _RESERVED else safe


def port_names(hub: Hub) -> dict[str, str]:
    """What each input and output of ``hub`` is called in the package: its :func:`feature_name`.

    Raises :class:`UnsupportedError` if two of them would have the same.
    """
    ports = (*hub.inputs, *hub.outputs)
    names = [feature_name(port.name) for port in ports]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedError(f"Core ML: two inputs or outputs would both be named {name!r}; rename one of them.")
    return {port.name: name for port, name in zip(ports, names, strict=True)}


def _refuse_unknown_operators(hub: Hub) -> None:
    opset = hub.model.opset_imports.get("", 0)
    unknown = [node for node in hub.model.graph if _lowering(node, opset) is None]
    if unknown:
        names = sorted({node.op_type if node.domain in _ONNX else f"{node.domain}.{node.op_type}" for node in unknown})
        raise Call(unknown[0], Values(opset)).unsupported(
            f"{' and '.join(names)} cannot be compiled; supported are {', '.join(supported_ops())}"
        )


def _lowering(node: ir.Node, opset: int) -> Lowering | None:
    return lowering_of(node.op_type, opset) if node.domain in _ONNX else None


def _lower(node: ir.Node, values: Values) -> None:
    call = Call(node, values)
    lowering = _lowering(node, values.opset)
    call.check_dtypes()
    _check_ranks(call)
    try:
        result = lowering(call)
    except BrushportError:
        raise
    except Exception as error:  # coremltools' checks of an operation raise whatever comes to their mind
        raise call.unsupported(f"coremltools rejects it: {short(error)}") from error
    results = result if isinstance(result, (tuple, list)) else (result,)
    for output, var in zip(node.outputs, results, strict=False):
        expected = tuple(output.shape) if output.shape is not None else None
        fits = expected is None or tuple(var.shape) == expected
        if not fits and len(expected) > MAX_RANK:
            fits = prod(var.shape) == prod(expected)
        if not fits:
            raise call.unsupported(f"its output would be {list(var.shape)} instead of {list(expected)}")
        values[output] = var


def _check_ranks(call: Call) -> None:
    if call.op_type in _ANY_RANK:
        return
    for value in (*call.node.inputs, *call.node.outputs):
        if value is not None and value.shape is not None and len(value.shape) > MAX_RANK:
            raise call.unsupported(f"Core ML holds at most {MAX_RANK} dimensions, and {value.name!r} has more")


def _check(hub: Hub, path: Path, precision: str, io: str) -> None:
    if Path(path).suffix != ".mlpackage":
        raise BrushportError(f"A Core ML model is a folder whose name ends with .mlpackage, unlike {str(path)!r}.")
    if precision not in get_args(Precision):
        raise BrushportError(f"Core ML has no precision {precision!r}; choose among {', '.join(get_args(Precision))}.")
    if io not in ("image", "tensor"):
        raise BrushportError(f"Core ML has no input and output kind {io!r}; choose image or tensor.")
    if precision == "int8" and not _op_types(hub) & {"QuantizeLinear", "DequantizeLinear"}:
        raise BrushportError(f"{hub.name!r} holds no quantized operators; quantize it before compiling it to int8.")
    port_names(hub)
    for value in (*hub.model.graph.inputs, *hub.model.graph.outputs):
        if len(value.shape) > MAX_RANK:
            node = value.producer()
            source = "the input" if node is None else f"the output of node {node.name!r} ({node.op_type}),"
            raise UnsupportedError(
                f"Core ML: {source} {value.name!r} has {len(value.shape)} dimensions, and Core ML holds at most "
                f"{MAX_RANK}; export the model with fewer."
            )
    if io == "image":
        for port in (*hub.inputs, *hub.outputs):
            if port.is_image and (len(port.shape) != 4 or port.shape[0] != 1 or port.color is None):
                raise UnsupportedError(
                    f"Core ML: {port.name!r} of shape {list(port.shape)} is no picture of shape "
                    "[1, 3 or 1, H, W]; export it with tensors instead of images."
                )


def _op_types(hub: Hub) -> set[str]:
    return {node.op_type for node in hub.model.graph}


def _feature_type(ct: Any, port: Any, name: str, io: str, *, shaped: bool) -> Any:
    """The coremltools type of a port; an output's carries no shape, since coremltools infers it."""
    shape = {"shape": port.shape or SCALAR} if shaped else {}
    if io == "image" and port.is_image:
        layout = ct.colorlayout.RGB if port.color == "RGB" else ct.colorlayout.GRAYSCALE
        return ct.ImageType(name=name, color_layout=layout, **shape)
    return ct.TensorType(name=name, dtype=np.float32 if port.dtype == "float32" else np.int32, **shape)


def _describe(mlmodel: Any, hub: Hub, io: str, metadata: dict[str, str]) -> None:
    mlmodel.short_description = metadata.get("description", f"{hub.name}: an image-to-image network")
    mlmodel.author = metadata.get("author", "")
    mlmodel.license = metadata.get("license", "")
    mlmodel.version = metadata.get("version", "")
    names = port_names(hub)
    for port in hub.inputs:
        mlmodel.input_description[names[port.name]] = pictures.describe(port, io, hub.styles)
    for port in hub.outputs:
        mlmodel.output_description[names[port.name]] = pictures.describe(port, io, hub.styles)
    mlmodel.user_defined_metadata.update(metadata)
