"""Whatever does not depend on the input is computed once, here, and becomes an initializer."""

from __future__ import annotations

import logging
import math

import onnx_ir as ir
from onnx.reference import ReferenceEvaluator
from onnx_ir.passes import common
from onnxscript import optimizer

from export.hub.passes.rewrite import constant, dims
from export.hub.shapes import INFERENCE_OPSET
from validate.errors import BrushportError, short

KEPT_OPS = ("QuantizeLinear", "DequantizeLinear")  # a quantized weight stays 8 bits wide
MAX_SMALL_ELEMENTS = 2**16  # a folded constant may have this many; more only if what it comes from has as many
NO_LIMIT = 2**40  # of the evaluator's own, which counts a constant that has two users as an addition


def fold_constants(model: ir.Model) -> None:
    """Compute constant expressions with ONNX's reference evaluator and drop what nothing uses.

    Quantized constants stay as they are, and so does whatever would make the file larger (an Expand of a scalar
    to a whole plane). Constant nodes become initializers. Raises :class:`BrushportError` if a constant
    expression of the model cannot be computed.
    """
    common.LiftSubgraphInitializersToMainGraphPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    model.opset_imports[""], opset = INFERENCE_OPSET, model.opset_imports[""]
    log = logging.getLogger(optimizer.__name__)
    level = log.level
    log.setLevel(logging.CRITICAL)  # what cannot be computed is refuse_failed's to say, in a sentence
    try:
        optimizer.fold_constants(model, onnx_shape_inference=True, output_size_limit=NO_LIMIT, should_fold=_should_fold)
    except (RuntimeError, ValueError, TypeError, ir.passes.PassError) as error:
        raise BrushportError(f"A constant of the model cannot be computed: {short(error)}.") from error
    finally:
        model.opset_imports[""] = opset
        log.setLevel(level)
    clean_up(model)


def refuse_failed(model: ir.Model) -> None:
    """Raise :class:`BrushportError` naming the first node of constants alone that do not fit together."""
    for node in model.graph:
        known = [constant(value) for value in node.inputs if value is not None]
        if node.op_type in KEPT_OPS or not known or any(array is None for array in known):
            continue
        if any(math.prod(dims(value) or ()) > MAX_SMALL_ELEMENTS for value in (*node.inputs, *node.outputs) if value):
            continue
        try:
            proto = ir.serde.serialize_node(node)
            evaluator = ReferenceEvaluator(proto, opsets={"": INFERENCE_OPSET})
            evaluator.run(None, {v.name: a for v, a in zip(filter(None, node.inputs), known, strict=True)})
        except NotImplementedError:
            continue
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise BrushportError(
                f"Node '{node.name}' ({node.op_type}) computes a constant that cannot be computed: {short(error)}."
            ) from error


def clean_up(model: ir.Model) -> None:
    """Remove dead and empty nodes, turn Constant nodes into initializers, and make names unique."""
    common.IdentityEliminationPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveUnusedNodesPass()(model)
    _bind_constants(model)
    model.graph.sort()
    common.NameFixPass()(model)


def _should_fold(node: ir.Node) -> bool | None:
    """Fold weights of any size, for example a weight norm; ``None`` leaves it to the evaluator's own rules."""
    if node.op_type in KEPT_OPS:
        return False
    known = [value for value in node.inputs if value is not None]
    available = sum(value.const_value.size for value in known if value.const_value is not None)
    shape = node.outputs[0].shape
    if shape is None or not all(isinstance(dim, int) for dim in shape):
        return None
    size = 1
    for dim in shape:
        size *= dim
    return size <= max(available, MAX_SMALL_ELEMENTS)


def _bind_constants(model: ir.Model) -> None:
    """State shape and dtype of each initializer, as its tensor has them."""
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.shape)
            value.dtype = value.const_value.dtype
