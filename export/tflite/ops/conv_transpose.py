"""ConvTranspose: TRANSPOSE_CONV, with SAME where it equals ONNX's pads and a crop of the full result elsewhere.

TRANSPOSE_CONV has neither groups nor dilations. Dilated filters are spread with zeros. Grouped ones are ordinary
grouped convolutions: with stride ``s``, output ``s q + r`` is ``sum_t x[q - t] w[r + s t]``, so each phase ``r`` is a
convolution of ``x`` with every ``s``-th tap, turned round, and DEPTH_TO_SPACE puts the phases together. Where phases do
not fit (unequal strides, dilations), ``x`` is spread with zeros instead.

One spatial axis is a picture of height 1. Of three, the first goes into the batch: every tap ``k`` along it gives
planes that lie ``k * dilation`` further down, ``stride`` apart, and these are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.tflite.builder import Quantization, Tensor
from export.tflite.lowering import Lowering
from export.tflite.ops.conv import one_tap, read_bias, write_conv
from export.tflite.ops.formula import Formula
from export.tflite.ops.pieces import concatenate, take
from export.tflite.ops.spatial import bind_spatial, crop, pad_spatial, read_spatial, spread
from export.tflite.ops.windows import Sizes, Window
from export.tflite.registry import lowering, unsupported


@dataclass(frozen=True)
class Geometry:
    """Along each axis: stride, dilation, lines of the full result dropped in front, and the size of the output."""

    strides: Sizes
    dilations: Sizes
    before: Sizes
    output: Sizes

    def axes(self, start: int, stop: int | None) -> Geometry:
        """Some of the axes."""
        return Geometry(*(s[start:stop] for s in (self.strides, self.dilations, self.before, self.output)))


@lowering("ConvTranspose", 11)
def conv_transpose(context: Lowering, node: ir.Node) -> None:
    """Transposed convolution over one to three axes; weights ``[I, O/groups, ..]`` and bias may come at run time."""
    x = read_spatial(context, node)
    rank = x.rank
    filters = context.get(node.inputs[1], (1, *range(2, rank), 0))  # O/groups, .., I
    geometry = read_geometry(context, node, x.shape[1:-1], filters.shape[1:-1])
    groups = context.attribute(node, "group", 1)
    y = write_conv_transpose(context, x, filters, read_bias(context, node), geometry, groups)
    bind_spatial(context, node.outputs[0], y)


def read_geometry(context: Lowering, node: ir.Node, size: Sizes, kernel: Sizes) -> Geometry:
    """The node's geometry for an input of ``size``; pads, ``auto_pad`` and ``output_shape`` say what to drop."""
    axes = len(kernel)
    strides = tuple(context.attribute(node, "strides", (1,) * axes))
    dilations = tuple(context.attribute(node, "dilations", (1,) * axes))
    output = context.shape(node.outputs[0])[2:]
    if len(output) != axes:  # ONNX infers no shape where output_shape is smaller than the input
        raise unsupported(node, "the size of its output is not known; state its pads instead of output_shape.")
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size, strides, kernel, dilations, strict=True)]
    same = context.attribute(node, "auto_pad", "NOTSET").startswith("SAME")
    usual = tuple(n * s for n, s in zip(size, strides, strict=True))
    if same and context.attribute(node, "output_shape") is None and output != usual:
        raise unsupported(
            node, f"auto_pad gives an output of {list(usual)}, but the model's shapes say {list(output)}."
        )
    before = _dropped_before(context, node, full, output)
    return Geometry(strides, dilations, before, output)


