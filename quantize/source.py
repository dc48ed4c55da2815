"""Reads an ONNX file as the quantizer needs it: shapes static and known throughout, constants as initializers."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveInitializersFromInputsPass

from validate.errors import BrushportError, UnsupportedError, short
from validate.onnx_files import MAX_PROTOBUF_BYTES, read_model


def read_onnx(path: Path) -> ir.Model:
    """The model in ``path``; raises :class:`BrushportError` when it is no whole ONNX model of static shapes.

    Weights kept in files beside it are read, too, up to the 2 GB that ONNX Runtime takes in one piece.
    """
    model = _inferred(read_model(path), path)
    for value in (*model.graph.inputs, *model.graph.outputs, *(v for node in model.graph for v in node.outputs)):
        if value.shape is None or not value.shape.is_static():
            raise BrushportError(
                f"{value.name} in {path} has the shape {value.shape}, which is not static: export the model with "
                "python -m export and a --size, or with its own exporter at one size."
            )
    return model


def _inferred(model: ir.Model, path: Path) -> ir.Model:
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    if weights > MAX_PROTOBUF_BYTES:
        raise UnsupportedError(
            f"The weights of {path} are {weights / 2**30:.1f} GB, and a model of 2 GB at most can be quantized."
        )
    try:
        model = ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True, data_prop=True))
    except onnx.shape_inference.InferenceError as error:
        raise BrushportError(f"The shapes in {path} contradict each other: {short(error)}.") from None
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    RemoveInitializersFromInputsPass()(model)
    return model
