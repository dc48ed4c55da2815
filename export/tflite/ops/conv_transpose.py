"""ConvTranspose: TRANSPOSE_CONV, with SAME where it equals ONNX's pads and a crop of the full result elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import NHWC, Lowering
from export.tflite.registry import lowering, unsupported

Pair = tuple[int, int]


@lowering("ConvTranspose", 11)
def conv_transpose(context: Lowering, node: ir.Node) -> None:
    """Transposed convolution with constant weights ``[I, O/groups, kH, kW]`` over a picture."""
    x = context.nhwc(node)
    weights = context.need_constant(node, 1, "weight")
    filters = transposed_filters(context, node, weights)
    bias = np.zeros(filters.shape[0], np.float32)
    if context.input(node, 2) is not None:
        bias = context.need_constant(node, 2, "bias")
    y = emit_conv_transpose(context, node, [x, context.builder.constant(filters), context.builder.constant(bias)])
    context.bind(node.outputs[0], y, NHWC)


def transposed_filters(context: Lowering, node: ir.Node, weights: np.ndarray) -> np.ndarray:
    """The weights as ``[O, kH, kW, I]``; groups and dilation, which TFLite lacks here, become zeros."""
    groups = context.attribute(node, "group", 1)
    dh, dw = context.attribute(node, "dilations", (1, 1))
    inputs, per_group, kh, kw = weights.shape
    spread = np.zeros((inputs, per_group, (kh - 1) * dh + 1, (kw - 1) * dw + 1), weights.dtype)
    spread[:, :, ::dh, ::dw] = weights
    dense = np.zeros((inputs, per_group * groups, *spread.shape[2:]), weights.dtype)
    step = inputs // groups
    for g in range(groups):
        dense[g * step : (g + 1) * step, g * per_group : (g + 1) * per_group] = spread[g * step : (g + 1) * step]
    return np.ascontiguousarray(dense.transpose(1, 2, 3, 0))


def emit_conv_transpose(
    context: Lowering, node: ir.Node, operands: Sequence[Tensor], quantization: Quantization | None = None
) -> Tensor:
    """Writes the transposed convolution of ``operands``, as :func:`~export.tflite.ops.conv.emit_conv` does the other.

    The full result along an axis has ``(n - 1) * stride + k`` lines, to which output padding adds up to
    ``stride - 1``; ONNX's pads say how many to drop at each end.
    """
    x, filters, bias = operands
    dtype = np.float32 if quantization is None else np.int8
    builder = context.builder
    strides = tuple(context.attribute(node, "strides", (1, 1)))
    size, kernel = x.shape[1:3], filters.shape[1:3]
    target = context.shape(node.outputs[0])[2:]
    before = _pads_before(context, node, size, kernel, strides, target)
    channels = filters.shape[0]

    def emit(output: Pair, padding: str) -> Tensor:
        shape = (x.shape[0], *output, channels)
        return builder.emit(
            "TRANSPOSE_CONV", [builder.ints(shape), filters, x, bias], shape, dtype=dtype, quantization=quantization,
            padding=padding, strideH=strides[0], strideW=strides[1],
        )  # fmt: skip

    totals = [max((-(-t // s) - 1) * s + k - t, 0) for t, s, k in zip(target, strides, kernel, strict=True)]
    fits = all(-(-t // s) == n for t, s, n in zip(target, strides, size, strict=True))
    if any(totals) and fits and before == tuple(total // 2 for total in totals):
        return emit(target, "SAME")
    full = tuple((n - 1) * s + k for n, s, k in zip(size, strides, kernel, strict=True))
    full = tuple(max(f, b + t) for f, b, t in zip(full, before, target, strict=True))
    if any(f - ((n - 1) * s + k) >= s for f, n, s, k in zip(full, size, strides, kernel, strict=True)):
        raise unsupported(node, "its output padding is not smaller than its strides.")
    y = emit(full, "VALID")
    if full == target:
        return y
    begin = builder.ints((0, *before, 0))
    shape = (x.shape[0], *target, channels)
    return builder.emit("SLICE", [y, begin, builder.ints(shape)], shape, like=y)


def _pads_before(context: Lowering, node: ir.Node, size: Pair, kernel: Pair, strides: Pair, target: Pair) -> Pair:
    pads = tuple(context.attribute(node, "pads", (0, 0, 0, 0)))
    auto_pad = context.attribute(node, "auto_pad", "NOTSET")
    extra = tuple(context.attribute(node, "output_padding", (0, 0)))
    if auto_pad == "VALID":
        return 0, 0
    if auto_pad == "NOTSET" and context.attribute(node, "output_shape") is None:
        if min(pads) < 0:
            raise unsupported(node, f"negative pads {list(pads)} are not supported.")
        return pads[:2]
    # The specification's formula for a given output size; SAME_UPPER puts the odd line at the end.
    totals = [
        max(s * (n - 1) + e + k - t, 0) for s, n, e, k, t in zip(strides, size, extra, kernel, target, strict=True)
    ]
    if auto_pad == "SAME_UPPER":
        return tuple(total // 2 for total in totals)
    return tuple(total - total // 2 for total in totals)