def _dropped_before(context: Lowering, node: ir.Node, full: Sequence[int], output: Sizes) -> Sizes:
    axes = len(full)
    pads = tuple(context.attribute(node, "pads", (0,) * (2 * axes)))
    auto_pad = context.attribute(node, "auto_pad", "NOTSET")
    extra = tuple(context.attribute(node, "output_padding", (0,) * axes))
    if auto_pad == "VALID":
        return (0,) * axes
    if auto_pad == "NOTSET" and context.attribute(node, "output_shape") is None:
        if min(pads) < 0:
            raise unsupported(node, f"negative pads {list(pads)} are not supported.")
        return pads[:axes]
    if auto_pad not in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        raise unsupported(node, f"auto_pad '{auto_pad}' is not defined.")
    # The specification's formula for a given output size; SAME_UPPER puts the odd line at the end.
    totals = [max(f + e - t, 0) for f, e, t in zip(full, extra, output, strict=True)]
    if auto_pad == "SAME_UPPER":
        return tuple(total // 2 for total in totals)
    return tuple(total - total // 2 for total in totals)


def write_conv_transpose(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry, groups: int
) -> Tensor:
    """Writes a transposed convolution of ``x`` (channels last) with ``filters`` ``[O/groups, .., I]``.

    The output is ``[N, .., O]``; its spatial axes may be folded.
    """
    axes = len(geometry.output)
    if axes == 1:
        (s,), (d,), (b,), (t,) = geometry.strides, geometry.dilations, geometry.before, geometry.output
        flat = Geometry((1, s), (1, d), (0, b), (1, t))
        x = context.reshape(x, (x.shape[0], 1, *x.shape[1:]))
        filters = context.reshape(filters, (filters.shape[0], 1, *filters.shape[1:]))
        return write_conv_transpose(context, x, filters, bias, flat, groups)
    if axes > 2:
        return _sum_over_taps(context, x, filters, bias, geometry, groups)
    if groups == 1:
        y = _ungrouped(context, x, filters, bias, geometry)
        return _spread_input(context, x, filters, bias, geometry, 1) if y is None else y
    if filters.data is None:
        return _group_by_group(context, x, filters, bias, geometry, groups)
    if geometry.strides[0] == geometry.strides[1] > 1 and geometry.dilations == (1, 1):
        return _by_phases(context, x, filters, bias, geometry, groups)
    return _spread_input(context, x, filters, bias, geometry, groups)


def _sum_over_taps(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry, groups: int
) -> Tensor:
    f, rest = Formula(context), geometry.axes(1, None)
    stride, dilation, before, output = (sizes[0] for sizes in (
        geometry.strides, geometry.dilations, geometry.before, geometry.output))  # fmt: skip
    n, depth = x.shape[:2]
    planes = context.reshape(x, (n * depth, *x.shape[2:]))
    nothing = context.builder.constant(np.zeros(bias.shape, np.float32))
    total = None
    for tap in range(filters.shape[1]):
        part = write_conv_transpose(context, planes, one_tap(context, filters, 1, tap), nothing, rest, groups)
        part = context.reshape(part, (n, depth, int(np.prod(rest.output)), part.shape[-1]))
        part = crop(context, spread(context, part, 1, stride), 1, before - tap * dilation, output)
        total = part if total is None else f.add(total, part)
    return f.add(total, bias)


# ---- two axes, one group


def transposed_filters(context: Lowering, node: ir.Node, weights: np.ndarray) -> np.ndarray:
    """Weights ``[I, O, kH, kW]`` of one group as TRANSPOSE_CONV wants them: ``[O, kH, kW, I]``, spread if dilated."""
    laid = np.ascontiguousarray(weights.transpose(1, 2, 3, 0))
    return _spread_filters(laid, tuple(context.attribute(node, "dilations", (1, 1))))


def _spread_filters(laid: np.ndarray, dilations: Sizes) -> np.ndarray:
    (kh, kw), (dh, dw) = laid.shape[1:3], dilations
    wide = np.zeros((laid.shape[0], (kh - 1) * dh + 1, (kw - 1) * dw + 1, laid.shape[3]), laid.dtype)
    wide[:, ::dh, ::dw] = laid
    return wide


def emit_conv_transpose(
    context: Lowering, node: ir.Node, operands: Sequence[Tensor], quantization: Quantization | None = None
) -> Tensor:
    """Writes TRANSPOSE_CONV of ``operands``: ``x`` (NHWC), :func:`transposed_filters` and bias.

    It is of ``x``'s type if ``quantization`` is given, else float32. Raises :class:`UnsupportedError` for output
    padding that is not less than the stride.
    """
    x, filters, bias = operands
    dilations = context.attribute(node, "dilations", (1, 1))
    kernel = tuple((k - 1) // d + 1 for k, d in zip(filters.shape[1:3], dilations, strict=True))
    geometry = read_geometry(context, node, x.shape[1:3], kernel)
    spread_already = Geometry(geometry.strides, (1, 1), geometry.before, geometry.output)
    y = _ungrouped(context, x, filters, bias, spread_already, quantization)
    if y is None:
        raise unsupported(node, "its output padding is not smaller than its strides.")
    return y


def _ungrouped(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry,
    quantization: Quantization | None = None,
) -> Tensor | None:  # fmt: skip
    """TRANSPOSE_CONV; None if there is more output padding than it takes.

    The full result along an axis has ``(n - 1) * stride + k`` lines, to which output padding adds up to
    ``stride - 1``; ``geometry.before`` says how many to drop in front.
    """
    builder, strides, target, before = context.builder, geometry.strides, geometry.output, geometry.before
    dtype = np.float32 if quantization is None else x.dtype
    if geometry.dilations != (1, 1):
        if filters.data is None:
            return None
        filters = builder.constant(_spread_filters(filters.data, geometry.dilations))
    size, kernel, channels = x.shape[1:3], filters.shape[1:3], filters.shape[0]

    def emit(output: Sizes, padding: str) -> Tensor:
        shape = (x.shape[0], *output, channels)
        return builder.emit(
            "TRANSPOSE_CONV", [builder.ints(shape), filters, x, bias], shape, dtype=dtype, quantization=quantization,
            padding=padding, strideH=strides[0], strideW=strides[1],
        )  # fmt: skip

    totals = [max((-(-t // s) - 1) * s + k - t, 0) for t, s, k in zip(target, strides, kernel, strict=True)]
    fits = all(-(-t // s) == n for t, s, n in zip(target, strides, size, strict=True))
    if any(totals) and fits and before == tuple(total // 2 for total in totals):
        return emit(target, "SAME")
    needed = tuple((n - 1) * s + k for n, s, k in zip(size, strides, kernel, strict=True))
    full = tuple(max(f, b + t) for f, b, t in zip(needed, before, target, strict=True))
    if any(f - need >= s for f, need, s in zip(full, needed, strides, strict=True)):
        return None
    return _crop(context, emit(full, "VALID"), geometry)


# ---- two axes, several groups


def _group_by_group(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry, groups: int
) -> Tensor:
    inputs, outputs = x.shape[3] // groups, filters.shape[0]
    parts = []
    for g in range(groups):
        own = take(context, x, 3, g * inputs, inputs)
        taps = take(context, filters, 3, g * inputs, inputs)
        part_of_bias = take(context, bias, 0, g * outputs, outputs)
        parts.append(write_conv_transpose(context, own, taps, part_of_bias, geometry, 1))
    return concatenate(context, parts, 3)


def _by_phases(context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry, groups: int) -> Tensor:
    stride = geometry.strides[0]
    laid, depthwise = _as_convolution(filters.data, groups, x.shape[3])
    axes = (1, 2)
    taps = tuple(-(-filters.shape[axis] // stride) for axis in axes)
    lines = tuple(
        max(n + t - 1, -(-(b + o) // stride))
        for n, t, b, o in zip(x.shape[1:3], taps, geometry.before, geometry.output, strict=True)
    )
    before = tuple(t - 1 for t in taps)
    after = tuple(q - n for q, n in zip(lines, x.shape[1:3], strict=True))
    x = pad_spatial(context, x, before, after)
    window = Window(taps, (1, 1), (1, 1), (0, 0), (0, 0))
    wide = np.zeros((laid.shape[0], taps[0] * stride, taps[1] * stride, laid.shape[3]), np.float32)
    wide[:, : laid.shape[1], : laid.shape[2]] = laid
    phases = []
    for down in range(stride):
        for right in range(stride):
            turned = np.ascontiguousarray(wide[:, down::stride, right::stride][:, ::-1, ::-1])
            kernel = context.builder.constant(turned)
            phases.append(write_conv(context, x, kernel, bias, window, lines, depthwise))
    together = concatenate(context, phases, 3)
    shape = (x.shape[0], lines[0] * stride, lines[1] * stride, bias.shape[0])
    y = context.builder.emit("DEPTH_TO_SPACE", [together], shape, blockSize=stride)
    return _crop(context, y, geometry)


def _spread_input(
    context: Lowering, x: Tensor, filters: Tensor, bias: Tensor, geometry: Geometry, groups: int
) -> Tensor:
    """An ordinary convolution of ``x`` with zeros between its lines."""
    for axis in (1, 2):
        x = spread(context, x, axis, geometry.strides[axis - 1])
        reach = (filters.shape[axis] - 1) * geometry.dilations[axis - 1]
        x = crop(context, x, axis, geometry.before[axis - 1] - reach, geometry.output[axis - 1] + reach)
    depthwise = False
    if filters.data is not None:
        laid, depthwise = _as_convolution(filters.data, groups, x.shape[3])
        kernel = context.builder.constant(np.ascontiguousarray(laid[:, ::-1, ::-1]))
    else:
        kernel = filters
        for axis in (1, 2):
            kernel = context.builder.emit("REVERSE_V2", [kernel, context.builder.ints([axis])], kernel.shape)
    none = (0, 0)
    window = Window(tuple(kernel.shape[1:3]), (1, 1), geometry.dilations, none, none)
    return write_conv(context, x, kernel, bias, window, geometry.output, depthwise)


def _as_convolution(filters: np.ndarray, groups: int, inputs: int) -> tuple[np.ndarray, bool]:
    """``[O/groups, H, W, I]`` as the filters of CONV_2D ``[O, H, W, I/groups]``, or depthwise ``[1, H, W, O]``."""
    outputs, kh, kw, _ = filters.shape
    split = filters.reshape(outputs, kh, kw, groups, inputs // groups)
    if groups == inputs > 1:
        return np.ascontiguousarray(split[..., 0].transpose(1, 2, 3, 0).reshape(1, kh, kw, groups * outputs)), True
    laid = split.transpose(3, 0, 1, 2, 4).reshape(groups * outputs, kh, kw, inputs // groups)
    return np.ascontiguousarray(laid), False


def _crop(context: Lowering, y: Tensor, geometry: Geometry) -> Tensor:
    shape = (y.shape[0], *geometry.output, y.shape[3])
    if y.shape == shape:
        return y
    begin = context.builder.ints((0, *geometry.before, 0))
    return context.builder.emit("SLICE", [y, begin, context.builder.ints(shape)], shape, like=y)
