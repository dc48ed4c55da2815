"""Small graphs in 16 bits, compiled to files of whole numbers alone, beside ONNX Runtime on the same Q/DQ graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from export.hub.model import Hub
from export.tflite import compile_tflite
from quantize.int16 import HEADROOM, largest_magnitudes, round_ports, to_int16
from quantize.integer import in_elementary_steps
from tests.export.tflite.support import to_nchw, to_nhwc
from tests.export.tflite.test_registry import operators
from tests.quantize.graphs import Builder, run
from validate.ports import Port

Sample = dict[str, np.ndarray]


class Graph(Builder):
    """Collects nodes over one or more inputs, whose arrays are given."""

    def __init__(self, **inputs: np.ndarray) -> None:
        super().__init__([])
        self.feeds = inputs
        self.inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in inputs.items()
        ]

    def weights(self, *shape: int, size: float = 0.3) -> str:
        """Normally distributed constants."""
        return self.constant(self.random.normal(0, size, shape).astype(np.float32))


def hub_of(model: ir.Model) -> Hub:
    """The model as a hub without pictures."""
    ports = [
        tuple(Port(value.name, tuple(value.shape), None) for value in side)
        for side in (model.graph.inputs, model.graph.outputs)
    ]
    return Hub(model, "case", *ports)


def rounded(model: ir.Model, feeds: Sample, ports: type = np.int16) -> ir.Model:
    """``model`` with whole-number ports of type ``ports``, and 16 bits in between."""
    model = in_elementary_steps(model, [feeds])
    names = [value.name for value in (*model.graph.inputs, *model.graph.outputs)]
    largest = largest_magnitudes(model, names, [feeds])
    model = round_ports(model, {name: (-HEADROOM * most, HEADROOM * most) for name, most in largest.items()}, ports)
    return to_int16(model, [feeds])


def compiled(model: ir.Model, folder: Path, io: str = "integer") -> bytes:
    """The content of the file."""
    compile_tflite(hub_of(model), folder / "case.tflite", precision="int16x8", io=io)
    return (folder / "case.tflite").read_bytes()


def run_integers(content: bytes, feeds: Sample, names: list[str]) -> tuple[list[np.ndarray], list[float]]:
    """What the file gives for real numbers, which are rounded as its ports say; and the steps of its outputs."""
    interpreter = Interpreter(model_content=content, num_threads=2)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        scale, zero = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        steps = np.clip(np.rint(feeds[detail["name"]] / scale) + zero, limits.min, limits.max)
        interpreter.set_tensor(detail["index"], to_nhwc(steps.astype(detail["dtype"])))
    interpreter.invoke()
    results, scales = [], []
    for name in names:
        detail = next(one for one in interpreter.get_output_details() if one["name"] == name)
        scale, zero = detail["quantization"]
        whole = interpreter.get_tensor(detail["index"])
        assert whole.dtype == detail["dtype"]
        results.append(to_nchw((whole.astype(np.float64) - zero) * scale))
        scales.append(scale)
    return results, scales


def float_tensors(content: bytes) -> list[str]:
    """The names of the tensors of a file that hold floats."""
    details = Interpreter(model_content=content).get_tensor_details()
    return [detail["name"] for detail in details if np.issubdtype(detail["dtype"], np.floating)]


def check(graph: Graph, *outputs: str, folder: Path, steps: float = 2.0, ports: type = np.int16) -> list[str]:
    """Compares the file with ONNX Runtime on the same rounded graph, in steps of the output, and with the float graph.

    Returns the file's operators without those that only move or rescale numbers.
    """
    model = graph.build(*outputs)
    made = rounded(model, graph.feeds, ports)
    content = compiled(made, folder)
    assert float_tensors(content) == []
    got, scales = run_integers(content, graph.feeds, list(outputs))
    for mine, theirs, exact, scale in zip(got, run(made, graph.feeds), run(model, graph.feeds), scales, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).max() <= steps * scale, np.abs(mine - theirs).max() / scale
        assert np.abs(mine - exact).max() <= 0.01 * np.abs(exact).max()
    return [code for code in operators(content) if code not in ("QUANTIZE", "RESHAPE")]
