"""A network of N styles: bake one in, or keep some of them in an order of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import new_constant
from validate.command import unknown
from validate.errors import BrushportError

STYLE_INPUT = "style"
MAX_STYLES = 10_000


def style_names(model: ir.Model, metadata: dict) -> tuple[str, ...]:
    """The names of the model's styles, from its metadata; empty for a model without a ``style`` input.

    Raises :class:`BrushportError` if the metadata and the input disagree about their number.
    """
    names = metadata.get("styles", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise BrushportError(f"The model's metadata give 'styles' as {names!r}; it should be a list of names.")
    value = _style_input(model)
    if value is None:
        return tuple(names) if len(names) == 1 else ()  # one name: it was baked in when the file was written
    if not isinstance(value.shape[-1], int) or value.shape[-1] > MAX_STYLES:
        raise BrushportError(
            f"The model's input '{STYLE_INPUT}' takes {value.shape[-1]} weights; {MAX_STYLES} styles are the most."
        )
    if not names:  # somebody else's network: its styles are counted, not named
        return tuple(f"style_{index + 1}" for index in range(value.shape[-1]))
    if len(names) != value.shape[-1]:
        raise BrushportError(
            f"The model's input '{STYLE_INPUT}' takes {value.shape[-1]} weights, "
            f"but its metadata name {len(names)} styles."
        )
    return tuple(names)


def select_styles(model: ir.Model, known: tuple[str, ...], wanted: Sequence[str]) -> tuple[str, ...]:
    """Keep only the styles ``wanted``, in that order, and return their names; the graph must have its shapes.

    One is baked in: the ``style`` input becomes a constant. Several keep the input, with one weight for each,
    multiplied by a selection matrix that the passes then fold away. Raises :class:`BrushportError` for an
    unknown style, with the nearest right one.
    """
    if isinstance(wanted, str):
        wanted = [wanted]
    if not wanted:
        raise BrushportError("No style was named; leave the styles out to keep all of them.")
    value = _style_input(model)
    if value is None or not known:
        raise BrushportError("Styles were chosen, but the model has no 'style' input with named styles to choose from.")
    lower = {name.lower(): name for name in known}
    for name in wanted:
        if name.lower() not in lower:
            raise unknown("style", name, known)
    chosen = tuple(lower[name.lower()] for name in wanted)
    if len(set(chosen)) != len(chosen):
        raise BrushportError(f"A style is named twice: {', '.join(chosen)}.")
    selection = np.zeros((len(chosen), len(known)), np.float32)
    for row, name in enumerate(chosen):
        selection[row, known.index(name)] = 1
    if len(chosen) == 1:
        _bake(model, value, selection)
    elif chosen != known:
        _reorder(model, value, selection)
    return chosen


def _style_input(model: ir.Model) -> ir.Value | None:
    for value in model.graph.inputs:
        if value.name == STYLE_INPUT and value.shape is not None and len(value.shape) == 2:
            return value
    return None


def _bake(model: ir.Model, value: ir.Value, weights: np.ndarray) -> None:
    baked = new_constant(model.graph, weights, "style_weights")
    value.replace_all_uses_with(baked, replace_graph_outputs=False)
    model.graph.inputs.remove(value)


def _reorder(model: ir.Model, value: ir.Value, selection: np.ndarray) -> None:
    """all_weights = weights @ selection, a (1, K) by (K, N) product."""
    matrix = new_constant(model.graph, selection, "style_selection")
    weights = ir.Value(name=STYLE_INPUT, shape=ir.Shape((1, len(selection))), type=value.type)
    node = ir.node("MatMul", [weights, matrix], name="select_styles")
    expanded = node.outputs[0]
    expanded.name, expanded.shape, expanded.type = "style_of_all", value.shape, value.type
    value.replace_all_uses_with(expanded)
    index = list(model.graph.inputs).index(value)
    model.graph.inputs[index] = weights
    first = next(iter(model.graph))
    model.graph.insert_before(first, node)
