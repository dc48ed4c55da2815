"""Units: which channels of which tensors can be given in another unit, and which of them must share one.

A network computes the same when channel c of a tensor holds s x in place of x, as long as everything that reads it
knows: a convolution divides its weights for that input channel by s, one that makes it multiplies its weights and
its bias, and Relu, Pad, Resize, pooling, Add and whatever else keeps f(s x) = s f(x) hands the unit on to its output.
So each channel is a variable, a node says which of its channels have the same unit (Add: all three), and what a node
does not understand, the network's inputs and its outputs keep unit 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from quantize.graph import integer, text

HANDS_ON = ("Relu", "LeakyRelu", "Abs", "Neg", "Identity", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
RESHAPES = ("Reshape", "Flatten", "Unsqueeze", "Squeeze")
REDUCES = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2")
SUMS = ("Add", "Sub", "Sum", "Mean", "Max", "Min")
ONE = -1  # the class of the channels that keep unit 1


class Units:
    """Classes of channels of one graph: those of a class have the same unit."""

    def __init__(self, graph: ir.Graph) -> None:
        self._first: dict[ir.Value, int] = {}
        self._parents: list[int] = [0]  # number 0 stands for unit 1
        for value in (*graph.inputs, *graph.outputs):
            self.pin(value)
        products = ("Mul", "Div")  # last, when it is known which factor has unit 1 anyway
        for node in sorted(graph, key=lambda node: node.op_type in products):
            rule = TIES.get(node.op_type)
            known = node.domain in ("", "ai.onnx") and all(_has_channels(value) for value in activations(node))
            if not (known and rule is not None and all(_has_channels(v) for v in node.outputs) and rule(self, node)):
                for value in (*activations(node), *node.outputs):
                    self.pin(value)

    def classes(self, value: ir.Value) -> np.ndarray:
        """The class of each channel of ``value``, int (C,); ``ONE`` for those that keep unit 1."""
        roots = np.array([self._root(number) for number in self._numbers(value)])
        return np.where(roots == self._root(0), ONE, roots)

    def pin(self, value: ir.Value) -> None:
        """Let all channels of ``value`` keep unit 1."""
        self._tie_numbers(self._numbers(value), [0] * len(self._numbers(value)))

    def tie(self, a: ir.Value, b: ir.Value) -> None:
        """Give the channels of ``a`` the units of ``b``'s; where one has a single channel, all have its unit."""
        first, second = self._numbers(a), self._numbers(b)
        count = max(len(first), len(second))
        self._tie_numbers(_spread(first, count), _spread(second, count))

    def tie_part(self, part: ir.Value, whole: ir.Value, start: int) -> None:
        """Give the channels of ``part`` the units of ``whole``'s from ``start`` on."""
        numbers = self._numbers(part)
        self._tie_numbers(numbers, self._numbers(whole)[start : start + len(numbers)])

    def _numbers(self, value: ir.Value) -> Sequence[int]:
        count = channels(value)
        if value not in self._first:
            self._first[value] = len(self._parents)
            self._parents.extend(range(len(self._parents), len(self._parents) + count))
        first = self._first[value]
        return range(first, first + count)

    def _tie_numbers(self, first: Sequence[int], second: Sequence[int]) -> None:
        for a, b in zip(first, second, strict=True):
            self._parents[self._root(a)] = self._root(b)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number


def channels(value: ir.Value) -> int:
    """The length of axis 1; 1 where there is none, or where it is not known."""
    static = value.shape is not None and len(value.shape) > 1 and isinstance(value.shape[1], int)
    return value.shape[1] if static else 1


def is_constant(value: ir.Value | None) -> bool:
    """Whether ``value`` is an initializer whose numbers are known."""
    return value is not None and value.is_initializer() and value.const_value is not None


def activations(node: ir.Node) -> list[ir.Value]:
    """The inputs of ``node`` that are no constants."""
    return [value for value in node.inputs if value is not None and not is_constant(value)]


def _has_channels(value: ir.Value) -> bool:
    floating = value.dtype is ir.DataType.FLOAT
    return floating and value.shape is not None and len(value.shape) > 1 and value.shape.is_static()


def _spread(numbers: Sequence[int], count: int) -> Sequence[int]:
    return [numbers[0]] * count if len(numbers) == 1 else numbers


def _number(value: ir.Value | None) -> np.ndarray | None:
    return value.const_value.numpy() if is_constant(value) else None


def _rank(node: ir.Node) -> int:
    return len(node.inputs[0].shape)


def _spatial(axes: np.ndarray | Sequence[int] | None, rank: int) -> bool:
    return axes is not None and all(axis % rank >= 2 for axis in np.asarray(axes).reshape(-1).tolist())


# What a node ties. Each says whether it understands the node; what it does not understand keeps unit 1.


def _hand_on(units: Units, node: ir.Node) -> bool:
    if len(node.outputs) > 1 or channels(node.inputs[0]) != channels(node.outputs[0]):
        return False
    units.tie(node.outputs[0], node.inputs[0])
    return True


def _prelu(units: Units, node: ir.Node) -> bool:
    return is_constant(node.inputs[1]) and _hand_on(units, node)


def _clip(units: Units, node: ir.Node) -> bool:
    low, high = (node.inputs[i] if len(node.inputs) > i else None for i in (1, 2))
    least, most = _number(low), _number(high)
    rectifies = (low is None or (least is not None and not least.any())) and (
        high is None or (most is not None and bool(np.isposinf(most).all()))
    )
    return rectifies and _hand_on(units, node)


