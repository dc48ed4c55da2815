"""Writes Q/DQ pairs into a hub: the form of int8 that ONNX Runtime runs and both compilers lower.

A quantized convolution reads ``DequantizeLinear(QuantizeLinear(x))``, an int8 weight and an int32 bias through a
DequantizeLinear each, and is followed by a pair on its output, or on its Relu's output where the Relu is the only
reader. What a quantized convolution gives exists in int8 alone, so every reader takes the pair's output; what a
float node gives exists in float too, and its other readers keep that. Where nothing else reads the nodes that move,
join or average numbers in front of a convolution, the pair goes in front of them (:mod:`quantize.extents`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from quantize import rounding
from quantize.closest import Rounded
from quantize.extents import Extents, averages, joins, moves, range_source
from quantize.graph import add_initializer, drop_unread_initializers
from quantize.weights import output_axis

# The name endings of ONNX Runtime's quantizer.
QUANTIZED, DEQUANTIZED, SCALE, ZERO_POINT = (
    "_QuantizeLinear_Output",
    "_DequantizeLinear_Output",
    "_scale",
    "_zero_point",
)

QUANTIZABLE = ("Conv", "ConvTranspose")

__all__ = ["calibrated_values", "insert_qdq", "quantized_output", "range_source", "why_not"]


def why_not(node: ir.Node) -> str | None:
    """Why ``node`` cannot be quantized, or None when it can."""
    if node.op_type not in QUANTIZABLE:
        return "not a convolution"
    if node.outputs[0].dtype != ir.DataType.FLOAT:
        return "not float32"
    if node.inputs[1].const_value is None or not node.inputs[1].is_initializer():
        return "its weight is not constant"
    if len(node.inputs) > 2 and node.inputs[2] is not None and node.inputs[2].const_value is None:
        return "its bias is not constant"
    if node.inputs[0].is_initializer():
        return "its input is constant"
    return None


def quantized_output(node: ir.Node) -> ir.Value:
    """The tensor that is rounded after ``node``: its Relu's output if nothing else reads its own, else its own."""
    output = node.outputs[0]
    consumers = output.consumers()
    if len(consumers) == 1 and consumers[0].op_type == "Relu" and not output.is_graph_output():
        return consumers[0].outputs[0]
    return output


def calibrated_values(nodes: Iterable[ir.Node]) -> list[str]:
    """Names of the tensors whose ranges quantizing ``nodes`` needs, each once, in order."""
    names = {}
    for node in nodes:
        names[range_source(node.inputs[0]).name] = None
        names[quantized_output(node).name] = None
    return list(names)


def insert_qdq(
    model: ir.Model,
    names: Iterable[str],
    ranges: Mapping[str, tuple[float, float]],
    open_ended: Collection[str] = (),
    closed: bool = False,
    closest: Mapping[str, Rounded] = MappingProxyType({}),
) -> ir.Model:
    """A copy of ``model`` in which the convolutions ``names`` are int8.

    What those of ``open_ended`` give is not rounded: Core ML's kernels read bytes and may give floats. ``closed`` puts
    a pair directly in front of each convolution, too, where one in front of what moves or joins numbers has rounded
    them already: that changes no number, and Core ML knows an int8 convolution by its own pair. ``ranges`` gives (low,
    high) of every tensor that :func:`calibrated_values` lists, ``closest`` the rounded weights of nodes, where others
    than the nearest are known (:mod:`quantize.closest`). All new values carry dtype and shape, constants are
    initializers, the opset stays as it is.
    """
    model = model.clone()
    wanted = set(names)
    nodes = [node for node in model.graph if node.name in wanted]
    writer = _Writer(model.graph, ranges, Extents(nodes), closest)
    targets = {node: quantized_output(node) for node in nodes if node.name not in open_ended}
    for target in targets.values():
        writer.round_everywhere(target)
    for node in nodes:
        writer.round_input(node, closed)
        writer.round_constants(node)
    drop_unread_initializers(model.graph)
    model.graph.sort()
    return model


