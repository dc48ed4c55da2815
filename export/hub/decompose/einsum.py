"""Einsum as transposes, reshapes and products of matrices: any equation, any number of operands.

Each operand first loses what is its own business: a label it repeats becomes the diagonal (every (n + 1)-th element
of n × n), a label that nobody else reads is summed out. Then two at a time are multiplied. Of the labels of both,
those still needed are the batch b, the others are summed, k; with i and j for the labels of one only,

    Σₖ A[b, i, k] B[b, k, j] = MatMul(A as (b…, I, K), B as (b…, K, J)),

the labels of each letter read as one axis. Without k it is a product with broadcasting. At last the axes are put in
the order that the equation asks for. https://onnx.ai/onnx/operators/onnx__Einsum.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, shape_of, unsupported, whole
from export.hub.passes.rewrite import attribute, replace


@dataclass(frozen=True)
class Operand:
    """A tensor whose axes have labels; ``sizes`` are in the order of ``labels``."""

    value: ir.Value
    labels: tuple[str, ...]
    sizes: tuple[int, ...]

    def size(self, label: str) -> int:
        """How long the axis of a label is; 1 where there is none."""
        return self.sizes[self.labels.index(label)] if label in self.labels else 1


@decomposes("Einsum", 12)
def einsum(node: ir.Node) -> bool:
    """Every equation that the operator defines; raises for one that does not fit its operands."""
    terms, output = _parse(node)
    shapes = [shape_of(node, k) for k in range(len(node.inputs))]
    replace(node, lambda tape: _contract(_Writer(node, tape), terms, output, shapes))
    return True


def _contract(
    writer: _Writer, terms: list[tuple[str, ...]], output: tuple[str, ...], shapes: list[tuple[int, ...]]
) -> ir.Value:
    values = writer.node.inputs
    operands = [writer.diagonal(Operand(*parts)) for parts in zip(values, terms, shapes, strict=True)]
    sizes = {label: max(o.size(label) for o in operands) for o in operands for label in o.labels}
    operands = [writer.squeeze(o, [label for label in o.labels if o.size(label) < sizes[label]]) for o in operands]
    for k, operand in enumerate(operands):
        others = {label for other in operands[:k] + operands[k + 1 :] for label in other.labels}
        operands[k] = writer.sum_out(operand, [x for x in operand.labels if x not in others and x not in output])
    while len(operands) > 1:
        first, second, *rest = operands
        needed = set(output) | {label for other in rest for label in other.labels}
        operands = [writer.multiply(first, second, needed), *rest]
    return writer.arrange(operands[0], output, sizes)


class _Writer:
    """Puts nodes on a tape; every method takes labeled operands and gives one."""

    def __init__(self, node: ir.Node, tape: Tape) -> None:
        self.node, self.tape = node, tape

    def reshape(self, value: ir.Value, shape: list[int] | tuple[int, ...]) -> ir.Value:
        return self.tape.op("Reshape", [value, whole(self.node, list(shape), "shape")])

    def transpose(self, operand: Operand, labels: tuple[str, ...]) -> Operand:
        """The axes in the order of ``labels``, which are all of the operand's."""
        if labels == operand.labels:
            return operand
        order = [operand.labels.index(label) for label in labels]
        value = self.tape.op("Transpose", [operand.value], {"perm": order})
        return Operand(value, labels, tuple(operand.sizes[k] for k in order))

    def diagonal(self, operand: Operand) -> Operand:
        """Each label once."""
        for label in dict.fromkeys(operand.labels):
            while operand.labels.count(label) > 1:
                operand = self._one_diagonal(operand, label)
        return operand

    def _one_diagonal(self, operand: Operand, label: str) -> Operand:
        a, b = [k for k, own in enumerate(operand.labels) if own == label][:2]
        n = operand.sizes[a]
        if operand.sizes[b] != n:
            raise unsupported(self.node, f"'{label}' is {n} long and {operand.sizes[b]} long in one operand")
        kept = [k for k in range(len(operand.labels)) if k not in (a, b)]
        value = self.tape.op("Transpose", [operand.value], {"perm": [*kept, a, b]})
        sizes = [operand.sizes[k] for k in kept]
        value = self.reshape(value, [*sizes, n * n])
        bounds = [whole(self.node, [k], "diagonal") for k in (0, n * n, len(kept), n + 1)]
        value = self.tape.op("Slice", [value, *bounds])
        return Operand(value, (*(operand.labels[k] for k in kept), label), (*sizes, n))

    def squeeze(self, operand: Operand, labels: list[str]) -> Operand:
        """Without ``labels``, whose axes are 1 long: broadcasting does not need them."""
        if not labels:
            return operand
        wrong = [label for label in labels if operand.size(label) != 1]
        if wrong:
            raise unsupported(self.node, f"its operands disagree on how long '{wrong[0]}' is")
        kept = [k for k, label in enumerate(operand.labels) if label not in labels]
        sizes = tuple(operand.sizes[k] for k in kept)
        return Operand(self.reshape(operand.value, sizes), tuple(operand.labels[k] for k in kept), sizes)

    def sum_out(self, operand: Operand, labels: list[str]) -> Operand:
        if not labels:
            return operand
        axes = whole(self.node, [operand.labels.index(label) for label in labels], "axes")
        kept = [k for k, label in enumerate(operand.labels) if label not in labels]
        value = self.tape.op("ReduceSum", [operand.value, axes], {"keepdims": 0})
        return Operand(value, tuple(operand.labels[k] for k in kept), tuple(operand.sizes[k] for k in kept))

    def multiply(self, a: Operand, b: Operand, needed: set[str]) -> Operand:
        """The product of two operands, summed over the labels of both that are not ``needed``."""
        batch = tuple(label for label in a.labels if label in b.labels and label in needed)
        summed = tuple(label for label in a.labels if label in b.labels and label not in needed)
        left = tuple(label for label in a.labels if label not in b.labels)
        right = tuple(label for label in b.labels if label not in a.labels)
        if not summed or not self.node.inputs[0].dtype.is_floating_point():
            product = self._broadcast(a, b, (*batch, *left, *right, *summed))
            return self.sum_out(product, list(summed))
        a, b = self.transpose(a, (*batch, *left, *summed)), self.transpose(b, (*batch, *summed, *right))
        sizes = [tuple(a.size(x) if x in a.labels else b.size(x) for x in group) for group in (batch, left, right)]
        inner = math.prod(a.size(label) for label in summed)
        x = self.reshape(a.value, [*sizes[0], math.prod(sizes[1]), inner])
        y = self.reshape(b.value, [*sizes[0], inner, math.prod(sizes[2])])
        value = self.tape.op("MatMul", [x, y])
        shape = (*sizes[0], *sizes[1], *sizes[2])
        return Operand(self.reshape(value, shape), (*batch, *left, *right), shape)

    def _broadcast(self, a: Operand, b: Operand, labels: tuple[str, ...]) -> Operand:
        values = []
        for operand in (a, b):
            own = self.transpose(operand, tuple(label for label in labels if label in operand.labels))
            values.append(self.reshape(own.value, [own.size(label) for label in labels]))
        sizes = tuple(max(a.size(label), b.size(label)) for label in labels)
        return Operand(self.tape.op("Mul", values), labels, sizes)

    def arrange(self, operand: Operand, output: tuple[str, ...], sizes: dict[str, int]) -> ir.Value:
        """The axes that the equation asks for, in its order."""
        operand = self.sum_out(operand, [label for label in operand.labels if label not in output])
        operand = self.transpose(operand, tuple(label for label in output if label in operand.labels))
        value = operand.value
        if operand.labels != output:  # axes of length 1 that broadcasting dropped in every operand
            value = self.reshape(value, [sizes[label] for label in output])
        return self.tape.op("Identity", [value]) if value.producer() is None else value


