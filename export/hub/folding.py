"""Whatever does not depend on the input is computed once, here, and becomes an initializer."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer

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
    try:
        optimizer.fold_constants(model, onnx_shape_inference=True, output_size_limit=NO_LIMIT, should_fold=_should_fold)
    except (RuntimeError, ValueError, TypeError, ir.passes.PassError) as error:
        raise BrushportError(f"A constant of the model cannot be computed: {short(error)}.") from error
    finally:
        model.opset_imports[""] = opset
    clean_up(model)


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
