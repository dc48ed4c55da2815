"""``python -m export.benchmarks.dynamic``: what rounding activations at run time does to one layer's time.

Each layer is compiled twice, as float32 (in whatever form costs least) and dynamic; the two take turns in one process.
The last column is what :mod:`quantize.dynamic` expects: it makes a layer dynamic where that is positive.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnx_ir as ir
import typer
from rich.table import Table

from validate.command import console, reporting_errors, start

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@dataclass(frozen=True)
class Layer:
    """A convolution with a square kernel over a square plane."""

    inputs: int
    outputs: int
    kernel: int
    side: int
    stride: int = 1


LAYERS = (
    *(Layer(c, o, 1, 256) for c, o in ((8, 8), (16, 16), (16, 32), (32, 16), (32, 32), (64, 16), (64, 32), (64, 64))),
    *(Layer(c, o, 1, 128) for c, o in ((32, 128), (128, 32), (96, 96), (128, 128), (16, 72), (72, 24))),
    *(Layer(c, o, 1, 32) for c, o in ((40, 240), (240, 40), (96, 576), (256, 256))),
    *(Layer(c, o, 3, 256) for c, o in ((3, 16), (3, 32), (8, 8), (16, 16), (16, 3), (32, 3), (27, 16), (32, 32))),
    *(Layer(c, o, 3, 128) for c, o in ((32, 64), (64, 64), (128, 128))),
    *(Layer(c, o, 3, 64) for c, o in ((64, 64), (128, 128), (256, 256))),
    *(Layer(c, o, 3, 256, 2) for c, o in ((3, 16), (32, 64), (64, 128))),
    *(Layer(c, o, 9, 256) for c, o in ((3, 32), (32, 3))),
)  # fmt: skip


@app.command()
@reporting_errors
def dynamic(
    runs: Annotated[int, typer.Option(min=1, help="Turns of each file.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 1,
) -> None:
    """Time typical layers, float32 beside dynamic: the fastest run of each."""
    table = Table("layer", "plane", box=None, header_style="bold", pad_edge=False)
    for column in ("million MACs", "float ms", "dynamic ms", "ratio", "expected gain"):
        table.add_column(column, justify="right")
    for layer in LAYERS:
        macs, gain, (real, rounded) = measure(layer, runs, threads)
        stride = f" /{layer.stride}" if layer.stride > 1 else ""
        table.add_row(
            f"{layer.inputs} to {layer.outputs}, {layer.kernel}x{layer.kernel}{stride}", f"{layer.side}x{layer.side}",
            f"{macs / 1e6:.0f}", f"{real:.2f}", f"{rounded:.2f}", f"{rounded / real:.2f}", f"{gain / macs:.2f}",
        )  # fmt: skip
    console.print(table)


def measure(layer: Layer, runs: int, threads: int) -> tuple[int, float, list[float]]:
    """Multiply-accumulates, expected gain in the same unit, and milliseconds as float32 and as dynamic."""
    from ai_edge_litert.interpreter import Interpreter

    from export.hub.model import Hub
    from export.tflite import compile_tflite
    from quantize.dynamic import estimate, make_dynamic
    from quantize.macs import count_macs
    from validate.ports import Port

    model = network(layer)
    name, macs = next(iter(count_macs(model).items()))
    ports = [
        tuple(Port(v.name, tuple(v.shape)) for v in values) for values in (model.graph.inputs, model.graph.outputs)
    ]
    interpreters = []
    with tempfile.TemporaryDirectory() as folder:
        for made, precision in ((model, "fp32"), (make_dynamic(model, [name]), "dynamic")):
            path = Path(folder) / f"{precision}.tflite"
            compile_tflite(Hub(made, "layer", *ports), path, precision=precision, io="tensor")
            interpreter = Interpreter(str(path), num_threads=threads)
            interpreter.allocate_tensors()
            details = interpreter.get_input_details()[0]
            interpreter.set_tensor(
                details["index"], np.random.default_rng(0).normal(size=details["shape"]).astype("f4")
            )
            interpreters.append(interpreter)
        times = [[], []]
        for _ in range(runs):
            for interpreter, taken in zip(interpreters, times, strict=True):
                started = time.perf_counter()
                interpreter.invoke()
                taken.append(1000 * (time.perf_counter() - started))
    return macs, estimate(model.graph.node(name), macs), [min(taken) for taken in times]


def network(layer: Layer) -> ir.Model:
    """The layer alone, with random weights and a bias."""
    random = np.random.default_rng(0)
    shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
    constants = {"w": random.normal(size=shape), "b": random.normal(size=layer.outputs)}
    pads = {"pads": [layer.kernel // 2] * 4, "strides": [layer.stride] * 2}
    size = [1, layer.inputs, layer.side, layer.side]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", **pads)],
        "layer",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, size)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(model, strict_mode=True))


def main() -> None:
    """Run the command."""
    start(app, "python -m export.benchmarks.dynamic")


if __name__ == "__main__":
    main()