def _parse(node: ir.Node) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The labels of each operand and of the output; an ellipsis is labeled "0", "1", … from the last axis on."""
    equation = attribute(node, "equation", "").replace(" ", "")
    left, arrow, right = equation.partition("->")
    texts = left.split(",")
    if len(texts) != len(node.inputs):
        raise unsupported(node, f"'{equation}' is not for {len(node.inputs)} operands")
    hidden = 0
    terms = []
    for k, text in enumerate(texts):
        rank = len(shape_of(node, k))
        count = rank - len(text.replace("...", ""))
        if count < 0 or (count and "..." not in text):
            raise unsupported(node, f"'{text}' of '{equation}' is not for an operand of {rank} axes")
        hidden = max(hidden, count if "..." in text else 0)
        terms.append(_labels(text, count))
    if not arrow:
        letters = sorted(set(left) - set(",."))
        right = ("..." if "..." in left else "") + "".join(x for x in letters if left.count(x) == 1)
    output = _labels(right, hidden)
    known = {label for term in terms for label in term}
    if not set(output) <= known or len(set(output)) < len(output):
        raise unsupported(node, f"'{equation}' asks for an axis twice, or for one that no operand has")
    return terms, output


def _labels(text: str, hidden: int) -> tuple[str, ...]:
    before, dots, after = text.partition("...")
    return (*before, *(str(k) for k in reversed(range(hidden if dots else 0))), *after)
