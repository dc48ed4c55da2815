"""Activations in 16 bits: every float tensor that is left in a hub gets a Q/DQ pair of int16.

real = scale * q, q in -32768..32767: 16-bit kernels know no zero point. A tensor's scale leaves room above the largest
magnitude seen on photos, for other photos: little where all photos come to much the same, as behind norms, and more
where they do not. Weights stay int8, one scale an output channel; a bias is int32. What is int8 in the hub already
stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from quantize import rounding
from quantize.extents import moves
from quantize.graph import (
    add_initializer,
    append_observers,
    drop_unread_initializers,
    integer,
    name_nodes,
    values_by_name,
)
from quantize.qdq import DEQUANTIZED, QUANTIZED, SCALE, ZERO_POINT
from quantize.runtime import Sample, open_session, run
from validate.errors import BrushportError, UnsupportedError

INT16_HIGH = 2**15 - 1
OPSET = 21  # the first whose QuantizeLinear gives int16
HEADROOM = 2.0  # times the largest magnitude, where too few photos were seen to tell more: one bit of sixteen
SPREADS = 5.0  # standard deviations of a photo's largest magnitude, by its logarithm, above the middle one
LEAST_HEADROOM, MOST_HEADROOM = 1.5, 6.0  # times the largest of all photos
TELLING_PHOTOS = 4
ONE = 2.0**-15  # the scale of what lies within -1..1, which 16-bit kernels of these functions are made for
LEAST_ADDEND = 2.0**-8  # the smallest step of a constant, in steps of the tensor it is added to
UNIT = ("Sigmoid", "Tanh", "Softmax", "HardSigmoid")
NUDGE = 1.01  # away from powers of two, of which LiteRT's ADD and SUB have a form of their own with limits of its own
POWER_OF_TWO = 2e-3  # how near a logarithm is to a whole number to be taken for one; LiteRT's is 1e-3

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FUSING = ("Conv", "Gemm", "Add", "Sub", "Mul")  # whose kernels compute a Relu behind them, too
BINARY = ("Add", "Sub", "Mul", "Max", "Min")
# Operators that int8 kernels compute in front of a QuantizeLinear, whatever scales they are given.
ROUNDED_INT8 = ("Concat", "Resize", "AveragePool")
NARROW = (ir.DataType.INT8, ir.DataType.UINT8)
# Operators whose kernels keep the scale of their input.
KEEPING = ("Resize", "AveragePool", "Clip", "Abs", "Neg", "ReduceMax", "ReduceMin")
# Operators besides the moving ones whose outputs hold numbers of their first input.
CARRYING = ("Dropout", "Split", "Gather", "Tile", "Expand")


def to_int16(model: ir.Model, samples: Iterable[Sample], fixed: Mapping[str, float] | None = None) -> ir.Model:
    """A copy of ``model`` whose float tensors have int16 Q/DQ pairs, scaled on ``samples``, one of them at a time.

    ``model`` is a hub of opset 21, perhaps with int8 Q/DQ in it (whose convolutions stay int8). ``fixed`` gives the
    largest magnitude that tensors can have, by name, where no measuring is needed: a picture's, for instance.

    Raises :class:`UnsupportedError` for an older opset and :class:`BrushportError` when there are no samples or a
    tensor is not finite.
    """
    if model.graph.opset_imports.get("", 0) < OPSET:
        raise UnsupportedError(f"16-bit activations need opset {OPSET} or later: load the model as a hub first.")
    model = model.clone()
    name_nodes(model.graph)
    nodes = [node for node in model.graph if _is_wide(node)]
    wanted = [value.name for value in _tensors(nodes) if value.name not in (fixed or {})]
    writer = _Writer(model.graph, {**_bounds(model, wanted, samples), **(fixed or {})})
    for node in nodes:
        writer.widen(node)
    drop_unread_initializers(model.graph)
    model.graph.sort()
    return model


def round_ports(model: ir.Model, spans: Mapping[str, tuple[float, float]], dtype: type[np.integer]) -> ir.Model:
    """A copy of ``model`` whose float inputs and outputs pass through a Q/DQ pair of ``dtype`` (int8 or int16).

    ``spans`` gives (low, high) of each by name.
    """
    model = model.clone()
    graph = model.graph
    for value in [value for value in graph.inputs if value.dtype is ir.DataType.FLOAT and not value.is_initializer()]:
        uses = list(value.uses())
        pair = _append_pair(graph, value, f"{value.name}_port", *parameters_of(*spans[value.name], dtype))
        for user, index in uses:
            user.replace_input_with(index, pair.value)
    for index, value in enumerate(graph.outputs):
        if value.dtype is ir.DataType.FLOAT:
            name = value.name
            value.name = f"{name}_before_port"
            pair = _append_pair(graph, value, f"{name}_port", *parameters_of(*spans[name], dtype))
            pair.value.name = name
            graph.outputs[index] = pair.value
    graph.sort()
    return model


def parameters_of(low: float, high: float, dtype: type[np.integer]) -> tuple[np.float32, np.integer]:
    """Scale and zero point of a tensor that holds ``low``..``high``; int16 is symmetric."""
    if dtype is np.int8:
        return rounding.activation_parameters(low, high)
    return scale_of(max(abs(low), abs(high))), np.int16(0)


def scale_of(largest: float) -> np.float32:
    """The int16 scale of a tensor of this largest magnitude; never a power of two."""
    scale = largest / INT16_HIGH
    if scale < rounding.SMALLEST_SCALE:
        scale = 1.0 / INT16_HIGH
    exponent = np.log2(scale)
    return np.float32(scale * NUDGE if abs(exponent - np.rint(exponent)) < POWER_OF_TWO else scale)


def largest_magnitudes(model: ir.Model, names: Sequence[str], samples: Iterable[Sample]) -> dict[str, float]:
    """The largest magnitude of each tensor over all ``samples``; raises :class:`BrushportError` for an infinite one."""
    magnitudes = _magnitudes(model, names, samples)
    return {name: float(seen.max()) for name, seen in magnitudes.items()}


def _bounds(model: ir.Model, names: Sequence[str], samples: Iterable[Sample]) -> dict[str, float]:
    """The largest magnitude that each tensor is given room for."""
    return {name: _bound(seen) for name, seen in _magnitudes(model, names, samples).items()}


def _bound(seen: np.ndarray) -> float:
    """The largest magnitude that a tensor is given room for that has ``seen`` these, one a photo."""
    largest = float(seen.max())
    if len(seen) < TELLING_PHOTOS or largest == 0:
        return HEADROOM * largest
    middle = float(np.median(seen))
    above = np.log(seen[seen >= middle] / middle) if middle else np.zeros(1)  # a flat photo tells nothing
    expected = middle * float(np.exp(SPREADS * np.sqrt(np.mean(np.square(above)))))
    return min(max(expected, LEAST_HEADROOM * largest), MOST_HEADROOM * largest)


def _magnitudes(model: ir.Model, names: Sequence[str], samples: Iterable[Sample]) -> dict[str, np.ndarray]:
    """The largest magnitude of each tensor in each sample."""
    if not names:
        return {}
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs.clear()
    observers = []
    for name in names:
        group = [ir.node(op_type, [values[name]], {"keepdims": 0}) for op_type in ("ReduceMin", "ReduceMax")]
        for node, suffix in zip(group, ("least", "most"), strict=True):
            output = node.outputs[0]
            output.name, output.type = f"{name}_{suffix}", ir.TensorType(ir.DataType.FLOAT)
            model.graph.outputs.append(output)
        observers.append(group)
    append_observers(model.graph, observers)
    session = open_session(model, simulate=True)
    rows = []
    for count, sample in enumerate(samples, start=1):
        row = np.abs(np.array([float(extreme) for extreme in run(session, sample)]).reshape(-1, 2)).max(axis=1)
        if not np.isfinite(row).all():
            name = names[int(np.argmin(np.isfinite(row)))]
            raise BrushportError(f"The float model's tensor {name} is not finite for calibration photo {count}.")
        rows.append(row)
    if not rows:
        raise BrushportError("There are no calibration photos.")
    return dict(zip(names, np.array(rows).T, strict=True))


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype is ir.DataType.FLOAT


def _is_constant(value: ir.Value) -> bool:
    node = value.producer()
    if node is not None and node.op_type == "DequantizeLinear":
        value = node.inputs[0]
    return value.const_value is not None


def _is_wide(node: ir.Node) -> bool:
    """Whether ``node`` computes with floats that are to be 16 bits: it reads a float, and is not int8 already."""
    if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        return False
    runtime = [value for value in node.inputs if _is_float(value) and not _is_constant(value)]
    return bool(runtime) and not _is_int8(node)


def _in_8_bits(value: ir.Value) -> bool:
    """Whether ``value`` is what an 8-bit tensor means, moved about or joined perhaps."""
    return _scale_in_8_bits(value) is not None


def _scale_in_8_bits(value: ir.Value) -> float | None:
    """The scale of the 8-bit tensor that ``value`` is the meaning of; None where there is none, or more than one."""
    while (node := value.producer()) is not None and moves(node):
        value = node.inputs[0]
    if node is not None and node.op_type == "Concat":
        scales = {_scale_in_8_bits(part) for part in node.inputs}
        return scales.pop() if len(scales) == 1 else None
    if node is None or node.op_type != "DequantizeLinear" or _is_constant(value):
        return None
    scale = node.inputs[1].const_value
    in_8_bits = node.inputs[0].dtype in NARROW
    return float(scale.numpy().reshape(-1)[0]) if in_8_bits and scale is not None else None


def _carries(node: ir.Node) -> bool:
    """Whether ``node`` runs on a 16-bit tensor as it is, and gives one of the same scale."""
    return node.op_type in CARRYING or (node.op_type != "Resize" and moves(node))


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def _means_int16(value: ir.Value) -> bool:
    """Whether ``value`` is what a 16-bit tensor without a zero point means."""
    node = value.producer()
    return node is not None and node.op_type == "DequantizeLinear" and _is_int16_without_zero_point(node)


def _is_rounded_to_int16(value: ir.Value) -> bool:
    """Whether nothing but a QuantizeLinear to int16 reads ``value``."""
    reader = _only_reader(value)
    return reader is not None and reader.op_type == "QuantizeLinear" and _is_int16_without_zero_point(reader)


def _is_int16_without_zero_point(node: ir.Node) -> bool:
    if len(node.inputs) < 3 or node.inputs[2] is None or node.inputs[2].dtype is not ir.DataType.INT16:
        return False
    scale, zero = (value.const_value for value in node.inputs[1:3])
    return scale is not None and scale.size == 1 and zero is not None and not zero.numpy().any()


def _is_int8(node: ir.Node) -> bool:
    """Whether the int8 kernels take ``node`` as it stands in a Q/DQ hub."""
    if node.op_type == "Relu" and node.inputs[0].producer() is not None:
        before = node.inputs[0].producer()
        return before.op_type in FUSING and _only_reader(node.inputs[0]) is node and _is_int8(before)
    if node.op_type in PRODUCTS:
        reader = _only_reader(node.outputs[0])
        if reader is not None and reader.op_type == "Relu" and node.op_type in FUSING:
            reader = _only_reader(reader.outputs[0])
        return (
            reader is not None
            and reader.op_type == "QuantizeLinear"
            and reader.outputs[0].dtype in NARROW
            and _is_constant(node.inputs[1])
            and node.inputs[1].const_value is None
            and _in_8_bits(node.inputs[0])
        )
    if node.op_type in ROUNDED_INT8 and all(_in_8_bits(value) for value in node.inputs if _is_float(value)):
        reader = _only_reader(node.outputs[0])
        if reader is not None and reader.op_type == "QuantizeLinear" and reader.outputs[0].dtype in NARROW:
            return True
    return _in_8_bits(node.outputs[0])


def _tensors(nodes: Iterable[ir.Node]) -> list[ir.Value]:
    """The float tensors that may get a pair: inputs of these nodes that are no constants, and their outputs."""
    found = {}
    for node in nodes:
        values = [value for value in node.inputs if _is_float(value) and not _is_constant(value)]
        found.update(dict.fromkeys(value for value in (*values, *node.outputs) if _is_float(value)))
    return list(found)


@dataclass(frozen=True)
class _Pair:
    """A DequantizeLinear's output, with the scale and zero point it was made with."""

    value: ir.Value
    scale: ir.Value
    zero_point: ir.Value


