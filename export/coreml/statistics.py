r"""Statistics of a whole photo as inputs and outputs of a Core ML file: the hub with its norms and gates spelled out.

What is added is what :mod:`export.tflite.statistics` adds, channels first as all else here: inputs ``statistics`` and
``given`` (1, K, 1, 1), output ``measured`` (1, K, H / 32, W / 32), all float32. With :math:`o` what the picture itself
has, :math:`s` the statistic and :math:`g` whether it is given, a layer uses :math:`m = o + g (s - o)`, and a norm
becomes :math:`(x - m) / \sqrt{v + ε} · scale + bias`. With ``given`` zero that is what it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.blocks import blocks_of, windows
from export.hub.model import Hub
from export.hub.passes.rewrite import attribute, constant, dims, float_constant, new_constant, with_shape
from validate.errors import UnsupportedError
from validate.ports import GIVEN, MEASURED, STATISTICS, Port

NORM = "InstanceNormalization"  # every spelling that is one has become this operator in the hub
LEAST_HALF = 2.0**-14  # the smallest normal number of fp16: a variance below it would count as none


def with_statistics(hub: Hub, *, half: bool) -> tuple[Hub, list[dict[str, int]]]:
    """``hub`` with the two inputs and the output more, and its layers as the manifest tells them.

    The layers have ``channels``, ``moments`` and ``level`` (:func:`export.tiles.describe_tiles`); where there are none,
    the hub is returned as it is. ``half`` says that the file computes in fp16: then variances are at least
    ``LEAST_HALF``. Raises UnsupportedError for a network whose planes do not divide into blocks, or with norms over
    groups of channels.
    """
    blocks = blocks_of(*next(port.shape[2:] for port in hub.inputs if port.is_image))
    model = hub.model.clone()
    spelling = _Spelling(model.graph, blocks, LEAST_HALF if half else 0.0)
    for node in list(model.graph):
        spelling.take(node)
    if not spelling.layers:
        return hub, []
    count = spelling.finish()
    ports = (Port(STATISTICS, (1, count, 1, 1)), Port(GIVEN, (1, count, 1, 1)))
    measured = Port(MEASURED, (1, count, *blocks))
    return replace(hub, model=model, inputs=(*hub.inputs, *ports), outputs=(*hub.outputs, measured)), spelling.layers


class _Spelling:
    """Spells out one graph's layers that look at the whole picture, node by node in the order they run."""

    def __init__(self, graph: ir.Graph, blocks: tuple[int, int], least: float):
        self.layers: list[dict[str, int]] = []
        self._graph, self._blocks, self._least = graph, blocks, least
        self._count = 0
        self._levels: dict[ir.Value, int] = {}
        self._measured: list[ir.Value] = []
        self._statistics, self._given = (
            ir.Input(name, type=ir.TensorType(ir.DataType.FLOAT)) for name in (STATISTICS, GIVEN)
        )
        self._axes = new_constant(graph, np.array([2, 3], np.int64), "plane_axes")

    def take(self, node: ir.Node) -> None:
        """Replace ``node`` if it looks at the whole picture, and note the level of what it gives."""
        if node.op_type == "GroupNormalization":
            raise UnsupportedError(
                f"Node '{node.name}' (GroupNormalization): a file for tiles cannot hold it; export without --tiles."
            )
        level = max((self._levels.get(value, 0) for value in node.inputs if value is not None), default=0)
        moments = 2 if node.op_type == NORM else int(_is_plane_mean(node))
        if moments:
            level += 1
            self.layers.append({"channels": node.inputs[0].shape[1], "moments": moments, "level": level})
            tape = Tape()
            output = self._norm(tape, node) if moments == 2 else self._mean(tape, node)
            ir.convenience.replace_nodes_and_values(self._graph, node, [node], tape.nodes, node.outputs[:1], [output])
            self._levels[output] = level
        else:
            self._levels |= dict.fromkeys(node.outputs, level)

    def finish(self) -> int:
        """Add inputs and output to the graph, now that it is known how many numbers there are; returns that."""
        for value in (self._statistics, self._given):
            value.shape = ir.Shape((1, self._count, 1, 1))
            self._graph.inputs.append(value)
        tape = Tape()
        whole = with_shape(tape.op("Concat", self._measured, {"axis": 1}), (1, self._count, *self._blocks))
        whole.name = MEASURED
        self._graph.extend(tape.nodes)
        self._graph.outputs.append(whole)
        return self._count

    def _norm(self, tape: Tape, node: ir.Node) -> ir.Value:
        x = node.inputs[0]
        shape = dims(x)
        each = (1, shape[1], 1, 1)
        mean = self._mixed(tape, x)
        centered = with_shape(tape.op("Sub", [x, mean]), shape)
        variance = self._mixed(tape, with_shape(tape.op("Mul", [centered, centered]), shape))
        epsilon = float_constant(self._graph, np.float32(attribute(node, "epsilon", 1e-5)), "epsilon")
        variance = with_shape(tape.op("Add", [variance, epsilon]), each)
        if self._least:
            least = float_constant(self._graph, np.float32(self._least), "least_variance")
            variance = with_shape(tape.op("Max", [variance, least]), each)
        deviation = with_shape(tape.op("Sqrt", [variance]), each)
        scale, bias = (self._along_channels(tape, value, each) for value in node.inputs[1:3])
        factor = with_shape(tape.op("Div", [scale, deviation]), each)
        shift = with_shape(tape.op("Sub", [bias, with_shape(tape.op("Mul", [mean, factor]), each)]), each)
        return with_shape(tape.op("Add", [with_shape(tape.op("Mul", [x, factor]), shape), shift]), shape)

    def _mean(self, tape: Tape, node: ir.Node) -> ir.Value:
        mean, shape = self._mixed(tape, node.inputs[0]), dims(node.outputs[0])
        if dims(mean) == shape:
            return mean
        target = new_constant(self._graph, np.array(shape, np.int64), "means")
        return with_shape(tape.op("Reshape", [mean, target]), shape)

    def _along_channels(self, tape: Tape, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        array = constant(value)
        if array is not None:
            return float_constant(self._graph, array.reshape(shape), f"{value.name}_of_planes")
        target = new_constant(self._graph, np.array(shape, np.int64), "planes")
        return with_shape(tape.op("Reshape", [value, target]), shape)

    def _mixed(self, tape: Tape, x: ir.Value) -> ir.Value:
        """The mean of each plane of ``x`` that the network is to use, (1, C, 1, 1): the given one or its own."""
        n, channels, *plane = dims(x)
        each = (1, channels, 1, 1)
        averages = x
        for window in windows(n, plane, self._blocks):
            plane = [lines // size for lines, size in zip(plane, window, strict=True)]
            options = {"kernel_shape": window, "strides": window}
            averages = with_shape(tape.op("AveragePool", [averages], options), (1, channels, *plane))
        if averages is x:
            averages = with_shape(tape.op("Identity", [x]), dims(x))
        self._measured.append(averages)
        own = with_shape(tape.op("ReduceMean", [averages, self._axes], {"keepdims": 1}), each)
        known, given = (self._slice(tape, whole, each) for whole in (self._statistics, self._given))
        self._count += channels
        moved = with_shape(tape.op("Mul", [given, with_shape(tape.op("Sub", [known, own]), each)]), each)
        return with_shape(tape.op("Add", [own, moved]), each)

    def _slice(self, tape: Tape, whole: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        ends = (self._count, self._count + shape[1], 1)
        begin, end, axis = (new_constant(self._graph, np.array([end], np.int64), "slice_of") for end in ends)
        return with_shape(tape.op("Slice", [whole, begin, end, axis]), shape)


def _is_plane_mean(node: ir.Node) -> bool:
    """Whether ``node`` averages whole planes of a picture, and nothing else."""
    shape = dims(node.inputs[0]) if node.inputs else None
    if shape is None or len(shape) != 4:
        return False
    if node.op_type != "ReduceMean":
        return node.op_type == "GlobalAveragePool"
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return axes is not None and sorted(int(axis) % 4 for axis in axes) == [2, 3]
