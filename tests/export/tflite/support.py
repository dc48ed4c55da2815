"""Small graphs as hubs, and both runtimes behind one call."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from export.hub.model import HUB_OPSET, Hub
from export.tflite import compile_tflite
from validate.ports import Port

RNG = np.random.default_rng


def model_of(nodes, inputs, outputs, constants=None, opset=HUB_OPSET) -> onnx.ModelProto:
    """A checked model with inferred shapes; ``inputs`` maps names to arrays, ``constants`` to arrays."""

    def info(name, array):
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

    graph = onnx.helper.make_graph(
        nodes,
        "case",
        [info(name, array) for name, array in inputs.items()],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in (constants or {}).items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    for output in model.graph.output:
        if not output.type.tensor_type.elem_type:  # onnx cannot infer GroupNormalization, which keeps the shape
            output.type.CopyFrom(model.graph.input[0].type)
            if nodes[0].op_type == "Transpose":
                output.type.CopyFrom(model.graph.value_info[0].type)
    onnx.checker.check_model(model)
    return model


def hub_of(model: onnx.ModelProto, value_range=None, name="case") -> Hub:
    """The model as a hub; ``value_range`` makes every input and output of rank 4 a picture."""
    graph = ir.serde.deserialize_model(model)
    constants = {tensor.name for tensor in model.graph.initializer}

    def ports(values):
        return tuple(
            Port(v.name, tuple(v.shape), value_range if len(v.shape) == 4 else None)
            for v in values
            if v.name not in constants
        )

    return Hub(graph, name, ports(graph.graph.inputs), ports(graph.graph.outputs))


def run_onnx(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What ONNX Runtime computes, without its graph optimizations; ONNX's reference where it lacks a number type."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return onnx.reference.ReferenceEvaluator(model).run(None, feeds)
    return session.run(None, feeds)


def to_nhwc(array: np.ndarray) -> np.ndarray:
    """Pictures to NHWC; other ranks as they are."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array


def to_nchw(array: np.ndarray) -> np.ndarray:
    """Pictures to NCHW; other ranks as they are."""
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def run_tflite(content: bytes, feeds: dict[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
    """What LiteRT computes; ``feeds`` and results are NCHW."""
    interpreter = Interpreter(model_content=content, num_threads=2)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], to_nhwc(feeds[detail["name"]]))
    interpreter.invoke()
    by_name = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    return [to_nchw(interpreter.get_tensor(by_name[name])) for name in outputs]


def compile_bytes(model: onnx.ModelProto, value_range=None, **options) -> bytes:
    """The compiled file's content; float32 tensors as inputs and outputs unless told otherwise."""
    options = {"io": "tensor", "metadata": {}} | options
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.tflite"
        compile_tflite(hub_of(model, value_range), path, **options)
        return path.read_bytes()


def both(model: onnx.ModelProto, feeds: dict[str, np.ndarray], **options) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (TFLite, ONNX Runtime) for each output."""
    names = [output.name for output in model.graph.output]
    return list(zip(run_tflite(compile_bytes(model, **options), feeds, names), run_onnx(model, feeds), strict=True))
