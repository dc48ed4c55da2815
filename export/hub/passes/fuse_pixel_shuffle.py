"""A chain of Reshapes and Transposes that moves elements as DepthToSpace or SpaceToDepth does is that operator.

With b the block size, x of shape (N, C·b², H, W) seen as six axes and permuted:

- (N, C, b, b, H, W) by (0, 1, 4, 2, 5, 3) is DepthToSpace in mode CRD, which is PyTorch's pixel shuffle;
- (N, b, b, C, H, W) by (0, 3, 4, 1, 5, 2) is DepthToSpace in mode DCR, which is TensorFlow's;

and of shape (N, C, H·b, W·b), seen as (N, C, H, b, W, b) and permuted

- by (0, 3, 5, 1, 2, 4), it is SpaceToDepth;
- by (0, 1, 3, 5, 2, 4), which is PyTorch's pixel unshuffle and has no operator in ONNX, a depthwise convolution
  of stride b whose b² kernels for each channel each pick one pixel of the b × b block: x·1 plus zeros is x.

However the chain is spelled, in NHWC between Transposes too: what is compared is where each element goes
(:mod:`~export.hub.passes.movement`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.merge_moves import emit_steps
from export.hub.passes.movement import MOVING_OPS, Movement, Step, chain_movement, movement, read_chain
from export.hub.passes.rewrite import dims, float_constant, only_used_by, replace, stated

Shape = tuple[int, ...]
Steps = tuple[Step, ...]
Found = tuple[str, dict[str, object], int, Shape]
CRD, DCR = (0, 1, 4, 2, 5, 3), (0, 3, 4, 1, 5, 2)
DEPTH_FIRST, CHANNEL_FIRST = (0, 3, 5, 1, 2, 4), (0, 1, 3, 5, 2, 4)


TO_NCHW, TO_NHWC = ("permute", (0, 3, 1, 2)), ("permute", (0, 2, 3, 1))


def fuse_pixel_shuffle(model: ir.Model) -> int:
    """Fuse spelled-out pixel shuffles and unshuffles; returns how many.

    One whose input or output is NHWC gets a Transpose on that side.
    """
    return sum(_fuse(node) for node in list(model.graph) if node.op_type in MOVING_OPS)


def _fuse(node: ir.Node) -> bool:
    if node.graph is None:
        return False
    for chain in read_chain(node.outputs[0]):
        x = chain[-1].inputs[0]
        source, result = dims(x), dims(node.outputs[0])
        if result is None or len(result) != 4 or len(source) != 4 or source[0] != result[0] or len(chain) < 2:
            continue
        if not all(only_used_by(a.outputs[0], b) for b, a in pairwise(chain)):
            continue
        move = chain_movement(chain)
        if move is None or move.keeps_order:
            continue
        for before, after in ((), ()), ((TO_NCHW,), ()), ((), (TO_NHWC,)), ((TO_NCHW,), (TO_NHWC,)):
            found = _operator(move, before, after)
            if found is None or (found[0] == "Conv" and node.outputs[0].dtype is not ir.DataType.FLOAT):
                continue
            if len(before) + 1 + len(after) <= len(chain):
                _put(node, x, before, found, after)
                return True
    return False


def _put(node: ir.Node, x: ir.Value, before: Steps, found: Found, after: Steps) -> None:
    replace(node, lambda tape: _emit(tape, node.graph, x, before, found, after))


def _emit(tape: Tape, graph: ir.Graph, x: ir.Value, before: Steps, found: Found, after: Steps) -> ir.Value:
    op, attributes, block, shape = found
    x = emit_steps(tape, graph, x, before)
    inputs = [x]
    if op == "Conv":
        picks = np.eye(block * block).reshape(block * block, 1, block, block)
        inputs.append(float_constant(graph, np.tile(picks, (x.shape[1], 1, 1, 1)), "pixel_picks"))
    return emit_steps(tape, graph, stated(tape.op(op, inputs, attributes), shape, x.dtype), after)


def _operator(move: Movement, before: Steps, after: Steps) -> Found | None:
    """Operator, attributes, block size and shape behind it, if ``move`` is a shuffle between the steps on its sides."""
    n, c, h, w = _permuted(move.source, before)
    n2, c2, h2, w2 = _permuted(move.shape, (TO_NCHW,)) if after else move.shape

    def is_spelled(six: Shape, perm: Shape) -> bool:
        steps = [*before, ("view", six), ("permute", perm), ("view", (n2, c2, h2, w2)), *after]
        return move == movement(move.source, steps)

    if h2 > h and h2 % h == 0 and w2 == h2 // h * w:
        block = h2 // h
        for mode, six, perm in (
            ("CRD", (n, c2, block, block, h, w), CRD),
            ("DCR", (n, block, block, c2, h, w), DCR),
        ):
            if is_spelled(six, perm):
                return "DepthToSpace", {"blocksize": block, "mode": mode}, block, (n2, c2, h2, w2)
    if h > h2 and h % h2 == 0 and w == h // h2 * w2:
        block = h // h2
        six = (n, c, h2, block, w2, block)
        if is_spelled(six, DEPTH_FIRST):  # with one channel both orders are the same
            return "SpaceToDepth", {"blocksize": block}, block, (n2, c2, h2, w2)
        if is_spelled(six, CHANNEL_FIRST):
            attributes = {"group": c, "kernel_shape": [block, block], "strides": [block, block]}
            return "Conv", attributes, block, (n2, c2, h2, w2)
    return None


def _permuted(shape: Shape, steps: Steps) -> Shape:
    for _, perm in steps:
        shape = tuple(shape[axis] for axis in perm)
    return shape
