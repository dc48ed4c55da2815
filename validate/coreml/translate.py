"""MIL program → ONNX model.

Each MIL operator becomes ONNX nodes that compute in float32. Where the program keeps a result in fp16, the result
is rounded through fp16 (to nearest even; beyond 65504 to infinity), so that precision is lost and numbers
overflow where they would on a device. Inside one operator the arithmetic stays float32, as it does in the wide
accumulators of the hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import validate.coreml.ops  # noqa: F401  (registers the operators)
from validate.coreml.graph import (
    INLINE_BYTES,
    IR_VERSION,
    ONNX_TYPE,
    OPSET,
    Graph,
    is_fp16,
    kind_of,
    shape_of,
    unsupported,
)
from validate.coreml.registry import find_rule, supported_ops

Watch = Callable[[Graph, Any, list[str]], list[str]]


@dataclass(frozen=True)
class Translation:
    """A translated program: an ONNX model whose large constants are kept apart.

    ``model`` refers to the arrays in ``weights`` as external data; :meth:`whole_model` puts them in. ``outputs``
    gives the ONNX name of each Core ML output: the same, unless an input has that name already.
    """

    model: onnx.ModelProto
    weights: Mapping[str, np.ndarray]
    outputs: Mapping[str, str]

    def whole_model(self) -> onnx.ModelProto:
        """A self-contained copy of the model, as can be written to an ``.onnx`` file."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for tensor in model.graph.initializer:
            if tensor.name in self.weights:
                tensor.CopyFrom(numpy_helper.from_array(self.weights[tensor.name], tensor.name))
        return model


def translate(function: Any, *, round_fp16: bool = True, watch: Watch | None = None) -> Translation:
    """Translate one MIL function (``coremltools.converters.mil.mil.Function``) with static shapes.

    ``round_fp16=False`` leaves the rounding out, which shows how much of a difference is due to fp16. ``watch`` is
    called with the graph, each operator that is translated and the names of its results before rounding, and gives
    names of further values that become outputs.

    Raises :class:`UnsupportedError` naming the first operator that cannot be run.
    """
    graph = Graph()
    inputs = []
    for name, var in function.inputs.items():
        graph.bind(var, name)
        inputs.append(helper.make_tensor_value_info(name, ONNX_TYPE[kind_of(var)], shape_of(var)))
        if round_fp16 and is_fp16(var):
            graph.bind(var, graph.round_fp16(name))
    outputs, names = [], {}
    for op in function.operations:
        results = _translate_op(graph, op, round_fp16)
        if watch is None or results is None:
            continue
        for seen in watch(graph, op, results):
            names[seen] = seen
            outputs.append(helper.make_tensor_value_info(seen, TensorProto.FLOAT, []))
    for var in function.outputs:
        if var.name in names:
            continue
        names[var.name] = f"{var.name}/output" if var.name in function.inputs else var.name
        graph.nodes.append(helper.make_node("Identity", [graph.tensor(var)], [names[var.name]]))
        outputs.append(helper.make_tensor_value_info(names[var.name], ONNX_TYPE[kind_of(var)], shape_of(var)))
    return _assemble(graph, inputs, outputs, names)


def _translate_op(graph: Graph, op: Any, round_fp16: bool) -> list[str] | None:
    """The names of the operator's results before rounding, or ``None`` where it is a constant."""
    if op.op_type == "const" or op.op_type.startswith("constexpr_"):
        return None
    if all(var.val is not None for var in op.outputs):
        return None
    rule = find_rule(op.op_type)
    if rule is None:
        raise unsupported(op, f"it is not among the supported operators: {', '.join(supported_ops())}")
    for var in op.outputs:
        if any(not isinstance(dim, (int, float, np.number)) for dim in var.shape):
            raise unsupported(op, f"the shape of its result {var.name!r} depends on the data")
    graph.prefix = op.name
    results = rule.lower(graph, op)
    if isinstance(results, str):
        results = [results]
    for var, result in zip(op.outputs, results, strict=True):
        rounded = round_fp16 and not rule.exact and is_fp16(var)
        graph.bind(var, graph.round_fp16(result) if rounded else result)
    return results


def _assemble(graph: Graph, inputs: list, outputs: list, names: dict[str, str]) -> Translation:
    initializers, weights = [], {}
    for name, array in graph.constants.items():
        if array.nbytes > INLINE_BYTES:
            weights[name] = array
            tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
            tensor.dims.extend(array.shape)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "weights"), ("offset", "0"), ("length", str(array.nbytes))):
                tensor.external_data.add(key=key, value=value)
        else:
            tensor = numpy_helper.from_array(array, name)
        initializers.append(tensor)
    onnx_graph = helper.make_graph(graph.nodes, "coreml", inputs, outputs, initializers)
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return Translation(model, weights, names)
