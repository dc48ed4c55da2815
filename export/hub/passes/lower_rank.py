"""f(x) = View(f(View(x))): tensors of more axes than Core ML has are merged where f treats neighboring axes alike.

Neighboring axes along which every operand is of full length, or every one is of length 1, are one axis to an
element-wise f; so are those that a reduction sums up together, and those before and behind the axis of a Softmax or a
Gather. RAFT's convex upsampling and 3-D look-up tables have six and seven axes, of which f sees three or four.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.push_rules import BROADCASTING, ONE_AXIS, REDUCTIONS, UNARY
from export.hub.passes.rewrite import attribute, constant, dims, new_constant, replace, stated

MAX_RANK = 5  # Core ML's
Groups = list[list[int]]


def lower_rank(model: ir.Model) -> int:
    """Merge the axes of operators of more than ``MAX_RANK``; returns of how many."""
    return sum(_lower(node) for node in list(model.graph))


def _lower(node: ir.Node) -> bool:
    rule = RULES.get(node.op_type)
    shapes = [dims(value) for value in (*node.inputs, *node.outputs) if value is not None]
    if rule is None or None in shapes or len(node.outputs) != 1 or max(map(len, shapes)) <= MAX_RANK:
        return False
    return rule(node)


def _element_wise(node: ir.Node) -> bool:
    """Operands are right-aligned to each other, so views of them are as well."""
    if node.op_type in UNARY and any(value is not None and dims(value) for value in node.inputs[1:]):
        return False
    count = 1 if node.op_type in UNARY else len(node.inputs)
    rank = len(dims(node.outputs[0]))
    shapes = [(1,) * (rank - len(dims(value))) + dims(value) for value in node.inputs[:count]]
    groups = _groups(shapes, ())
    if len(groups) > MAX_RANK or node.op_type == "PRelu":
        return False

    def build(tape: Tape) -> ir.Value:
        given = zip(node.inputs, shapes, strict=False)
        inputs = [_viewed(tape, node, value, _merged(shape, groups)) for value, shape in given]
        return _back(tape, node, [*inputs, *node.inputs[count:]], _merged(dims(node.outputs[0]), groups))

    replace(node, build)
    return True


def _along_axis(node: ir.Node) -> bool:
    """The axis stays one, what is before it and behind it are one each."""
    shape = dims(node.inputs[0])
    axis = attribute(node, "axis", -1) % len(shape)
    merged = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))

    def build(tape: Tape) -> ir.Value:
        return _back(tape, node, [_viewed(tape, node, node.inputs[0], merged)], merged, {"axis": 1})

    replace(node, build)
    return True


def _reduction(node: ir.Node) -> bool:
    """Runs of reduced axes are one axis, and so are runs of the others."""
    shape, axes = dims(node.inputs[0]), constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if axes is None or not axes.size:
        return False
    reduced = {int(axis) % len(shape) for axis in axes.reshape(-1)}
    groups = _groups([shape], reduced)
    if len(groups) > MAX_RANK:
        return False
    gone = [i for i, group in enumerate(groups) if group[0] in reduced]
    merged = _merged(shape, groups)
    after = tuple(1 if i in gone else size for i, size in enumerate(merged))

    def build(tape: Tape) -> ir.Value:
        over = new_constant(node.graph, np.array(gone, np.int64), "axes")
        return _back(tape, node, [_viewed(tape, node, node.inputs[0], merged), over], after, {"keepdims": 1})

    replace(node, build)
    return True


def _gather(node: ir.Node) -> bool:
    """Lines of one axis by a list of indices."""
    x, indices = node.inputs
    shape, axis = dims(x), attribute(node, "axis", 0) % len(dims(x))
    merged = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
    count = prod(dims(indices))

    def build(tape: Tape) -> ir.Value:
        inputs = [_viewed(tape, node, x, merged), _viewed(tape, node, indices, (count,))]
        return _back(tape, node, inputs, (merged[0], count, merged[2]), {"axis": 1})

    replace(node, build)
    return True


RULES = {
    **dict.fromkeys((*UNARY, *BROADCASTING), _element_wise),
    **dict.fromkeys(ONE_AXIS, _along_axis),
    **dict.fromkeys(REDUCTIONS, _reduction),
    "Gather": _gather,
}


def _groups(shapes: Sequence[tuple[int, ...]], apart: Sequence[int]) -> Groups:
    """Runs of axes in which the same operands are of length 1; those of ``apart`` are not mixed with others."""

    def kind(axis: int) -> tuple:
        return axis in apart, *(shape[axis] == 1 for shape in shapes)

    kept = [axis for axis in range(len(shapes[0])) if axis in apart or any(shape[axis] != 1 for shape in shapes)]
    return [list(run) for _, run in groupby(kept, kind)]


def _merged(shape: tuple[int, ...], groups: Groups) -> tuple[int, ...]:
    return tuple(prod(shape[axis] for axis in group) for group in groups)


def _viewed(tape: Tape, node: ir.Node, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    target = new_constant(node.graph, np.array(shape, np.int64), "merged")
    return stated(tape.op("Reshape", [value, target]), shape, value.dtype)


def _back(
    tape: Tape, node: ir.Node, inputs: list[ir.Value], shape: tuple[int, ...], changed: dict[str, int] | None = None
) -> ir.Value:
    """f of the merged ``inputs``, whose result is of ``shape``, viewed as what ``node`` gives."""
    output = node.outputs[0]
    attributes = {**node.attributes, **(changed or {})}
    result = stated(tape.op(node.op_type, inputs, attributes, name=node.name), shape, output.dtype)
    return _viewed(tape, node, result, dims(output))
