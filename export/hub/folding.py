"""Whatever does not depend on the input is computed once, here, and becomes an initializer."""

from __future__ import annotations

import logging
import math

import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import RuntimeContextError
from onnx_ir.passes import common
from onnxscript import optimizer

from export.hub.passes.rewrite import constant, dims, new_constant
from export.hub.shapes import INFERENCE_OPSET
from validate.errors import BrushportError, short

# A quantized weight stays 8 bits wide; of LRN the evaluator computes as many channels as there are pictures, and of a
# GlobalMaxPool that is not over two axes it takes the maximum over the channels, too.
KEPT_OPS = ("QuantizeLinear", "DequantizeLinear", "LRN", "GlobalMaxPool")
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
    log.setLevel(logging.CRITICAL)  # what cannot be computed is fold_rest's to say, in a sentence
    try:
        optimizer.fold_constants(model, onnx_shape_inference=True, output_size_limit=NO_LIMIT, should_fold=_should_fold)
    except (RuntimeError, ValueError, TypeError, ir.passes.PassError) as error:
        raise BrushportError(f"A constant of the model cannot be computed: {short(error)}.") from error
    finally:
        model.opset_imports[""] = opset
        log.setLevel(level)
    clean_up(model)
    if fold_rest(model):
        fold_constants(model)


def fold_rest(model: ir.Model) -> int:
    """Compute the nodes of constants alone that the evaluator left: those of several outputs; returns how many.

    Raises :class:`BrushportError` naming the first one whose constants do not fit together.
    """
    count = 0
    for node in list(model.graph):
        known = [constant(value) for value in node.inputs if value is not None]
        if node.op_type in KEPT_OPS or not known or any(array is None for array in known):
            continue
        if any(a.type is ir.AttributeType.GRAPH for a in node.attributes.values()):
            continue  # refuse_subgraphs says what is wrong with a loop
        if any(math.prod(dims(value) or ()) > MAX_SMALL_ELEMENTS for value in (*node.inputs, *node.outputs) if value):
            continue
        count += _compute(node, known)
    return count


def _compute(node: ir.Node, known: list[np.ndarray]) -> bool:
    """Replace one node by its values; ``False`` if there is no evaluator for it, or the values are too many."""
    names = [value.name for value in node.inputs if value is not None]
    wanted = [value for value in node.outputs if value.name]
    try:
        evaluator = ReferenceEvaluator(ir.serde.serialize_node(node), opsets={"": INFERENCE_OPSET})
        found = evaluator.run([value.name for value in wanted], dict(zip(names, known, strict=True)))
    except (NotImplementedError, RuntimeContextError):
        return False
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise BrushportError(
            f"Node '{node.name}' ({node.op_type}) computes a constant that cannot be computed: {short(error)}."
        ) from error
    arrays = [np.asarray(array) for array in found]
    if any(array.size > MAX_SMALL_ELEMENTS or array.dtype == object for array in arrays):
        return False
    nodes = [
        ir.node("Identity", [new_constant(node.graph, a, f"{v.name}_value")])
        for v, a in zip(wanted, arrays, strict=True)
    ]
    values = [new.outputs[0] for new in nodes]
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], nodes, wanted, values)
    return True


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
