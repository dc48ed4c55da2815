"""f(Transpose(x)) = Transpose(f′(x)): for each operator, what f′ is.

A rule takes the node and the permutation p in front of it (axis i of the transposed tensor is axis p[i] of x) and
answers with the new inputs, the new attributes and each output's permutation; or ``None``, where f needs the axes
in that order. Operators whose meaning is tied to axes 1 and 2, 3 (convolutions, poolings) have no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from export.hub.passes.movement import movement, read_chain, step_of
from export.hub.passes.rewrite import attribute, constant, dims, new_constant, produced_by

Perm = tuple[int, ...]


@dataclass
class Pushed:
    """f′: its inputs (a value, or a constant to be made), its changed attributes, and the axes of each output."""

    inputs: list[ir.Value | np.ndarray | tuple[ir.Value, tuple[int, ...]] | None]
    perms: list[Perm]
    attributes: dict[str, object] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


Rule = Callable[[ir.Node, Perm], Pushed | None]
RULES: dict[str, Rule] = {}

UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Dropout",
    "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log",
    "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
BROADCASTING = (
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod",
    "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip
ONE_AXIS = ("Softmax", "LogSoftmax", "Hardmax")


def pushes(*op_types: str) -> Callable[[Rule], Rule]:
    """Decorator: the function is the rule of ``op_types``."""

    def register(rule: Rule) -> Rule:
        for op_type in op_types:
            if op_type in RULES:
                raise ValueError(f"{op_type} has two rules.")
            RULES[op_type] = rule
        return rule

    return register


def inverse(perm: Sequence[int]) -> Perm:
    """The permutation that undoes ``perm``."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def transposed_by(value: ir.Value | None, perm: Perm) -> ir.Value | None:
    """x if ``value`` is Transpose(x) by ``perm``."""
    node = produced_by(value, "Transpose")
    return node.inputs[0] if node is not None and attribute(node, "perm") == perm else None


@pushes(*UNARY)
def unary(node: ir.Node, perm: Perm) -> Pushed | None:
    """Element by element: nothing else changes."""
    others = node.inputs[1:]
    if any(value is not None and dims(value) not in ((), (1,)) for value in others):
        return None
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return None
    return Pushed([node.inputs[0].producer().inputs[0], *others], [perm])


@pushes(*BROADCASTING)
def broadcasting(node: ir.Node, perm: Perm) -> Pushed | None:
    """Element by element: every operand goes back through the permutation."""
    inputs = [_back(value, perm) for value in node.inputs]
    if any(value is None for value in inputs) or len(dims(node.outputs[0]) or ()) != len(perm):
        return None
    return Pushed(inputs, [perm])


def _back(value: ir.Value, perm: Perm) -> ir.Value | np.ndarray | tuple[ir.Value, tuple[int, ...]] | None:
    """What, transposed by ``perm``, broadcasts as ``value`` does; (v, shape) stands for a Reshape of v."""
    source, shape = transposed_by(value, perm), dims(value)
    if source is not None or shape is None or len(shape) > len(perm):
        return source
    if not shape or all(size == 1 for size in shape):
        return value if len(shape) < len(perm) or constant(value) is None else constant(value).reshape(())
    full = (1,) * (len(perm) - len(shape)) + shape
    before = tuple(full[axis] for axis in inverse(perm))
    if (array := constant(value)) is not None:
        return np.ascontiguousarray(array.reshape(full).transpose(inverse(perm)))
    back = [("view", full), ("permute", inverse(perm))]
    for chain in [*read_chain(value), ()]:  # some Transpose of its own may undo the one it goes back through
        steps = [step_of(node) for node in reversed(chain)]
        source = chain[-1].inputs[0] if chain else value
        move = None if None in steps else movement(dims(source), [*steps, *back])
        if move is not None and move.keeps_order:
            return source, before
    return None


