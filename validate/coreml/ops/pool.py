"""Average, maximum and L2 pooling, with PyTorch's reading of ``ceil_mode``."""

from __future__ import annotations

from typing import Any

from validate.coreml.graph import Graph, param, shape_of, unsupported
from validate.coreml.ops.conv import onnx_pads, window_pads
from validate.coreml.registry import mil_op


def _window(op: Any) -> tuple[list[int], list[int], list[tuple[int, int]], list[int]]:
    """Kernel, strides, pads, and the columns a last, overhanging window (``ceil_mode``) needs past the pads."""
    size, wanted = shape_of(op.x)[2:], shape_of(op.outputs[0])[2:]
    kernel = [int(k) for k in param(op, "kernel_sizes")]
    strides = [int(s) for s in param(op, "strides")]
    pads = window_pads(op, size, kernel, strides, param(op, "pad_type"), param(op, "pad"))
    overhang = [
        max(0, (out - 1) * s + k - (n + before + after))
        for n, k, s, (before, after), out in zip(size, kernel, strides, pads, wanted, strict=True)
    ]
    for k, (before, after), more in zip(kernel, pads, overhang, strict=True):
        if before >= k or after + more >= k:
            raise unsupported(op, f"its padding {before}, {after} is not smaller than its kernel {k}")
    return kernel, strides, pads, overhang


def _with_overhang(pads: list[tuple[int, int]], overhang: list[int]) -> list[int]:
    return onnx_pads([(before, after + more) for (before, after), more in zip(pads, overhang, strict=True)])


@mil_op("max_pool", exact=True)
def max_pool(graph: Graph, op: Any) -> str:
    """Maximum over each window; padding never wins."""
    kernel, strides, pads, overhang = _window(op)
    x = graph.tensor(op.x)
    return graph.node("MaxPool", x, kernel_shape=kernel, strides=strides, pads=_with_overhang(pads, overhang))


@mil_op("avg_pool")
def avg_pool(graph: Graph, op: Any) -> str:
    """Mean over each window; padding counts as zeros or, with ``exclude_padding_from_average``, not at all.

    Columns that only ``ceil_mode`` adds never count.
    """
    return _average(graph, op, graph.tensor(op.x), bool(param(op, "exclude_padding_from_average")))


def _average(graph: Graph, op: Any, x: str, exclude_padding: bool) -> str:
    kernel, strides, pads, overhang = _window(op)
    if not exclude_padding and any(sum(pair) for pair in pads):
        x = graph.node("Pad", x, graph.ints(onnx_pads([(0, 0), (0, 0), *pads])))
        pads = [(0, 0)] * len(pads)
    return graph.node(
        "AveragePool",
        x,
        kernel_shape=kernel,
        strides=strides,
        pads=_with_overhang(pads, overhang),
        count_include_pad=0,
    )


@mil_op("l2_pool")
def l2_pool(graph: Graph, op: Any) -> str:
    """Square root of the sum of squares over each window."""
    kernel, _, _, overhang = _window(op)
    if any(overhang):
        raise unsupported(op, "ceil_mode with an overhanging window is not defined for it")
    x = graph.tensor(op.x)
    mean = _average(graph, op, graph.node("Mul", x, x), exclude_padding=False)
    count = 1.0
    for k in kernel:
        count *= k
    return graph.node("Sqrt", graph.node("Mul", mean, count))
