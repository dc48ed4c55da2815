"""Exact rewrites of the hub's graph that pay in TFLite only: each file states its identity and what it saved."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from export.hub.decompose import decompose
from export.tflite.passes.norm_affine import fold_affine_into_norms
from export.tflite.passes.split_concat import split_concatenations
from export.tflite.passes.stored_weights import unpack_stored_weights

LACKING = ("GridSample",)  # rewritten by the hub's rules; Core ML has it
PASSES = (unpack_stored_weights, fold_affine_into_norms, split_concatenations)


def for_tflite(model: ir.Model) -> ir.Model:
    """A copy of the hub's model, which stays as it is, after every pass; the tensors are shared."""
    model = model.clone()
    decompose(model, LACKING)
    for rewrite in PASSES:
        if rewrite(model):
            common.RemoveUnusedNodesPass()(model)
    return model
