"""P₂(P₁(x)) = P₁₂(x): chains of Reshape, Transpose and their relatives become as few nodes as say the same.

A chain is one permutation of x's factors (see :mod:`~export.hub.passes.movement`), so Transposes that undo each
other vanish, and so does Reshape → Transpose → Reshape that moves nothing; two Transposes become one. A Transpose
that only moves axes of length 1 keeps the order of the elements, which is a Reshape.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.movement import (
    MOVING_OPS,
    Movement,
    Step,
    chain_movement,
    read_chain,
    shortest_steps,
)
from export.hub.passes.rewrite import bypass, new_constant, only_used_by, replace, stated


def merge_moves(model: ir.Model) -> int:
    """Shorten chains of nodes that only move elements; returns how many chains."""
    return sum(_merge(node) for node in list(model.graph) if node.op_type in MOVING_OPS)


def _merge(node: ir.Node) -> bool:
    if node.graph is None:  # gone with the chain of a node before
        return False
    found = _shortest(node)
    if found is None:
        return False
    x, steps = found
    if not steps:
        return bypass_to(node, x)
    replace(node, lambda tape: emit_steps(tape, node.graph, x, steps))
    return True


def _shortest(node: ir.Node) -> tuple[ir.Value, list[Step]] | None:
    """What ``node`` computes from as few nodes as possible, if these are fewer than those that would go."""
    best, gain = None, 0
    for chain in read_chain(node.outputs[0]):
        move = chain_movement(chain)
        if move is None:
            continue
        steps = shortest_steps(move)
        saved = _private(chain) - len(steps)
        if saved > gain or (gain == 0 and best is None and _is_hidden_reshape(chain, move)):
            best, gain = (chain[-1].inputs[0], steps), max(saved, 0)
    return best


def _private(chain: tuple[ir.Node, ...]) -> int:
    """How many nodes at the end of ``chain`` nothing else reads."""
    count = 1
    for later, earlier in pairwise(chain):
        if not only_used_by(earlier.outputs[0], later):
            break
        count += 1
    return count


def _is_hidden_reshape(chain: tuple[ir.Node, ...], move: Movement) -> bool:
    return len(chain) == 1 and chain[0].op_type == "Transpose" and move.keeps_order


def bypass_to(node: ir.Node, x: ir.Value) -> bool:
    """Let the users of ``node`` read ``x``, which is the same tensor; returns whether that was possible."""
    before = node.inputs[0]
    node.replace_input_with(0, x)
    if bypass(node):
        return True
    node.replace_input_with(0, before)
    return False


def emit_steps(tape: Tape, graph: ir.Graph, x: ir.Value, steps: list[Step]) -> ir.Value:
    """Write ``steps`` as Reshape and Transpose nodes on ``x``."""
    for kind, argument in steps:
        if kind == "view":
            y = tape.op("Reshape", [x, new_constant(graph, np.array(argument, np.int64), "view")])
            x = stated(y, argument, x.dtype)
        else:
            y = tape.op("Transpose", [x], {"perm": argument})
            x = stated(y, tuple(x.shape[axis] for axis in argument), x.dtype)
    return x
