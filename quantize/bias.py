"""Bias correction: what rounding shifts on average is taken off the biases (Nagel et al. 2019, section 4.2).

Rounded weights and clipped activations give a convolution's channel another mean, E[y'] = E[y] + d, on photos. Its bias
takes -d in. Shifts add up along the graph, so nodes are corrected in stages, each measured with those before it
corrected. A norm behind a convolution takes any shift off by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from quantize.graph import add_initializer, append_observers
from quantize.rounding import INT32_HIGH
from quantize.runtime import Sample, open_session, run

STAGES = 4


def correct_biases(
    quantized: ir.Model, float_model: ir.Model, samples: Sequence[Sample], stages: int = STAGES
) -> ir.Model:
    """A copy of ``quantized`` whose int32 biases give the nodes the mean outputs that ``float_model``'s have.

    Nodes of the same name are compared, channel by channel, in the mean over ``samples``; those of another shape, or
    in front of an InstanceNormalization, are left alone.
    """
    model = quantized.clone()
    names = [node.name for node in model.graph if _has_rounded_bias(node)]
    known = {node.name: node for node in float_model.graph}
    names = [name for name in names if name in known and known[name].op_type in ("Conv", "ConvTranspose")]
    if not names:
        return model
    wanted = _means(float_model, names, samples)
    for stage in np.array_split(np.array(names, object), min(stages, len(names))):
        found = _means(model, stage.tolist(), samples)
        for node in [node for node in model.graph if node.name in found]:
            _shift(model.graph, node, wanted[node.name] - found[node.name])
    return model


def _has_rounded_bias(node: ir.Node) -> bool:
    if node.op_type not in ("Conv", "ConvTranspose") or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    source = node.inputs[2].producer()
    if source is None or source.op_type != "DequantizeLinear" or source.inputs[0].dtype is not ir.DataType.INT32:
        return False
    return not any(_leads_to_norm(reader) for reader in node.outputs[0].consumers())


def _leads_to_norm(node: ir.Node) -> bool:
    while node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        readers = node.outputs[0].consumers()
        if len(readers) != 1:
            return False
        node = readers[0]
    return node.op_type == "InstanceNormalization"


def _means(model: ir.Model, names: Sequence[str], samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """The mean of each channel of the nodes' outputs over all samples, float64 (C,)."""
    model = model.clone()
    wanted = set(names)
    nodes = [node for node in model.graph if node.name in wanted]
    model.graph.outputs.clear()
    observers = []
    for node in nodes:
        value = node.outputs[0]
        axes = [0, *range(2, len(value.shape))]
        if model.graph.opset_imports[""] >= 18:
            tensor = add_initializer(model.graph, f"{node.name}_mean_axes", np.array(axes, np.int64))
            mean = ir.node("ReduceMean", [value, tensor], {"keepdims": 0})
        else:
            mean = ir.node("ReduceMean", [value], {"keepdims": 0, "axes": axes})
        mean.outputs[0].name, mean.outputs[0].type = f"{node.name}_mean", ir.TensorType(ir.DataType.FLOAT)
        model.graph.outputs.append(mean.outputs[0])
        observers.append([mean])
    append_observers(model.graph, observers)
    session = open_session(model, simulate=True)
    rows = [run(session, sample) for sample in samples]
    return {node.name: np.mean([row[i] for row in rows], axis=0, dtype=np.float64) for i, node in enumerate(nodes)}


def _shift(graph: ir.Graph, node: ir.Node, shift: np.ndarray) -> None:
    """Add ``shift``, in the values of the output, to the int32 bias of ``node``."""
    source = node.inputs[2].producer()
    steps, scales = (source.inputs[i].const_value.numpy().astype(np.float64) for i in (0, 1))
    moved = np.clip(np.rint(steps + shift / scales), -INT32_HIGH, INT32_HIGH).astype(np.int32)
    source.replace_input_with(0, add_initializer(graph, f"{source.inputs[0].name}_corrected", moved))