@pushes("Concat")
def concat(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before."""
    inputs = []
    for value in node.inputs:
        source, array = transposed_by(value, perm), constant(value)
        if source is None and array is not None:
            source = np.ascontiguousarray(array.transpose(inverse(perm)))
        inputs.append(source)
    if any(value is None for value in inputs):
        return None
    return Pushed(inputs, [perm], {"axis": perm[attribute(node, "axis") % len(perm)]})


@pushes(*ONE_AXIS)
def one_axis(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before."""
    axis = perm[attribute(node, "axis", -1) % len(perm)]
    return Pushed([_source(node)], [perm], {"axis": axis})


@pushes("CumSum")
def cum_sum(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before."""
    axis = constant(node.inputs[1])
    if axis is None or axis.size != 1:
        return None
    return Pushed([_source(node), np.array(perm[int(axis.reshape(())) % len(perm)], np.int64)], [perm])


@pushes("Split")
def split(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before."""
    axis = perm[attribute(node, "axis", 0) % len(perm)]
    return Pushed([_source(node), *node.inputs[1:]], [perm] * len(node.outputs), {"axis": axis})


@pushes(*REDUCTIONS)
def reduction(node: ir.Node, perm: Perm) -> Pushed | None:
    """Over the axes that they were before; the axes that are left keep their order among themselves."""
    listed = node.inputs[1] if len(node.inputs) > 1 else None
    axes = constant(listed)
    if axes is None or not axes.size or "axes" in node.attributes:
        return None
    before = sorted(perm[int(axis) % len(perm)] for axis in axes.reshape(-1))
    after = perm if attribute(node, "keepdims", 1) else _without(perm, before)
    return Pushed([_source(node), np.array(before, np.int64)], [after])


@pushes("ArgMax", "ArgMin")
def arg_extreme(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before."""
    axis = perm[attribute(node, "axis", 0) % len(perm)]
    after = perm if attribute(node, "keepdims", 1) else _without(perm, [axis])
    return Pushed([_source(node)], [after], {"axis": axis})


@pushes("Pad")
def pad(node: ir.Node, perm: Perm) -> Pushed | None:
    """Each axis by what it was padded by."""
    rank, pads = len(perm), constant(node.inputs[1])
    given = [*node.inputs[2:], None, None][:2]
    axes = range(rank) if given[1] is None else constant(given[1])
    if pads is None or axes is None:
        return None
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[perm[int(axis) % rank]], after[perm[int(axis) % rank]] = int(pads[i]), int(pads[i + len(axes)])
    inputs = [_source(node), np.array(before + after, np.int64)]
    return Pushed([*inputs, given[0]] if given[0] is not None else inputs, [perm])


@pushes("Slice")
def slices(node: ir.Node, perm: Perm) -> Pushed | None:
    """The same cuts through the axes that they were before."""
    starts = constant(node.inputs[1])
    given = [*node.inputs[3:], None, None][:2]
    axes = range(len(starts)) if given[0] is None and starts is not None else constant(given[0])
    if axes is None:
        return None
    before = np.array([perm[int(axis) % len(perm)] for axis in axes], np.int64)
    return Pushed([_source(node), *node.inputs[1:3], before, *node.inputs[4:5]], [perm])


@pushes("Resize")
def resize(node: ir.Node, perm: Perm) -> Pushed | None:
    """Each axis by its own factor or to its own size."""
    given = [*node.inputs[1:], None, None, None][:3]
    if attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return None
    numbers = [None if value is None else constant(value) for value in given[1:]]
    if all(array is None or not array.size for array in numbers):
        return None
    inputs: list = [_source(node), None]
    attributes: dict[str, object] = {}
    axes = attribute(node, "axes")
    for array in numbers:
        if array is None or not array.size:
            inputs.append(None)
        elif axes is None:
            inputs.append(np.ascontiguousarray(array[list(inverse(perm))]))
        else:
            inputs.append(array)
            attributes["axes"] = tuple(perm[axis % len(perm)] for axis in axes)
    while inputs[-1] is None:
        inputs.pop()
    return Pushed(inputs, [perm], attributes)


@pushes("Gather")
def gather(node: ir.Node, perm: Perm) -> Pushed | None:
    """Lines of the axis that it was before."""
    value, indices = node.inputs
    rank = len(dims(indices) or (0,) * (2 if dims(indices) is None else 0))
    if rank > 1 or value is indices or _is_pushed(indices, perm):
        return None
    axis = perm[attribute(node, "axis", 0) % len(perm)]
    return Pushed([_source(node), indices], [perm if rank else _without(perm, [axis])], {"axis": axis})


@pushes("Tile")
def tile(node: ir.Node, perm: Perm) -> Pushed | None:
    """Each axis as often as it was repeated."""
    repeats = constant(node.inputs[1])
    return None if repeats is None else Pushed([_source(node), repeats[list(inverse(perm))]], [perm])


@pushes("Expand")
def expand(node: ir.Node, perm: Perm) -> Pushed | None:
    """To the same size along each axis."""
    shape = dims(node.outputs[0])
    if shape is None or len(shape) != len(perm):
        return None
    return Pushed([_source(node), np.array([shape[axis] for axis in inverse(perm)], np.int64)], [perm])


@pushes("GroupNormalization")
def group_normalization(node: ir.Node, perm: Perm) -> Pushed | None:
    """One group is all of a picture in any order; γ and β, which go by channel, must each be one number."""
    numbers = [constant(value) for value in node.inputs[1:]]
    if attribute(node, "num_groups") != 1 or perm[0] != 0 or any(each is None or np.ptp(each) for each in numbers):
        return None
    source = _source(node)
    channels = dims(source)[1]
    return Pushed([source, *(np.repeat(each[:1], channels) for each in numbers)], [perm])


@pushes("QuantizeLinear", "DequantizeLinear")
def quantize(node: ir.Node, perm: Perm) -> Pushed | None:
    """Along the axis that it was before, where scales go by axis."""
    if attribute(node, "block_size", 0):
        return None
    per_tensor = dims(node.inputs[1]) in ((), (1,))
    attributes = {} if per_tensor else {"axis": perm[attribute(node, "axis", 1) % len(perm)]}
    return Pushed([_source(node), *node.inputs[1:]], [perm], attributes)


def _source(node: ir.Node) -> ir.Value:
    return node.inputs[0].producer().inputs[0]


def _is_pushed(value: ir.Value, perm: Perm) -> bool:
    return transposed_by(value, perm) is not None


def _without(perm: Perm, gone: Sequence[int]) -> Perm:
    """The order of the axes that are left when those of x in ``gone`` are not there any more."""
    left = [axis for axis in perm if axis not in gone]
    return tuple(sorted(left).index(axis) for axis in left)


def made(graph: ir.Graph, array: np.ndarray, near: ir.Value | None) -> ir.Value:
    """``array`` as an initializer, named after ``near``."""
    return new_constant(graph, array, f"{near.name}_turned" if near is not None and near.name else "turned")
