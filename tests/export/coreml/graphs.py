"""Small hubs for the Core ML compiler's tests, built by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.hub.model import HUB_OPSET, Hub
from validate.ports import Port


@dataclass(frozen=True)
class Const:
    """A node input that is an initializer; everything else is fed at run time."""

    array: np.ndarray


@dataclass
class Case:
    """One node with its inputs: arrays are fed, :class:`Const` are initializers, ``None`` is left out.

    Boolean inputs are fed as floats and cast; results that are not float32 are cast to it. What only constants go
    into is multiplied by a fed 1.
    """

    op: str
    inputs: tuple
    outputs: int = 1
    opset: int = HUB_OPSET
    attributes: dict = field(default_factory=dict)


def case(op: str, *inputs: object, outputs: int = 1, opset: int = HUB_OPSET, **attributes: object) -> Case:
    return Case(op, inputs, outputs, opset, attributes)


def model_of(cases: list[Case], reorder: bool = False) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """One model that holds all cases side by side, and what to feed it. Case ``k``'s outputs are ``k_out0``, ...

    ``reorder`` has the inputs arrive with their axes reversed, behind a Transpose.
    """
    nodes, graph_inputs, initializers, known, feeds, outputs = [], [], [], [], {}, []
    for number, one in enumerate(cases):
        names = []
        for position, value in enumerate(one.inputs):
            name = f"c{number}_in{position}"
            if value is None:
                names.append("")
                continue
            names.append(name)
            if isinstance(value, Const):
                initializers.append(numpy_helper.from_array(value.array, name))
                continue
            feeds[name] = np.asarray(value, np.float32)
            if reorder and value.ndim > 1:
                feeds[name] = np.ascontiguousarray(feeds[name].transpose())
                nodes.append(helper.make_node("Transpose", [name], [f"{name}_turned"], name=f"{name}_turned"))
                names[-1] = f"{name}_turned"
            graph_inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, feeds[name].shape))
            if value.dtype != np.float32:
                to = helper.np_dtype_to_tensor_dtype(value.dtype)
                nodes.append(helper.make_node("Cast", [names[-1]], [f"{name}_cast"], to=to, name=f"{name}_cast"))
                names[-1] = f"{name}_cast"
        if not any(isinstance(value, np.ndarray) for value in one.inputs):  # constants alone make no program
            feeds[f"c{number}_one"] = np.ones(1, np.float32)
            graph_inputs.append(helper.make_tensor_value_info(f"c{number}_one", TensorProto.FLOAT, [1]))
        results = [f"c{number}_raw{index}" for index in range(one.outputs)]
        nodes.append(helper.make_node(one.op, names, results, name=f"c{number}_{one.op}", **one.attributes))
        if one.op == "GroupNormalization":  # onnx infers no shape for it
            known.append(helper.make_tensor_value_info(results[0], TensorProto.FLOAT, one.inputs[0].shape))
        for index, result in enumerate(results):
            out = f"c{number}_out{index}"
            if f"c{number}_one" in feeds:
                nodes.append(helper.make_node("Mul", [result, f"c{number}_one"], [out], name=out))
            else:
                nodes.append(helper.make_node("Cast", [result], [out], to=TensorProto.FLOAT, name=out))
            outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "cases", graph_inputs, outputs, initializers, value_info=known)
    opset = max(one.opset for one in cases)
    return finish(graph, opset), feeds


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime computes, unoptimized: its optimizer gets a transposed matrix times a vector wrong (1.31.1)."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def finish(graph: onnx.GraphProto, opset: int = HUB_OPSET) -> onnx.ModelProto:
    """The model of a graph, its values with their shapes."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=True)


def hub_of(model: onnx.ModelProto, ranges: dict[str, tuple[float, float]] | None = None, name: str = "net") -> Hub:
    """A hub over ``model``; ``ranges`` says which ports are pictures."""
    module = ir.from_proto(model)

    def ports(values: list[ir.Value]) -> tuple[Port, ...]:
        return tuple(Port(value.name, tuple(value.shape), (ranges or {}).get(value.name)) for value in values)

    return Hub(module, name, ports(module.graph.inputs), ports(module.graph.outputs))
