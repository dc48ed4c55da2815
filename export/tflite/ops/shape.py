"""Operators that change the shape and no number: Reshape and its relatives, Transpose, Identity."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.tflite.lowering import NHWC, Lowering, Perm, plain
from export.tflite.registry import lowering, unsupported

CONSTANT_TYPES = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


@lowering("Transpose", 13, 21)
def transpose(context: Lowering, node: ir.Node) -> None:
    """Renames the axes; nothing is written unless someone asks for another order."""
    placed = context.place(node.inputs[0])
    rank = len(placed.perm)
    order = list(context.attribute(node, "perm", range(rank)[::-1]))
    context.bind(node.outputs[0], placed.tensor, tuple(order.index(axis) for axis in placed.perm))


@lowering("Identity", 16, 19, 21)
def identity(context: Lowering, node: ir.Node) -> None:
    """The input."""
    placed = context.place(node.inputs[0])
    context.bind(node.outputs[0], placed.tensor, placed.perm)


@lowering("Dropout", 13)
def dropout(context: Lowering, node: ir.Node) -> None:
    """The input, and a mask that keeps everything: dropout is for training."""
    ratio = context.constant(context.input(node, 1))
    training = context.input(node, 2)
    mode = context.constant(training)
    if training is not None and (mode is None or mode.any()) and (ratio is None or ratio.any()):
        raise unsupported(node, "it drops at random (training_mode); export the model for inference.")
    identity(context, node)
    if len(node.outputs) > 1:
        context.bind_constant(node.outputs[1], np.ones(context.shape(node.outputs[1]), np.bool_))


@lowering("Constant", 13, 19, 21)
def constant(context: Lowering, node: ir.Node) -> None:
    """A value known at compile time; the hub leaves those that the model gives out."""
    for name, attribute in node.attributes.items():
        if name == "value":
            array = attribute.value.numpy()
        elif name in CONSTANT_TYPES:
            array = np.asarray(attribute.value, CONSTANT_TYPES[name])
        else:
            raise unsupported(node, f"its attribute '{name}' has no TFLite counterpart.")
        context.bind_constant(node.outputs[0], array.astype(np.float32) if array.dtype == np.float64 else array)


@lowering("Reshape", 14, 19, 21)
def reshape(context: Lowering, node: ir.Node) -> None:
    """The same numbers, in the hub's order, in the output's shape."""
    bind_reshaped(context, node)


@lowering("Flatten", 13, 21)
def flatten(context: Lowering, node: ir.Node) -> None:
    """Two axes: those before ``axis`` and those from it on."""
    bind_reshaped(context, node)


@lowering("Squeeze", 13, 21)
def squeeze(context: Lowering, node: ir.Node) -> None:
    """Without the axes of length 1."""
    bind_reshaped(context, node)


@lowering("Unsqueeze", 13, 21)
def unsqueeze(context: Lowering, node: ir.Node) -> None:
    """With more axes of length 1."""
    bind_reshaped(context, node)


def bind_reshaped(context: Lowering, node: ir.Node) -> None:
    """Reshapes without moving a number where the physical order allows it, else from the order that does."""
    value, output = node.inputs[0], context.shape(node.outputs[0])
    if 0 in output:
        raise unsupported(node, "its output is empty.")
    placed = context.place(value)
    groups = matching_groups(context.shape(value), output)
    perm = _reshaped_perm(placed.perm, groups)
    if perm is None:
        order = _order_for(groups, NHWC if len(output) == 4 else plain(len(output)))
        tensor = context.get(value, order)
        perm = _reshaped_perm(order, groups)
    else:
        tensor = placed.tensor
    y = context.reshape(tensor, [output[axis] for axis in perm])
    context.bind(node.outputs[0], y, perm)


Group = tuple[list[int], list[int]]


def matching_groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[Group]:
    """Cuts both shapes into the shortest runs of axes with equal products.

    ``(2, 12, 5) -> (2, 3, 4, 5)`` gives ``([0], [0]), ([1], [1, 2]), ([2], [3])``: inside a group the axes must
    stay together and in order, the groups themselves may lie in any order.
    """
    groups: list[Group] = []
    i = j = 0
    while i < len(before) and j < len(after):
        left, right = [i], [j]
        product_left, product_right = before[i], after[j]
        i, j = i + 1, j + 1
        while product_left != product_right:
            if product_left < product_right:
                left.append(i)
                product_left *= before[i]
                i += 1
            else:
                right.append(j)
                product_right *= after[j]
                j += 1
        groups.append((left, right))
    if not groups:
        groups.append(([], []))
    groups[-1][0].extend(range(i, len(before)))
    groups[-1][1].extend(range(j, len(after)))
    return groups


def _reshaped_perm(perm: Perm, groups: list[Group]) -> Perm | None:
    """The output's order if a tensor that lies as ``perm`` is reshaped in place, None where that scrambles it."""
    first = {left[0]: (left, right) for left, right in groups if left}
    order: list[int] = []
    at = 0
    while at < len(perm):
        left, right = first.get(perm[at], (None, None))
        if left is None or list(perm[at : at + len(left)]) != left:
            return None
        order.extend(right)
        at += len(left)
    order.extend(axis for left, right in groups if not left for axis in right)
    return tuple(order)


def _order_for(groups: list[Group], wanted: Perm) -> Perm:
    """The input order from which the output comes out as ``wanted``, or in the hub's order if none does."""
    first = {right[0]: (left, right) for left, right in groups if right}
    order: list[int] = []
    at = 0
    while at < len(wanted):
        left, right = first.get(wanted[at], (None, None))
        if right is None or list(wanted[at : at + len(right)]) != right:
            return plain(sum(len(left) for left, _ in groups))
        order.extend(left)
        at += len(right)
    order.extend(axis for left, right in groups if not right for axis in left)
    return tuple(order)