class _Writer:
    """Adds Q/DQ nodes to one graph; remembers what it has rounded."""

    def __init__(
        self,
        graph: ir.Graph,
        ranges: Mapping[str, tuple[float, float]],
        extents: Extents,
        closest: Mapping[str, Rounded],
    ) -> None:
        self.graph = graph
        self.closest = closest
        self.ranges = ranges
        self.extents = extents
        self.parameters: dict[str, tuple[ir.Value, ir.Value]] = {}  # scale and zero point by source name
        self.pairs: dict[tuple[ir.Value, str], ir.Value] = {}  # a tensor's dequantized form, in the scale of a source
        self.rounded: dict[ir.Value, str] = {}  # the source of each dequantized form
        self.input_scales: dict[ir.Node, np.float32] = {}

    def round_everywhere(self, value: ir.Value) -> None:
        """Round ``value`` for all its readers, graph output included (whose name the rounded form then takes)."""
        name = value.name
        if (value, name) in self.pairs:
            return
        uses = list(value.uses())
        position = next((i for i, output in enumerate(self.graph.outputs) if output is value), None)
        if position is not None:
            value.name = f"{name}_float"
        rounded = self._pair(value, name, name, None if position is None else name)
        for user, index in uses:
            user.replace_input_with(index, rounded)
        if position is not None:
            self.graph.outputs[position] = rounded

    def round_input(self, node: ir.Node, closed: bool) -> None:
        """Round ``node``'s data input, for it and the other quantized readers of that tensor."""
        source = self.extents.sources[node]
        self.input_scales[node] = rounding.activation_parameters(*self.ranges[source])[0]
        self._round(node, 0, source)
        value = node.inputs[0]
        if closed and value not in self.rounded:
            if (value, source) not in self.pairs:
                self._pair(value, source, f"{value.name}_closed")
            node.replace_input_with(0, self.pairs[value, source])

    def _round(self, user: ir.Node, index: int, source: str) -> None:
        """Let ``user`` read an int8 tensor in the scale of ``source``, rounded as far upwards as can be."""
        value = user.inputs[index]
        if self.rounded.get(value) == source:
            return
        node = value.producer()
        if node is not None and self.extents.only_source(value) == source:
            if moves(node) or joins(node):
                for position in range(len(node.inputs) if joins(node) else 1):
                    self._round(node, position, source)
                return
            if averages(node):
                self._round(node, 0, source)
        if (value, source) not in self.pairs:
            shared = any(other is value for other, _ in self.pairs)
            self._pair(value, source, f"{value.name}_as_{source}" if shared else value.name)
        user.replace_input_with(index, self.pairs[value, source])

    def round_constants(self, node: ir.Node) -> None:
        """Put ``node``'s weight in int8 and its bias in int32 behind a DequantizeLinear each."""
        weight = node.inputs[1].const_value.numpy()
        axis = output_axis(node)
        scales = rounding.weight_scales(weight, axis)
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None:
            values = bias.const_value.numpy()
            scales = rounding.refine_for_bias(weight, values, self.input_scales[node], scales, axis)
            scales = rounding.widen_for_bias(values, self.input_scales[node], scales)
            bias_scales = (scales.astype(np.float64) * self.input_scales[node]).astype(np.float32)
            bias_axis = 0 if axis is not None else None
            rounded = rounding.round_bias(values, bias_scales)
            node.replace_input_with(2, self._constant(node, bias, rounded, bias_scales, bias_axis))
        if node.name in self.closest:
            rounded = self.closest[node.name].for_scales(weight, scales, axis)
        else:
            rounded = rounding.round_weight(weight, scales, axis)
        node.replace_input_with(1, self._constant(node, node.inputs[1], rounded, scales, axis))

    def _pair(self, value: ir.Value, source: str, stem: str, name: str | None = None) -> ir.Value:
        scale, zero_point = self._parameters(source)
        quantize = self._node("QuantizeLinear", [value, scale, zero_point], f"{stem}{QUANTIZED}")
        _describe(quantize, ir.DataType.INT8, value.shape)
        dequantized = self._node("DequantizeLinear", [quantize, scale, zero_point], name or f"{stem}{DEQUANTIZED}")
        self.pairs[value, source] = _describe(dequantized, ir.DataType.FLOAT, value.shape)
        self.rounded[dequantized] = source
        return dequantized

    def _parameters(self, source: str) -> tuple[ir.Value, ir.Value]:
        if source not in self.parameters:
            scale, zero_point = rounding.activation_parameters(*self.ranges[source])
            self.parameters[source] = (
                add_initializer(self.graph, f"{source}{SCALE}", np.asarray(scale)),
                add_initializer(self.graph, f"{source}{ZERO_POINT}", np.asarray(zero_point)),
            )
        return self.parameters[source]

    def _constant(
        self, node: ir.Node, value: ir.Value, rounded: np.ndarray, scales: np.ndarray, axis: int | None
    ) -> ir.Value:
        stem = f"{node.name}_{value.name}"  # two nodes may share a constant, but not its scales
        inputs = [
            add_initializer(self.graph, f"{stem}_quantized", rounded),
            add_initializer(self.graph, f"{stem}{SCALE}", scales),
            add_initializer(self.graph, f"{stem}{ZERO_POINT}", np.zeros(scales.shape, rounded.dtype)),
        ]
        attributes = {} if axis is None else {"axis": axis}
        dequantized = self._node("DequantizeLinear", inputs, f"{stem}{DEQUANTIZED}", attributes)
        return _describe(dequantized, ir.DataType.FLOAT, ir.Shape(rounded.shape))

    def _node(self, op_type: str, inputs: list[ir.Value], output: str, attributes: dict | None = None) -> ir.Value:
        node = ir.node(op_type, inputs, attributes, name=f"{output}_{op_type}")
        node.outputs[0].name = output
        self.graph.append(node)
        return node.outputs[0]


def _describe(value: ir.Value, dtype: ir.DataType, shape: ir.Shape) -> ir.Value:
    value.type, value.shape = ir.TensorType(dtype), shape
    return value
