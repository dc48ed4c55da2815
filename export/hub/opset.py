"""One opset for everything after loading: functions inlined, standard operators only, ``HUB_OPSET``."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.version_converter import convert_version

from export.hub.model import HUB_OPSET
from validate.errors import BrushportError, UnsupportedError, short
from validate.onnx_files import MAX_IR_VERSION

STANDARD_DOMAINS = ("", "ai.onnx")
FIRST_SCRIPT_OPSET = 18  # onnxscript's converter starts here; onnx's own adapters lead up to it


def standardize(model: ir.Model) -> ir.Model:
    """Inline the functions and bring the operators to ``HUB_OPSET``.

    Raises :class:`UnsupportedError` for operators outside the ONNX standard and for graphs inside nodes that
    cannot be converted, :class:`BrushportError` if the conversion fails.
    """
    try:
        common.InlinePass()(model)
    except (ValueError, RuntimeError, ir.passes.PassError) as error:
        raise BrushportError(f"The model's functions cannot be inlined: {short(error)}.") from error
    model.functions.clear()
    common.RemoveInitializersFromInputsPass()(model)
    refuse_foreign_operators(model)
    version = model.opset_imports.get("", model.opset_imports.get("ai.onnx"))
    if version is None:
        raise BrushportError("The model does not say which opset it uses; export the ONNX file again.")
    try:
        if version < FIRST_SCRIPT_OPSET or version > HUB_OPSET:
            converted = onnx.version_converter.convert_version(ir.to_proto(model), HUB_OPSET)
            model = _keep_properties(model, ir.from_proto(converted))
        elif version < HUB_OPSET:
            convert_version(model, HUB_OPSET)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
        raise BrushportError(
            f"The model uses opset {version} and cannot be converted to opset {HUB_OPSET} ({short(error)}); "
            f"export the ONNX file again with an opset from {FIRST_SCRIPT_OPSET} to {HUB_OPSET}."
        ) from error
    for domain in list(model.opset_imports):
        del model.opset_imports[domain]
    model.opset_imports[""] = HUB_OPSET
    model.ir_version = MAX_IR_VERSION
    return model


def refuse_foreign_operators(model: ir.Model) -> None:
    """Raise :class:`UnsupportedError` naming the first node whose operator ONNX does not define."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.domain not in STANDARD_DOMAINS:
            raise UnsupportedError(
                f"Node '{node.name}' uses operator {node.op_type} of domain '{node.domain}', which is outside the "
                "ONNX standard; export the model with standard operators only."
            )


def refuse_subgraphs(model: ir.Model) -> None:
    """Raise :class:`UnsupportedError` naming the first control-flow node (If, Loop, Scan) that is left."""
    for node in model.graph:
        if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
            raise UnsupportedError(
                f"Node '{node.name}' ({node.op_type}) chooses at run time what is computed; an image network "
                "for phones must be a fixed graph, so export the model without control flow."
            )


def _keep_properties(before: ir.Model, after: ir.Model) -> ir.Model:
    after.metadata_props.update(before.metadata_props)
    return after
