"""Convolution and transposed convolution. MIL weights are laid out as in PyTorch and ONNX."""

from __future__ import annotations

from typing import Any

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.registry import mil_op


def window_pads(
    op: Any, size: tuple[int, ...], kernel: list[int], strides: list[int], pad_type: str, pad: Any
) -> list[tuple[int, int]]:
    """Rows or columns padded before and after each spatial dimension.

    ``same`` pads so that the result has ``ceil(size / stride)`` elements and puts an odd one at the end,
    ``same_lower`` at the beginning (as TensorFlow's SAME; ONNX's SAME_UPPER and SAME_LOWER).
    """
    if pad_type == "valid":
        return [(0, 0)] * len(size)
    if pad_type == "custom":
        return [(int(pad[2 * i]), int(pad[2 * i + 1])) for i in range(len(size))]
    if pad_type not in ("same", "same_lower"):
        raise unsupported(op, f"pad_type {pad_type!r} is unknown")
    pads = []
    for n, k, s in zip(size, kernel, strides, strict=True):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        small, large = total // 2, total - total // 2
        pads.append((small, large) if pad_type == "same" else (large, small))
    return pads


def onnx_pads(pads: list[tuple[int, int]]) -> list[int]:
    """ONNX's order: all befores, then all afters."""
    return [before for before, _ in pads] + [after for _, after in pads]


def _ints(values: Any) -> list[int]:
    return [int(value) for value in values]


@mil_op("conv")
def conv(graph: Graph, op: Any) -> str:
    """1-D to 3-D convolution with groups and dilations; ``weight`` [C_out, C_in / groups, *K]."""
    size = shape_of(op.x)[2:]
    kernel = list(shape_of(op.weight)[2:])
    strides, dilations = _ints(param(op, "strides")), _ints(param(op, "dilations"))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = window_pads(op, size, reach, strides, param(op, "pad_type"), param(op, "pad"))
    inputs = [graph.tensor(op.x), graph.tensor(op.weight)]
    if op.bias is not None:
        inputs.append(graph.tensor(op.bias))
    return graph.node(
        "Conv",
        *inputs,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=int(param(op, "groups")),
        pads=onnx_pads(pads),
    )


@mil_op("conv_transpose")
def conv_transpose(graph: Graph, op: Any) -> str:
    """Transposed convolution; ``weight`` [C_in, C_out / groups, *K].

    The full result has ``(n - 1) * stride + (k - 1) * dilation + 1`` elements; padding is what is cut off it.
    With ``output_shape`` the cut at the end is whatever leaves that size, possibly none, and then zeros
    (plus bias) are added.
    """
    size = shape_of(op.x)[2:]
    kernel = list(shape_of(op.weight)[2:])
    strides, dilations = _ints(param(op, "strides")), _ints(param(op, "dilations"))
    pad_type, pad = param(op, "pad_type"), param(op, "pad")
    wanted = shape_of(op.outputs[0])[2:]
    pads, extra = [], []
    for i, (n, k, s, d) in enumerate(zip(size, kernel, strides, dilations, strict=True)):
        total = (n - 1) * s + (k - 1) * d + 1 - wanted[i]
        if pad_type == "custom":
            before = int(pad[2 * i])
        elif pad_type == "valid":
            before = 0
        elif pad_type == "same":
            before = max(total, 0) // 2
        else:
            raise unsupported(op, f"pad_type {pad_type!r} is unknown")
        after = total - before
        pads.append((before, max(after, 0)))
        extra.append(max(-after, 0))
        if extra[-1] >= max(s, d):
            raise unsupported(op, f"output_shape {list(wanted)} is larger than its input can fill")
    inputs = [graph.tensor(op.x), graph.tensor(op.weight)]
    if op.bias is not None:
        inputs.append(graph.tensor(op.bias))
    return graph.node(
        "ConvTranspose",
        *inputs,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=int(param(op, "groups")),
        pads=onnx_pads(pads),
        output_padding=extra,
    )
