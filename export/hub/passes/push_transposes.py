"""f(Transpose(x)) = Transpose(f′(x)): Transposes move down the graph until they meet their inverse.

Exporters from NHWC frameworks put a Transpose on either side of what ONNX has as NCHW only and leave the rest in
NHWC: f(Pᵀ…P x). Moving each P behind f, whose axes, shapes and constants are turned instead
(:mod:`~export.hub.passes.push_rules`), brings it next to its inverse, where
:func:`~export.hub.passes.merge_moves.merge_moves` cancels both, and the network between is NCHW, as the other passes
expect. A Reshape lets a permutation pass if each of its axes is a run of neighboring axes of x.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.merge_moves import emit_steps
from export.hub.passes.movement import VIEW_OPS, chain_movement, view_then_permute
from export.hub.passes.push_rules import RULES, Perm, Pushed, inverse, made
from export.hub.passes.rewrite import attribute, dims, new_constant, produced_by, replace, stated


def push_transposes(model: ir.Model) -> int:
    """Move every Transpose as far down as it goes; returns how many nodes it passed."""
    return sum(_push(node) for node in list(model.graph))


def _push(node: ir.Node) -> bool:
    if node.op_type in VIEW_OPS:
        return _push_view(node)
    rule = RULES.get(node.op_type)
    if rule is None:
        return False
    several = node.op_type == "Concat" or len(node.inputs) == 1 or RULES[node.op_type].__name__ == "broadcasting"
    for value in node.inputs if several else node.inputs[:1]:
        transpose = produced_by(value, "Transpose")
        perm = None if transpose is None else attribute(transpose, "perm")
        if perm is None or dims(transpose.inputs[0]) is None or None in map(dims, node.outputs):
            continue
        pushed = rule(node, perm)
        if pushed is not None:
            _write(node, pushed)
            return True
    return False


def _push_view(node: ir.Node) -> bool:
    """Reshape(Transpose(x)) as Transpose(Reshape(x)), if one of each does."""
    transpose = produced_by(node.inputs[0], "Transpose")
    if transpose is None:
        return False
    move = chain_movement((node, transpose))
    steps = None if move is None else view_then_permute(move)
    if steps is None:
        return False
    replace(node, lambda tape: emit_steps(tape, node.graph, transpose.inputs[0], steps))
    return True


def _write(node: ir.Node, pushed: Pushed) -> None:
    """Put f′ and a Transpose behind each of its outputs in the place of ``node``."""
    graph, tape = node.graph, Tape()
    inputs = [_input(tape, graph, *pair) for pair in zip(pushed.inputs, _padded(node, pushed), strict=True)]
    attributes = {k: v for k, v in node.attributes.items() if k not in pushed.attributes} | pushed.attributes
    outputs = tape.op_multi_out(node.op_type, inputs, attributes, num_outputs=len(pushed.perms), name=node.name)
    turned = [_turned(tape, *each) for each in zip(outputs, pushed.perms, node.outputs, strict=False)]
    old = list(node.outputs[: len(turned)])
    ir.convenience.replace_nodes_and_values(graph, node, [node], tape.nodes, old, turned)


def _padded(node: ir.Node, pushed: Pushed) -> list[ir.Value | None]:
    return [*node.inputs, *[None] * len(pushed.inputs)][: len(pushed.inputs)]


def _input(tape: Tape, graph: ir.Graph, given: object, old: ir.Value | None) -> ir.Value | None:
    if isinstance(given, np.ndarray):
        return made(graph, given, old)
    if isinstance(given, tuple):
        value, shape = given
        view = tape.op("Reshape", [value, new_constant(graph, np.array(shape, np.int64), "view")])
        return stated(view, shape, value.dtype)
    return given


def _turned(tape: Tape, output: ir.Value, perm: Perm, old: ir.Value) -> ir.Value:
    shape = dims(old)
    stated(output, tuple(shape[axis] for axis in inverse(perm)), old.dtype)
    if perm == tuple(range(len(perm))):
        return output
    return stated(tape.op("Transpose", [output], {"perm": perm}), shape, old.dtype)
