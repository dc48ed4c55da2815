"""A hub whose weights Core ML can store small, made without looking at pictures: all weights alike."""

from __future__ import annotations

from export.hub.model import Hub
from quantize.palettes import palettize
from quantize.sparsity import prune_smallest
from quantize.weights import SMALL, float_weights, replace_weight
from quantize.weights_only import quantize_weights
from validate.errors import BrushportError

COMPRESSED = ("w8", "w6", "w4", "sparse")
"""Precisions that compute in fp16 and store their weights smaller."""

SPARSITY = 0.5
"""Share of zeros among the weights of ``"sparse"``, where no other is asked for."""

_BITS = {"w6": 6, "w4": 4}


def prepared(hub: Hub, precision: str, group_size: int = 0, sparsity: float = SPARSITY) -> Hub:
    """``hub`` itself where it :func:`is_prepared`, else a copy with small weights.

    Raises :class:`BrushportError` for a ``group_size`` or ``sparsity`` that means nothing.
    """
    if group_size < 0:
        raise BrushportError(f"A palette cannot be shared by {group_size} channels; give a --group-size above 0.")
    if not 0 <= sparsity < 1:
        raise BrushportError(f"A share of {sparsity:g} zeros leaves no network; give a --sparsity of 0 to 1.")
    if is_prepared(hub):
        return hub
    if precision == "w8":
        return hub.with_model(quantize_weights(hub.model))
    hub = hub.with_model(hub.model.clone())
    hub.model.metadata_props[SMALL] = "1"
    for value, axis in float_weights(hub.model):
        weight = value.const_value.numpy()
        if precision == "sparse":
            replace_weight(value, prune_smallest(weight, sparsity))
        else:
            replace_weight(value, palettize(weight, _BITS[precision], axis, group_size))
    return hub


def is_prepared(hub: Hub) -> bool:
    """Whether the hub's weights are chosen already: some are 8-bit behind DequantizeLinear, or its metadata says so."""
    return SMALL in hub.model.metadata_props or any(node.op_type == "DequantizeLinear" for node in hub.model.graph)
