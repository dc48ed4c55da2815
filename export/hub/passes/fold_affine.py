"""s·(W∗x + b) + t = (sW)∗x + (sb + t), and W∗(s·x + t) + b = (Ws)∗x + (b + Σ Wt).

A scale s and a shift t per channel behind a convolution go into its weights and bias: BatchNormalization with
s = γ/√(σ²+ε) and t = β − sμ, or Mul, Div, Add, Sub and Neg by one number or one per channel. In front of a
convolution they go in too, except that padding puts 0 beside the picture where t would be: with t ≠ 0 only into a
convolution without padding, and never into a transposed one, whose borders see fewer taps. There the scale goes in
alone, W∗(s·x + t) = (Ws)∗(x + t/s), because s·0 = 0. Padding by the picture's own pixels, reflected or repeated, may
lie between, Pad(s·x + t) = s·Pad(x) + t, and padding with zeros where t = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import (
    attribute,
    channel_vector,
    constant,
    dims,
    fits_float32,
    float_constant,
    only_used_by,
    produced_by,
    replace,
    scalar,
)

CONVOLUTIONS = ("Conv", "ConvTranspose")
UNPADDED = ("NOTSET", "VALID")


@dataclass
class Affine:
    """y = scale · x + shift, one number per channel, in float64."""

    x: ir.Value
    scale: np.ndarray
    shift: np.ndarray


def fold_affine(model: ir.Model) -> int:
    """Fold per-channel scales and shifts into the convolutions before or after them; returns how many."""
    count = 0
    for node in list(model.graph):
        affine = read_affine(node)
        if affine is not None and (_fold_into_producer(node, affine) or _fold_into_user(node, affine)):
            count += 1
    return count


def read_affine(node: ir.Node, axis: int = 1) -> Affine | None:
    """What ``node`` does as an :class:`Affine` map with one number for each place of ``axis``, or ``None``."""
    shape = dims(node.outputs[0])
    if shape is None or len(shape) < 2:
        return None
    axis %= len(shape)
    ones, zeros = np.ones(shape[axis]), np.zeros(shape[axis])
    if node.op_type == "BatchNormalization":
        return _read_batch_norm(node) if axis == 1 else None
    if node.op_type == "Neg":
        return Affine(node.inputs[0], -ones, zeros)
    if node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    swapped = constant(node.inputs[1]) is None
    x, other = node.inputs[:2] if not swapped else reversed(node.inputs[:2])
    array = constant(other)
    if array is None or constant(x) is not None or dims(x) != shape or array.dtype != np.float32:
        return None
    c = channel_vector(array, len(shape), shape[axis], axis)
    if c is None:
        return None
    if node.op_type == "Add":
        return Affine(x, ones, c)
    if node.op_type == "Mul":
        return Affine(x, c, zeros)
    if node.op_type == "Sub":
        return Affine(x, -ones, c) if swapped else Affine(x, ones, -c)
    return None if swapped or not np.all(c) else Affine(x, 1 / c, zeros)


def _read_batch_norm(node: ir.Node) -> Affine | None:
    parameters = [constant(value) for value in node.inputs[1:5]]
    if any(p is None for p in parameters) or attribute(node, "training_mode", 0):
        return None
    gamma, beta, mean, variance = (p.astype(np.float64) for p in parameters)
    scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return Affine(node.inputs[0], scale, beta - scale * mean)


def _fold_into_producer(node: ir.Node, affine: Affine) -> bool:
    conv = produced_by(affine.x, *CONVOLUTIONS)
    weights = _weights(conv)
    if weights is None or not only_used_by(affine.x, node):
        return False
    kernel, bias = weights
    if conv.op_type == "Conv":  # (M, C/g, …): the output channel is axis 0
        kernel = kernel * _along(affine.scale, 0, kernel.ndim)
    else:  # (C, M/g, …): the output channel is (group, axis 1)
        grouped = _grouped(kernel, attribute(conv, "group", 1))
        scale = affine.scale.reshape(grouped.shape[0], 1, grouped.shape[2], *[1] * (kernel.ndim - 2))
        kernel = (grouped * scale).reshape(kernel.shape)
    bias = (0 if bias is None else bias * affine.scale) + affine.shift
    return _rewrite_convolution(node, conv, conv.inputs[0], kernel, bias)


def _fold_into_user(node: ir.Node, affine: Affine) -> bool:
    conv, pad = only_user(node.outputs[0]), None
    if conv is not None and conv.op_type == "Pad":
        pad, conv = conv, only_user(conv.outputs[0])
    weights = _weights(conv) if conv is not None and conv.op_type in CONVOLUTIONS else None
    if weights is None or (pad is not None and not _commutes(pad, affine)):
        return False
    shifted = None
    if np.any(affine.shift) and not _sees_every_tap(conv):
        affine, _ = whole_chain(node, affine)
        if pad is not None or not np.all(affine.scale) or np.all(affine.scale == 1):
            return False
        shifted = affine.shift / affine.scale
        if not fits_float32(shifted):
            return False
    if not _fold_into_weights(conv, affine, weights, conv.inputs[0], with_shift=shifted is None):
        return False
    if shifted is not None:
        column = float_constant(node.graph, shifted.reshape(-1, *[1] * (len(affine.x.shape) - 2)), "shift")
        replace(node, lambda tape: tape.op("Add", [affine.x, column]))
    elif pad is not None:
        pad.replace_input_with(0, affine.x)
        node.graph.remove(node, safe=True)
    else:
        node.outputs[0].replace_all_uses_with(affine.x)
        node.graph.remove(node, safe=True)
    return True


def whole_chain(node: ir.Node, affine: Affine) -> tuple[Affine, int]:
    """What ``node`` and the affine maps before it do that feed nothing else, and how many they are."""
    length = 1
    while (before := affine.x.producer()) is not None and only_user(affine.x) is not None:
        inner = read_affine(before)
        if inner is None:
            break
        affine = Affine(inner.x, affine.scale * inner.scale, affine.scale * inner.shift + affine.shift)
        length += 1
    return affine, length


def only_user(value: ir.Value) -> ir.Node | None:
    """The node that alone uses ``value``, once and as its first input."""
    uses = list(value.uses())
    if len(uses) != 1 or uses[0].idx != 0 or value.is_graph_output():
        return None
    return uses[0].node


def _commutes(pad: ir.Node, affine: Affine) -> bool:
    """Whether padding before or after the affine map is the same."""
    if attribute(pad, "mode", "constant") in ("reflect", "edge", "wrap"):
        shape, padded = dims(pad.inputs[0]), dims(pad.outputs[0])
        return shape is not None and padded is not None and shape[:2] == padded[:2]
    filler = pad.inputs[2] if len(pad.inputs) > 2 else None
    is_zero = filler is None or scalar(filler) == 0.0
    shape, padded = dims(pad.inputs[0]), dims(pad.outputs[0])
    return is_zero and not np.any(affine.shift) and shape is not None and shape[:2] == (padded or ())[:2]


def _fold_into_weights(
    conv: ir.Node, affine: Affine, weights: tuple[np.ndarray, np.ndarray | None], x: ir.Value, with_shift: bool
) -> bool:
    """Put ``conv`` of an affine map in the place of ``conv``, as a convolution of ``x``."""
    kernel, bias = weights
    if conv.op_type == "ConvTranspose":  # (C, M/g, …): the input channel is axis 0
        return _rewrite_convolution(conv, conv, x, kernel * _along(affine.scale, 0, kernel.ndim), bias)
    grouped = _grouped(kernel, attribute(conv, "group", 1))  # (g, M/g, C/g, …): the input channel is (g, axis 2)
    per_input = (grouped.shape[0], 1, grouped.shape[2], *[1] * (kernel.ndim - 2))
    moved = (grouped * affine.shift.reshape(per_input)).sum(axis=tuple(range(2, grouped.ndim))).reshape(-1)
    kernel = (grouped * affine.scale.reshape(per_input)).reshape(kernel.shape)
    if with_shift and np.any(affine.shift):
        bias = (0 if bias is None else bias) + moved
    return _rewrite_convolution(conv, conv, x, kernel, bias)


def _sees_every_tap(conv: ir.Node) -> bool:
    pads = attribute(conv, "pads", ())
    return conv.op_type == "Conv" and attribute(conv, "auto_pad", "NOTSET") in UNPADDED and not any(pads)


def _weights(conv: ir.Node | None) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Kernel and bias in float64, if both are float32 constants."""
    if conv is None:
        return None
    kernel = constant(conv.inputs[1])
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    bias = constant(conv.inputs[2]) if has_bias else None
    if kernel is None or kernel.dtype != np.float32 or (has_bias and bias is None):
        return None
    return kernel.astype(np.float64), None if bias is None else bias.astype(np.float64)


def _along(vector: np.ndarray, axis: int, rank: int) -> np.ndarray:
    return vector.reshape([-1 if a == axis else 1 for a in range(rank)])


def _grouped(kernel: np.ndarray, groups: int) -> np.ndarray:
    return kernel.reshape(groups, kernel.shape[0] // groups, *kernel.shape[1:])


def _rewrite_convolution(
    node: ir.Node, conv: ir.Node, x: ir.Value, kernel: np.ndarray, bias: np.ndarray | None
) -> bool:
    """Put ``conv`` with other weights in the place of ``node``, unless they overflow float32."""
    if not fits_float32(kernel, bias):
        return False
    graph, hint = node.graph, conv.inputs[1].name
    inputs = [x, float_constant(graph, kernel, hint)]
    if bias is not None:
        inputs.append(float_constant(graph, bias, f"{hint}_bias"))
    replace(node, lambda tape: tape.op(conv.op_type, inputs, dict(conv.attributes), name=conv.name))
    return True