def _append_pair(graph: ir.Graph, value: ir.Value, stem: str, scale: np.floating, zero: np.integer) -> _Pair:
    parameters = (
        add_initializer(graph, f"{stem}{SCALE}", np.asarray(scale, np.float32)),
        add_initializer(graph, f"{stem}{ZERO_POINT}", np.asarray(zero)),
    )
    return _append_shared_pair(graph, value, stem, *parameters)


def _append_shared_pair(graph: ir.Graph, value: ir.Value, stem: str, scale: ir.Value, zero: ir.Value) -> _Pair:
    q = _append(graph, "QuantizeLinear", [value, scale, zero], f"{stem}{QUANTIZED}", zero.dtype, value.shape)
    dq = _append(graph, "DequantizeLinear", [q, scale, zero], f"{stem}{DEQUANTIZED}", ir.DataType.FLOAT, value.shape)
    return _Pair(dq, scale, zero)


def _append(
    graph: ir.Graph, op_type: str, inputs: list[ir.Value], output: str, dtype: ir.DataType, shape: ir.Shape,
    attributes: dict | None = None,
) -> ir.Value:  # fmt: skip
    node = ir.node(op_type, inputs, attributes, name=f"{output}_{op_type}")
    made = node.outputs[0]
    made.name, made.type, made.shape = output, ir.TensorType(dtype), shape
    graph.append(node)
    return made


