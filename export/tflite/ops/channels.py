"""Channels to places and back: DepthToSpace, SpaceToDepth."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.ops.formula import Formula
from export.tflite.registry import lowering, unsupported


@lowering("DepthToSpace", 13)
def depth_to_space(context: Lowering, node: ir.Node) -> None:
    """Blocks of channels become blocks of pixels.

    TFLite's DEPTH_TO_SPACE is the mode DCR. For CRD (PyTorch's pixel shuffle) the channels are put into DCR order
    first: in the filters of the convolution in front where there is one, else by a GATHER.
    """
    x = context.nhwc(node)
    block = context.attribute(node, "blocksize")
    n, h, w, c = x.shape
    mode = context.attribute(node, "mode", "DCR")
    if mode == "CRD":
        order = np.arange(c).reshape(c // block**2, block, block).transpose(1, 2, 0).reshape(-1)
        x = _permute_channels(context, node, x, order)
    elif mode != "DCR":
        raise unsupported(node, f"mode '{mode}' is not defined.")
    shape = (n, h * block, w * block, c // block**2)
    context.bind(node.outputs[0], _rearrange(context, "DEPTH_TO_SPACE", x, shape, block), NHWC)


def _permute_channels(context: Lowering, node: ir.Node, x: Tensor, order: np.ndarray) -> Tensor:
    value, producer = node.inputs[0], x.producer
    alone = len(value.uses()) == 1 and not value.is_graph_output() and not x.consumers and x.bindings == 1
    if alone and producer is not None and producer.code == "CONV_2D" and x.quantization is None:
        groups = producer.inputs[0].shape[3] // producer.inputs[1].shape[3]
        if groups == 1 and all(t.data is not None for t in producer.inputs[1:3]):
            filters, bias = producer.inputs[1:3]
            producer.inputs[1:3] = [
                context.builder.constant(filters.data[order], filters.name),
                context.builder.constant(bias.data[order], bias.name),
            ]
            return x
    return context.builder.emit("GATHER", [x, context.builder.ints(order)], x.shape, like=x, axis=3)


@lowering("SpaceToDepth", 13)
def space_to_depth(context: Lowering, node: ir.Node) -> None:
    """Blocks of pixels become blocks of channels; both sides put the pixel's place before the channel."""
    x = context.nhwc(node)
    block = context.attribute(node, "blocksize")
    n, h, w, c = x.shape
    shape = (n, h // block, w // block, c * block**2)
    context.bind(node.outputs[0], _rearrange(context, "SPACE_TO_DEPTH", x, shape, block), NHWC)


def _rearrange(context: Lowering, code: str, x: Tensor, shape: tuple[int, ...], block: int) -> Tensor:
    """The operator ``code``, which takes every type but truth values."""
    f = Formula(context)
    kind, x = x.dtype, f.cast(x, np.int32) if x.dtype == np.bool_ else x
    return f.cast(context.builder.emit(code, [x], shape, like=x, blockSize=block), kind)