def _pad(units: Units, node: ir.Node) -> bool:
    rank = _rank(node)
    pads = _number(node.inputs[1]) if len(node.inputs) > 1 else None
    filling = node.inputs[2] if len(node.inputs) > 2 else None
    axes = node.inputs[3] if len(node.inputs) > 3 else None
    padded = np.arange(rank) if axes is None else _number(axes)
    if pads is None or padded is None:
        return False
    used = padded[pads.reshape(2, -1).any(axis=0)]
    constant = text(node, "mode", "constant") == "constant"
    zero = filling is None or (is_constant(filling) and not _number(filling).any())
    return (not constant or zero) and _spatial(used, rank) and _hand_on(units, node)


def _resize(units: Units, node: ir.Node) -> bool:
    crops = text(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    return not crops and all(is_constant(v) for v in node.inputs[1:] if v is not None) and _hand_on(units, node)


def _reduce(units: Units, node: ir.Node) -> bool:
    if "axes" in node.attributes:
        axes = list(node.attributes["axes"].as_ints())
    else:
        axes = _number(node.inputs[1]) if len(node.inputs) > 1 else None
    return _spatial(axes, _rank(node)) and len(node.outputs[0].shape) > 1 and _hand_on(units, node)


def _reshape(units: Units, node: ir.Node) -> bool:
    same = list(node.inputs[0].shape[:2]) == list(node.outputs[0].shape[:2])  # rows of memory stay together then
    return same and all(is_constant(value) for value in node.inputs[1:]) and _hand_on(units, node)


def _slice(units: Units, node: ir.Node) -> bool:
    axes = _number(node.inputs[3]) if len(node.inputs) > 3 else None
    return len(activations(node)) == 1 and _spatial(axes, _rank(node)) and _hand_on(units, node)


def _concat(units: Units, node: ir.Node) -> bool:
    axis, output = integer(node, "axis", 0) % _rank(node), node.outputs[0]
    if axis == 0 or len(activations(node)) < len(node.inputs):
        return False
    start = 0
    for value in node.inputs:
        if axis == 1:
            units.tie_part(value, output, start)
            start += channels(value)
        else:
            units.tie(output, value)
    return True


def _sum(units: Units, node: ir.Node) -> bool:
    output = node.outputs[0]
    if any(len(value.shape) != len(output.shape) for value in activations(node)):
        return False
    for value in activations(node):
        units.tie(output, value)
    return True


def _product(units: Units, node: ir.Node) -> bool:
    first, second = node.inputs
    varying, output = activations(node), node.outputs[0]
    if not varying or any(channels(v) != channels(output) or len(v.shape) != len(output.shape) for v in varying):
        return False
    if len(varying) == 1:
        if node.op_type == "Div" and varying[0] is not first:
            return False
        constant = second if varying[0] is first else first
        if constant.const_value.size == 1:  # it stays a single number
            units.tie(output, first if varying[0] is first else second)
        return len(constant.shape) <= len(output.shape)
    kept = second if node.op_type == "Div" else min(first, second, key=lambda value: _freedom(units, value))
    units.pin(kept)
    units.tie(output, first if kept is second else second)
    return True


def _freedom(units: Units, value: ir.Value) -> int:
    """The factor of a product that keeps unit 1 is the one of least freedom: of unit 1 already, or a gate."""
    if _is_coefficient(value):
        return 3
    free = (units.classes(value) != ONE).any()
    return (2 if len(value.shape) < 3 or max(value.shape[2:]) > 1 else 1) if free else 0


def _is_coefficient(value: ir.Value) -> bool:
    """Whether ``value`` is one number a channel, out of a matrix product whose columns can take a unit (a style's)."""
    while (node := value.producer()) is not None and node.op_type in RESHAPES:
        value = node.inputs[0]
    return node is not None and node.op_type in ("MatMul", "Gemm") and is_constant(node.inputs[1])


def _convolution(units: Units, node: ir.Node) -> bool:
    return all(is_constant(value) for value in node.inputs[1:] if value is not None)


def _norm(units: Units, node: ir.Node) -> bool:
    units.pin(node.inputs[0])  # what is in front of a norm is quantize.equalize's business
    return all(is_constant(value) for value in node.inputs[1:])


def _matrix(units: Units, node: ir.Node) -> bool:
    weight = node.inputs[1]
    if len(activations(node)) > 1 or not is_constant(weight) or integer(node, "transA", 0):
        return False
    return _rank(node) == 2 and len(weight.shape) == 2


TIES: dict[str, Callable[[Units, ir.Node], bool]] = {
    **dict.fromkeys((*HANDS_ON, "MaxPool"), _hand_on),
    **dict.fromkeys(RESHAPES, _reshape),
    **dict.fromkeys(REDUCES, _reduce),
    **dict.fromkeys(SUMS, _sum),
    **dict.fromkeys(("Mul", "Div"), _product),
    **dict.fromkeys(("Conv", "ConvTranspose"), _convolution),
    **dict.fromkeys(("MatMul", "Gemm"), _matrix),
    "PRelu": _prelu,
    "Clip": _clip,
    "Pad": _pad,
    "Resize": _resize,
    "Slice": _slice,
    "Concat": _concat,
    "InstanceNormalization": _norm,
}
