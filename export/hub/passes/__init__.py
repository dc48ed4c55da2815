"""Exact rewrites of the hub's graph, one a file; each module opens with the identity that makes it exact."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
from onnx_ir.passes import common

from export.hub.passes.absorb_norm_affine import absorb_norm_affine
from export.hub.passes.drop_expand import drop_expand
from export.hub.passes.eliminate import eliminate
from export.hub.passes.explicit_pads import explicit_pads
from export.hub.passes.fold_affine import fold_affine
from export.hub.passes.fold_linear import fold_linear
from export.hub.passes.fuse_clip import fuse_clip
from export.hub.passes.fuse_crop import fuse_crop
from export.hub.passes.fuse_gelu import fuse_gelu
from export.hub.passes.fuse_group_norm import fuse_group_norm
from export.hub.passes.fuse_hard_swish import fuse_hard_swish
from export.hub.passes.fuse_instance_norm import fuse_instance_norm
from export.hub.passes.fuse_integer_products import fuse_integer_products
from export.hub.passes.fuse_layer_norm import fuse_layer_norm
from export.hub.passes.fuse_leaky_relu import fuse_leaky_relu
from export.hub.passes.fuse_matmul import fuse_matmul
from export.hub.passes.fuse_mish import fuse_mish
from export.hub.passes.fuse_pad import fuse_pad
from export.hub.passes.fuse_pixel_shuffle import fuse_pixel_shuffle
from export.hub.passes.lower_rank import lower_rank
from export.hub.passes.merge_affine import merge_affine
from export.hub.passes.merge_casts import merge_casts
from export.hub.passes.merge_moves import merge_moves
from export.hub.passes.order_operands import order_operands
from export.hub.passes.push_transposes import push_transposes
from export.hub.passes.unwrap_norm import unwrap_norm
from export.hub.passes.unwrap_view import unwrap_view

# In this order, until none fires. Each returns how often it did; what it leaves unused is removed between them.
PASSES: tuple[Callable[[ir.Model], int], ...] = (
    order_operands,
    eliminate,
    drop_expand,
    merge_casts,
    explicit_pads,
    fuse_integer_products,
    fuse_layer_norm,
    push_transposes,
    merge_moves,
    fuse_instance_norm,
    fuse_layer_norm,
    unwrap_norm,
    unwrap_view,
    fuse_group_norm,
    absorb_norm_affine,
    fuse_crop,
    fold_affine,
    merge_affine,
    fold_linear,
    fuse_hard_swish,
    fuse_gelu,
    fuse_mish,
    fuse_leaky_relu,
    fuse_clip,
    fuse_pixel_shuffle,
    fuse_pad,
    fuse_matmul,
    lower_rank,
)
MAX_ROUNDS = 10  # each round makes the graph smaller or moves Transposes down; this only bounds the time


def simplify(model: ir.Model) -> dict[str, int]:
    """Apply every pass until none fires; returns how often each did, by name. Shapes must be static."""
    fired: dict[str, int] = {}
    common.CommonSubexpressionEliminationPass()(model)
    for _ in range(MAX_ROUNDS):
        before = sum(fired.values())
        for rewrite in PASSES:
            count = rewrite(model)
            if count:
                fired[rewrite.__name__] = fired.get(rewrite.__name__, 0) + count
                common.RemoveUnusedNodesPass()(model)
        if sum(fired.values()) == before:
            break
    return fired
