"""Conv(Concat(a, b)) = Conv_a(a) + Conv_b(b), with the filters' input channels shared out among the parts.

A depthwise convolution and an activation between the two work channel by channel and pass through::

    pointwise(act(depthwise(Concat(a, b)))) = pointwise_a(act(depthwise_a(a))) + pointwise_b(act(depthwise_b(b)))

A CONCATENATION reads and writes all channels; the ADD that takes its place touches the convolution's output channels
alone, and a decoder's concatenations have two to four times as many. Where a part is a plane doubled by nearest
neighbor, its own convolution may run at low resolution (:mod:`export.tflite.ops.conv_forms`).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.passes.rewrite import (
    attribute,
    constant,
    dims,
    float_constant,
    only_used_by,
    produced_by,
    replace,
    with_shape,
)
from export.tflite.passes.stored_weights import pass_on

ACTIVATIONS = frozenset({"Relu", "LeakyRelu", "Elu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh"})
MAX_PARTS = 3


def split_concatenations(model: ir.Model) -> int:
    """Take away concatenations in front of convolutions where that saves memory traffic; returns how many."""
    return sum(_split(node) for node in list(model.graph) if node.op_type == "Concat")


def _split(concat: ir.Node) -> bool:
    parts = [dims(value) for value in concat.inputs]
    if (
        None in parts
        or not 1 < len(parts) <= MAX_PARTS
        or len(parts[0]) != 4
        or attribute(concat, "axis") not in (1, -3)
    ):
        return False
    chain = _chain(concat)
    if chain is None or not _pays(concat, chain):
        return False
    ends = np.cumsum([shape[1] for shape in parts])
    replace(chain[-1], lambda tape: _sum(tape, chain, concat.inputs, [0, *ends.tolist()]))
    return True


def _chain(concat: ir.Node) -> list[ir.Node] | None:
    """The nodes after the concatenation up to and including the convolution that sums over channels."""
    chain: list[ir.Node] = []
    value = concat.outputs[0]
    while True:
        readers = [use.node for use in value.uses()]
        if len(readers) != 1 or not only_used_by(value, readers[0]) or readers[0].inputs[0] is not value:
            return None
        node = readers[0]
        chain.append(node)
        if node.op_type == "Conv":
            weights = constant(node.inputs[1])
            if weights is None or weights.ndim != 4 or (_bias(node) is not None and constant(_bias(node)) is None):
                return None
            groups = attribute(node, "group", 1)
            if groups == 1:
                return chain
            if groups != dims(value)[1] or len(weights) != groups:
                return None
        elif node.op_type not in ACTIVATIONS:
            return None
        value = node.outputs[0]


def _bias(conv: ir.Node) -> ir.Value | None:
    return conv.inputs[2] if len(conv.inputs) > 2 else None


def _pays(concat: ir.Node, chain: list[ir.Node]) -> bool:
    """Compares the numbers read and written by the concatenation with those of the sums in its place."""
    if len(chain) == 1 and any(_is_doubled(value) for value in concat.inputs):
        return True
    copied = 2 * np.prod(dims(concat.outputs[0]))
    summed = 4 * np.prod(dims(chain[-1].outputs[0])) * (len(concat.inputs) - 1)
    return bool(copied >= summed)


def _is_doubled(value: ir.Value) -> bool:
    """Whether a convolution of ``value`` can run at low resolution: 4/9 of its work, and nothing is written twice."""
    resize = produced_by(value, "Resize")
    if resize is None or attribute(resize, "mode", "nearest") != "nearest":
        return False
    (n, c, h, w), after = dims(resize.inputs[0]) or (0,) * 4, dims(value)
    return after == (n, c, 2 * h, 2 * w)


def _sum(tape: Tape, chain: list[ir.Node], parts: list[ir.Value], bounds: list[int]) -> ir.Value:
    total = None
    for part, start, stop in zip(parts, bounds, bounds[1:], strict=False):
        value = part
        for node in chain:
            value = _share(tape, node, value, start, stop, first=start == 0)
        total = value if total is None else tape.op("Add", [total, value])
        with_shape(total, dims(chain[-1].outputs[0]))
    return total


def _share(tape: Tape, node: ir.Node, value: ir.Value, start: int, stop: int, *, first: bool) -> ir.Value:
    """``node`` for the channels from ``start`` to ``stop`` alone, which ``value`` holds."""
    shape = list(dims(node.outputs[0]))
    inputs, attributes = [value], dict(node.attributes)
    if node.op_type == "Conv":
        weights, bias, graph = constant(node.inputs[1]), _bias(node), node.graph
        depthwise = attribute(node, "group", 1) > 1
        kept = weights[start:stop] if depthwise else weights[:, start:stop]
        inputs.append(float_constant(graph, kept, f"{node.inputs[1].name}_{start}"))
        if depthwise:
            attributes["group"] = ir.AttrInt64("group", stop - start)
            if bias is not None:
                inputs.append(float_constant(graph, constant(bias)[start:stop], f"{bias.name}_{start}"))
        elif bias is not None and first:
            inputs.append(bias)
    if node.op_type != "Conv" or attribute(node, "group", 1) > 1:
        shape[1] = stop - start
    output = with_shape(tape.op(node.op_type, inputs, attributes, name=f"{node.name}_{start}"), tuple(shape))
    pass_on(node, output.producer(), slice(start, stop) if node.op_type == "Conv" and depthwise else slice(None))
    return output
