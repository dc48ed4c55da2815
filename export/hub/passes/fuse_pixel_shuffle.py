"""Reshape(Transpose(Reshape(x))) = DepthToSpace(x) or SpaceToDepth(x), for these axes and no others.

With b the block size, x of shape (N, C·b², H, W) seen as six axes and permuted:

- (N, C, b, b, H, W) by (0, 1, 4, 2, 5, 3) is DepthToSpace in mode CRD, which is PyTorch's pixel shuffle;
- (N, b, b, C, H, W) by (0, 3, 4, 1, 5, 2) is DepthToSpace in mode DCR, which is TensorFlow's;

and of shape (N, C, H·b, W·b), seen as (N, C, H, b, W, b) and permuted

- by (0, 3, 5, 1, 2, 4), it is SpaceToDepth;
- by (0, 1, 3, 5, 2, 4), which is PyTorch's pixel unshuffle and has no operator in ONNX, a depthwise convolution
  of stride b whose b² kernels for each channel each pick one pixel of the b × b block: x·1 plus zeros is x.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, dims, float_constant, only_used_by, produced_by, replace

CRD, DCR = (0, 1, 4, 2, 5, 3), (0, 3, 4, 1, 5, 2)
DEPTH_FIRST, CHANNEL_FIRST = (0, 3, 5, 1, 2, 4), (0, 1, 3, 5, 2, 4)


def fuse_pixel_shuffle(model: ir.Model) -> int:
    """Fuse spelled-out pixel shuffles and unshuffles; returns how many."""
    return sum(_fuse(node) for node in list(model.graph) if node.op_type == "Reshape")


def _fuse(node: ir.Node) -> bool:
    transpose = produced_by(node.inputs[0], "Transpose")
    view = None if transpose is None else produced_by(transpose.inputs[0], "Reshape")
    if view is None:
        return False
    if not (only_used_by(node.inputs[0], node) and only_used_by(transpose.inputs[0], transpose)):
        return False
    x, six, result = dims(view.inputs[0]), dims(view.outputs[0]), dims(node.outputs[0])
    if x is None or six is None or result is None or (len(x), len(six), len(result)) != (4, 6, 4):
        return False
    perm = attribute(transpose, "perm")
    n, channels, height, width = x
    if perm in (DEPTH_FIRST, CHANNEL_FIRST):
        block = six[3]
        fits = six == (n, channels, height // block, block, width // block, block)
        expected = (n, channels * block * block, height // block, width // block)
        op, attributes = "SpaceToDepth", {"blocksize": block}
        if perm == CHANNEL_FIRST and channels > 1:  # with one channel both orders are the same
            op, attributes = "Conv", {"group": channels, "kernel_shape": [block, block], "strides": [block, block]}
    elif perm in (CRD, DCR):
        block = six[2]
        depth = channels // (block * block)
        fits = six == (
            (n, depth, block, block, height, width) if perm == CRD else (n, block, block, depth, height, width)
        )
        expected = (n, depth, height * block, width * block)
        op, attributes = "DepthToSpace", {"blocksize": block, "mode": "CRD" if perm == CRD else "DCR"}
    else:
        return False
    if not fits or result != expected:
        return False
    inputs = [view.inputs[0]]
    if op == "Conv":
        picks = np.eye(block * block).reshape(block * block, 1, block, block)
        inputs.append(float_constant(node.graph, np.tile(picks, (channels, 1, 1, 1)), "pixel_picks"))
    replace(node, lambda tape: tape.op(op, inputs, attributes))
    return True
