"""One opset for everything after loading: functions inlined, standard operators only, ``HUB_OPSET``."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from export.hub.model import HUB_OPSET
from export.hub.opset_down import expand_functions, lower_node
from export.hub.opset_up import OLDEST_OPSET, SIMPLE_NEAREST, raise_node, settle_nearest
from export.hub.passes.rewrite import constant
from validate.errors import BrushportError, UnsupportedError, short
from validate.onnx_files import MAX_IR_VERSION

STANDARD_DOMAINS = ("", "ai.onnx")
NEWEST_OPSET = 28  # whose changes opset_down.py was written from


def standardize(model: ir.Model) -> ir.Model:
    """Inline the functions and bring the operators to ``HUB_OPSET``; :func:`settle` finishes that after folding.

    Raises :class:`UnsupportedError` for operators outside the ONNX standard, for opsets that are older or newer than
    those we know and for nodes that ``HUB_OPSET`` cannot express, :class:`BrushportError` if the conversion fails.
    """
    _inline(model)
    common.RemoveInitializersFromInputsPass()(model)
    refuse_foreign_operators(model)
    version = _opset(model)
    if version is None:
        raise BrushportError("The model does not say which opset it uses; export the ONNX file again.")
    if version < OLDEST_OPSET and all(
        _same_definition(node, version, OLDEST_OPSET) for node in ir.traversal.RecursiveGraphIterator(model.graph)
    ):
        version = OLDEST_OPSET
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise UnsupportedError(
            f"The model uses opset {version}; Brushport reads opset {OLDEST_OPSET} to {NEWEST_OPSET}, so export the "
            f"ONNX file again with one of those, best with opset {HUB_OPSET}."
        )
    try:
        if version > HUB_OPSET:
            model = _keep_properties(model, expand_functions(model, version))
        _convert(model.graph, version)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
        raise BrushportError(
            f"The model uses opset {version} and cannot be converted to opset {HUB_OPSET} ({short(error)}); "
            f"export the ONNX file again with opset {HUB_OPSET}."
        ) from error
    for domain in list(model.opset_imports):
        del model.opset_imports[domain]
    model.opset_imports[""] = HUB_OPSET
    model.ir_version = MAX_IR_VERSION
    return model


def _same_definition(node: ir.Node, version: int, other: int) -> bool:
    """Whether the operator of ``node`` is the same in two opsets."""
    if not onnx.defs.has(node.op_type, version):
        return False
    return (
        onnx.defs.get_schema(node.op_type, version).since_version
        == onnx.defs.get_schema(node.op_type, other).since_version
    )


def settle(model: ir.Model) -> None:
    """Decide what an old operator means where that hangs on numbers known only after folding.

    Raises :class:`UnsupportedError` naming the node whose numbers are computed at run time.
    """
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if SIMPLE_NEAREST in node.metadata_props:
            scales = constant(node.inputs[2])
            if scales is None:
                raise UnsupportedError(
                    f"Node '{node.name}' ({node.op_type}) computes its scales at run time; an image network for "
                    "phones must have fixed sizes."
                )
            settle_nearest(node, scales)


def _convert(graph: ir.Graph, version: int) -> None:
    """Bring every node of ``graph``, and of the graphs inside its nodes, to ``HUB_OPSET``."""
    for node in list(graph):
        for inner in _subgraphs(node):
            _convert(inner, version)
        own = node.version or version
        node.version = None
        if own > HUB_OPSET:
            lower_node(node, own)
        elif own < HUB_OPSET:
            raise_node(node, own)


def _subgraphs(node: ir.Node) -> list[ir.Graph]:
    found = []
    for a in node.attributes.values():
        if a.type is ir.AttributeType.GRAPH:
            found.append(a.as_graph())
        elif a.type is ir.AttributeType.GRAPHS:
            found.extend(a.as_graphs())
    return found


def _inline(model: ir.Model) -> None:
    """Put the model's functions where they are called; their nodes remember an opset that is not the model's."""
    version = _opset(model)
    for function in model.functions.values():
        own = function.opset_imports.get("", function.opset_imports.get("ai.onnx", version))
        if own != version:
            for node in function.all_nodes():
                node.version = own
        for domain in STANDARD_DOMAINS:
            function.opset_imports.pop(domain, None)
    try:
        common.InlinePass()(model)
    except (ValueError, RuntimeError, ir.passes.PassError) as error:
        raise BrushportError(f"The model's functions cannot be inlined: {short(error)}.") from error
    model.functions.clear()


def _opset(model: ir.Model) -> int | None:
    return model.opset_imports.get("", model.opset_imports.get("ai.onnx"))


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
