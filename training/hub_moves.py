"""The hub's operators that move, repeat or pool elements; none of them has anything to train.

What depends on the size of the picture is taken from the node's static shapes and, where there is one meaning at
every size (a factor of enlargement, say), works at other sizes too; what has none refuses them.
"""

from __future__ import annotations

from math import isclose

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from torch import nn

from training.hub_operators import Apply, attribute, constant, operator, refused, required
from validate.errors import UnsupportedError

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@operator("Pad")
def pad(node: ir.Node) -> nn.Module:
    """Height and width of a picture, or any axes with a constant."""
    pads = required(node, 1).reshape(2, -1)
    mode = _PAD_MODES.get(attribute(node, "mode", "constant"))
    rank = len(node.inputs[0].shape)
    axes = constant(node, 3)
    full = np.zeros((2, rank), int)
    full[:, list(range(rank)) if axes is None else [int(axis) % rank for axis in axes]] = pads
    if mode is None or (mode != "constant" and (rank != 4 or full[:, :2].any())):
        raise refused(node, "pads in a way that torch does not")
    fill = constant(node, 2)
    value = 0.0 if fill is None else float(fill.reshape(()))
    flat = [int(side) for axis in reversed(range(rank if mode == "constant" else 4)) for side in full[:, axis]]
    if mode != "constant":
        return Apply(lambda x, *_: F.pad(x, flat[:4], mode=mode))
    return Apply(lambda x, *_: F.pad(x, flat, value=value))


@operator("Resize")
def resize(node: ir.Node) -> nn.Module:
    """Nearest by whole factors, linear and cubic by half pixels or aligned corners, of pictures."""
    before, after = node.inputs[0].shape, node.outputs[0].shape
    if len(before) != 4 or before[:2] != after[:2]:
        raise refused(node, "resizes other than a picture")
    scales = constant(node, 2)
    factors = (
        tuple(after[i] / before[i] for i in (2, 3))
        if scales is None or not scales.size
        else tuple(float(scale) for scale in (scales if len(scales) == 2 else scales[2:]))
    )
    mode = attribute(node, "mode", "nearest")
    where = attribute(node, "coordinate_transformation_mode", "half_pixel")
    size = [round(factor * before[i]) for factor, i in zip(factors, (2, 3), strict=True)]
    if (
        attribute(node, "antialias", 0)
        or size != list(after[2:])
        or not all(
            isclose(factor, after[i] / before[i], rel_tol=1e-6) for factor, i in zip(factors, (2, 3), strict=True)
        )
    ):
        raise refused(node, "resizes in a way that torch does not")

    def target(x: torch.Tensor) -> list[int]:
        return [round(x.shape[i] * after[i] / before[i]) for i in (2, 3)]

    if mode == "nearest" and _repeats(node, factors, where):
        rows, columns = (round(factor) for factor in factors)
        return Apply(lambda x, *_: F.interpolate(x, scale_factor=(rows, columns), mode="nearest"))
    align = {"half_pixel": False, "pytorch_half_pixel": False, "align_corners": True}.get(where)
    if mode == "linear" and align is not None:
        return Apply(lambda x, *_: F.interpolate(x, size=target(x), mode="bilinear", align_corners=align))
    if mode == "cubic" and align is not None and isclose(attribute(node, "cubic_coeff_a", -0.75), -0.75):
        return Apply(lambda x, *_: F.interpolate(x, size=target(x), mode="bicubic", align_corners=align))
    raise refused(node, "resizes in a way that torch does not")


def _repeats(node: ir.Node, factors: tuple[float, ...], where: str) -> bool:
    """Whether nearest repeats each element a whole number of times."""
    if not all(isclose(factor, round(factor)) and factor >= 1 for factor in factors):
        return False
    rounding = attribute(node, "nearest_mode", "round_prefer_floor")
    if where == "asymmetric":
        return rounding == "floor" or (rounding == "round_prefer_floor" and max(factors) <= 2)
    return where in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")


@operator("MaxPool", "AveragePool")
def pool(node: ir.Node) -> nn.Module:
    """Of pictures, with equal pads on opposite sides."""
    top, left, bottom, right = attribute(node, "pads", (0, 0, 0, 0))
    even = (top, left) == (bottom, right)
    plain = attribute(node, "auto_pad", "NOTSET") == "NOTSET" and not attribute(node, "ceil_mode", 0)
    dilations = attribute(node, "dilations", (1, 1))
    if len(node.inputs[0].shape) != 4 or len(node.outputs) != 1 or not plain:
        raise refused(node, "pools in a way that torch does not")
    kernel, stride = attribute(node, "kernel_shape"), attribute(node, "strides", (1, 1))
    if node.op_type == "MaxPool":
        return Apply(
            lambda x: F.max_pool2d(
                F.pad(x, (left, right, top, bottom), value=float("-inf")), kernel, stride, dilation=dilations
            )
        )
    if not even or tuple(dilations) != (1, 1):
        raise refused(node, "pools in a way that torch does not")
    counted = bool(attribute(node, "count_include_pad", 0))
    return Apply(lambda x: F.avg_pool2d(x, kernel, stride, (top, left), count_include_pad=counted))