class _Writer:
    """Puts the wide nodes of one graph on int16, in order."""

    def __init__(self, graph: ir.Graph, bounds: Mapping[str, float]) -> None:
        self.graph, self.bounds = graph, bounds
        self.pairs: dict[ir.Value, _Pair] = {}  # by the value they round
        self.wide: dict[ir.Value, _Pair] = {}  # by what readers see: a pair's output, or what moved it

    def widen(self, node: ir.Node) -> None:
        """Give ``node`` 16-bit inputs and constants, and a pair to its output where it does more than move numbers."""
        for index, value in enumerate(node.inputs):
            if _is_float(value) and not _is_constant(value) and value not in self.wide:
                node.replace_input_with(index, self._pair(value).value)
        if node.op_type in PRODUCTS:
            self._round_weights(node)
        elif node.op_type in (*BINARY, "Concat"):
            self._round_operands(node)
        source = self.wide.get(node.inputs[0])
        floats = [output for output in node.outputs if _is_float(output)]
        if _carries(node) and source is not None:
            self.wide.update(dict.fromkeys(floats, source))
        elif not self._continues(node):
            for output in floats:
                if not _is_rounded_to_int16(output):
                    self._round_everywhere(output, source if node.op_type in KEEPING else self._unit(node))

    def _continues(self, node: ir.Node) -> bool:
        """Whether the one reader of ``node`` is computed along with it: nothing is rounded in between."""
        reader = _only_reader(node.outputs[0])
        if reader is None:
            return False
        if reader.op_type == "Relu" and node.op_type in FUSING:
            self.wide[node.outputs[0]] = None
            return True
        if reader.op_type == "Reciprocal" and node.op_type == "Sqrt":
            self.wide[node.outputs[0]] = None
            return True
        return False

    def _unit(self, node: ir.Node) -> _Pair | None:
        if node.op_type not in UNIT:
            return None
        stem = node.outputs[0].name
        scale = add_initializer(self.graph, f"{stem}_unit{SCALE}", np.asarray(ONE, np.float32))
        zero = add_initializer(self.graph, f"{stem}_unit{ZERO_POINT}", np.asarray(np.int16(0)))
        return _Pair(node.outputs[0], scale, zero)

    def _pair(self, value: ir.Value) -> _Pair:
        if value not in self.pairs and _means_int16(value):
            self.pairs[value] = self.wide[value] = _Pair(value, *value.producer().inputs[1:3])
        elif value not in self.pairs:
            scale = scale_of(self.bounds[value.name])
            self.pairs[value] = _append_pair(self.graph, value, f"{value.name}_wide", scale, np.int16(0))
            self.wide[self.pairs[value].value] = self.pairs[value]
        return self.pairs[value]

    def _round_everywhere(self, value: ir.Value, like: _Pair | None) -> None:
        uses = list(value.uses())
        if like is None:
            pair = self._pair(value)
        else:
            pair = _append_shared_pair(self.graph, value, f"{value.name}_wide", like.scale, like.zero_point)
            self.pairs[value] = self.wide[pair.value] = pair
        for user, index in uses:
            user.replace_input_with(index, pair.value)
        for index, output in enumerate(self.graph.outputs):
            if output is value:
                name, value.name = value.name, f"{value.name}_before"
                pair.value.name = name
                self.graph.outputs[index] = pair.value

    def _round_operands(self, node: ir.Node) -> None:
        for index, value in enumerate(node.inputs):
            if value.const_value is not None:
                array = value.const_value.numpy()
                scale = scale_of(float(np.abs(array).max(initial=0.0)))
                if node.op_type in ("Add", "Sub") and (other := self.wide.get(node.inputs[1 - index])) is not None:
                    scale = max(scale, scale_of(LEAST_ADDEND * INT16_HIGH * other.scale.const_value.numpy()))
                steps = np.clip(np.rint(array.astype(np.float64) / scale), -INT16_HIGH, INT16_HIGH).astype(np.int16)
                node.replace_input_with(index, self._constant(f"{node.name}_{index}", steps, scale, None))

    def _round_weights(self, node: ir.Node) -> None:
        weight = node.inputs[1]
        source = self.wide.get(node.inputs[0])
        if weight.const_value is None or source is None:
            return
        array, axis = weight.const_value.numpy(), _channel_axis(node)
        scales = rounding.weight_scales(array, axis)
        input_scale = np.float32(source.scale.const_value.numpy())
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None and bias.const_value is not None and (axis is not None or node.op_type == "Conv"):
            values = bias.const_value.numpy()
            if values.ndim == 1 and (scales.ndim == 0 or values.size == scales.size):
                scales = rounding.refine_for_bias(array, values, input_scale, scales, axis)
                scales = rounding.widen_for_bias(values, input_scale, scales)
                steps = (scales.astype(np.float64) * input_scale).astype(np.float32)
                rounded = rounding.round_bias(values, steps)
                bias_axis = 0 if scales.ndim else None
                node.replace_input_with(2, self._constant(f"{node.name}_bias", rounded, steps, bias_axis))
        rounded = rounding.round_weight(array, scales, axis)
        node.replace_input_with(1, self._constant(f"{node.name}_weight", rounded, scales, axis))

    def _constant(self, stem: str, rounded: np.ndarray, scales: np.ndarray, axis: int | None) -> ir.Value:
        inputs = [
            add_initializer(self.graph, f"{stem}_quantized", rounded),
            add_initializer(self.graph, f"{stem}{SCALE}", np.asarray(scales)),
            add_initializer(self.graph, f"{stem}{ZERO_POINT}", np.zeros(np.shape(scales), rounded.dtype)),
        ]
        attributes = {} if axis is None else {"axis": axis}
        shape = ir.Shape(rounded.shape)
        name = f"{stem}{DEQUANTIZED}"
        return _append(self.graph, "DequantizeLinear", inputs, name, ir.DataType.FLOAT, shape, attributes)


def _channel_axis(node: ir.Node) -> int | None:
    """The output channels' axis in the weight; None (one scale for all) where there is no such one."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if integer(node, "group", 1) == 1 else None
    if len(node.inputs[1].shape) != 2:
        return None
    return 0 if node.op_type == "Gemm" and integer(node, "transB", 0) else 1
