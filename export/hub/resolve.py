"""Everything that shapes decide, decided: branches, scales and sizes computed from sizes, until all are numbers."""

from __future__ import annotations

import onnx_ir as ir

from export.hub.ceil_mode import settle_ceil_mode
from export.hub.decompose import decompose_node
from export.hub.empty import drop_empty
from export.hub.folding import fold_constants
from export.hub.opset import refuse_subgraphs, settle
from export.hub.shapes import infer_shapes, is_static, require_static

MAX_ROUNDS = 8  # shapes found in one round let the next one fold more
SHAPING_OPS = ("Col2Im", "Compress")  # without a static shape until they are rewritten


def resolve(model: ir.Model) -> None:
    """Fold constants and infer shapes in turn, until every value's shape is fixed.

    Raises :class:`~validate.errors.BrushportError` naming the first node whose shape depends on what the network is
    fed, or whose constants do not fit together, and whatever the steps raise.
    """
    origins = {value.name: node.op_type for node in model.graph for value in node.outputs if value.name}
    settle_ceil_mode(model)
    for _ in range(MAX_ROUNDS):
        fold_constants(model)
        refuse_subgraphs(model)
        settle(model)
        settle_ceil_mode(model)
        infer_shapes(model)
        shaping = [node for node in model.graph if node.op_type in SHAPING_OPS and is_static(model, node.inputs[:1])]
        changed = drop_empty(model) + sum(decompose_node(node) for node in shaping)
        if not changed and not _depends_on_shapes(model):
            break
    require_static(model, origins)


def _depends_on_shapes(model: ir.Model) -> bool:
    """Whether a shape that is known by now is still computed by a node."""
    return any(node.op_type in ("Shape", "Size") and is_static(model, node.inputs[:1]) for node in model.graph)