@operator("GlobalAveragePool")
def global_average_pool(node: ir.Node) -> nn.Module:
    """The mean of each plane."""
    axes = tuple(range(2, len(node.inputs[0].shape)))
    return Apply(lambda x: x.mean(axes, keepdim=True))


_REDUCTIONS = {"ReduceMean": torch.mean, "ReduceSum": torch.sum, "ReduceMax": torch.amax, "ReduceMin": torch.amin}


@operator(*_REDUCTIONS)
def reduce(node: ir.Node) -> nn.Module:
    """Over constant axes."""
    axes = tuple(int(axis) for axis in required(node, 1))
    keep, function = bool(attribute(node, "keepdims", 1)), _REDUCTIONS[node.op_type]
    return Apply(lambda x, *_: function(x, dim=axes, keepdim=keep))


@operator("Concat")
def concat(node: ir.Node) -> nn.Module:
    """Of computed tensors."""
    if any(value.is_initializer() for value in node.inputs):
        raise refused(node, "joins a constant")
    axis = attribute(node, "axis")
    return Apply(lambda *parts: torch.cat(parts, dim=axis))


@operator("Slice")
def slice_(node: ir.Node) -> nn.Module:
    """With constant bounds; those of height and width count for the static size only."""
    shape = tuple(node.inputs[0].shape)
    starts, ends = required(node, 1), required(node, 2)
    axes = range(len(shape)) if len(node.inputs) < 4 or node.inputs[3] is None else required(node, 3)
    steps = [1] * len(starts) if len(node.inputs) < 5 or node.inputs[4] is None else required(node, 4)
    if any(step < 1 for step in steps):
        raise refused(node, "takes elements backwards")
    cuts = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cuts[axis] = slice(*slice(int(start), int(end), int(step)).indices(shape[axis]))
    return Apply(_at_own_size(node, lambda x: x[tuple(cuts)]))


@operator("Reshape")
def reshape(node: ir.Node) -> nn.Module:
    """To the static shape of its output, batch apart where both sides begin with it."""
    before, after = tuple(node.inputs[0].shape), tuple(node.outputs[0].shape)
    if before[0] == after[0] == 1:
        return Apply(_at_own_size(node, lambda x: x.reshape(len(x), *after[1:])))
    return Apply(_at_own_size(node, lambda x: x.reshape(after)))


@operator("Flatten")
def flatten(node: ir.Node) -> nn.Module:
    """Everything but the batch into one axis."""
    if attribute(node, "axis", 1) != 1:
        raise refused(node, "flattens from another axis than 1")
    return Apply(lambda x: x.flatten(1))


@operator("Transpose")
def transpose(node: ir.Node) -> nn.Module:
    """Axes in another order."""
    order = attribute(node, "perm", tuple(reversed(range(len(node.inputs[0].shape)))))
    return Apply(lambda x: x.permute(order))


@operator("Unsqueeze")
def unsqueeze(node: ir.Node) -> nn.Module:
    """Axes of one element, put in."""
    rank = len(node.outputs[0].shape)
    axes = sorted(int(axis) % rank for axis in required(node, 1))

    def insert(x: torch.Tensor, *_: None) -> torch.Tensor:
        for axis in axes:
            x = x.unsqueeze(axis)
        return x

    return Apply(insert)


@operator("Squeeze")
def squeeze(node: ir.Node) -> nn.Module:
    """Axes of one element, taken out."""
    shape = node.inputs[0].shape
    axes = (
        tuple(int(axis) for axis in required(node, 1))
        if len(node.inputs) > 1
        else tuple(axis for axis, length in enumerate(shape) if length == 1)
    )
    return Apply(lambda x, *_: x.squeeze(axes))


@operator("DepthToSpace")
def depth_to_space(node: ir.Node) -> nn.Module:
    """Channels to pixels, in either of ONNX's orders."""
    block = attribute(node, "blocksize")
    if attribute(node, "mode", "DCR") == "CRD":
        return Apply(lambda x: F.pixel_shuffle(x, block))

    def shuffle(x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        rows = x.reshape(batch, block * block, channels // block**2, height, width)
        return F.pixel_shuffle(rows.transpose(1, 2).reshape(batch, channels, height, width), block)

    return Apply(shuffle)


@operator("SpaceToDepth")
def space_to_depth(node: ir.Node) -> nn.Module:
    """Pixels to channels, the pixel's place in its block the slower index."""
    block = attribute(node, "blocksize")

    def unshuffle(x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        parts = F.pixel_unshuffle(x, block).reshape(batch, channels, block * block, height // block, width // block)
        return parts.transpose(1, 2).reshape(batch, -1, height // block, width // block)

    return Apply(unshuffle)


def _at_own_size(node: ir.Node, function):
    """``function`` of the node's data input, refused where that has another shape than in the graph (batch apart)."""
    shape = tuple(node.inputs[0].shape)

    def checked(x: torch.Tensor, *_: None) -> torch.Tensor:
        if len(x.shape) != len(shape) or tuple(x.shape[2:]) != shape[2:]:
            raise UnsupportedError(
                f"The {node.op_type} node '{node.name}' is made for {shape} and cannot take {tuple(x.shape)}: "
                "train at the size that the model is made for."
            )
        return function(x)

    return checked
