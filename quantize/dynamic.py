"""Activations rounded to 8 bits at run time, over the extremes that they have at that moment: no calibration.

The hub's form is ``Conv(DequantizeLinear(DynamicQuantizeLinear(x)), DequantizeLinear(q))``, with weights as
:mod:`quantize.weights_only` stores them. On TFLite it becomes a hybrid kernel (float in, float out, int8 filter).

It pays where a number that is rounded takes part in many multiply-accumulates. Per node, counted in float ones::

    gain = macs * (1.28 - 0.28 * p / c) - 24 * elements read - 12 * elements written - 1200 * rows - 1e6

A product of bytes takes 0.28 of the time that is spared by not multiplying floats; the ``c`` input channels are filled
up to ``p``, a multiple of 8. Every element is read twice to find the extremes and to round, every result turned into
float again. A 1x1 convolution, like a matrix product, rounds each pixel's row by itself, which takes its time however
few channels there are. Fitted to the fastest of 15 runs (``python -m export.benchmarks.dynamic``, one thread of an
x86-64 with AVX-512 VNNI; an ARM core with dot products has the same ratio of 4 between its int8 and float products)::

    1x1, 256 x 256     16 to 16  32 to 32  64 to 32  64 to 64  |  3x3, 256 x 256  8 to 8  16 to 16 32 to 32 3 to 32
    time over float      6.0       1.9       1.4       0.62    |                   0.35    0.46      0.33      1.24
    1x1, 128 x 128     16 to 72  32 to 128 96 to 96  128 to 128|  3x3, 64 x 64    64 to 64  128 to 128
    time over float      1.6       0.80      0.46      0.44    |                   0.25      0.42

Transposed, 128 to 64 channels, 3x3, stride 2, from 96 x 96: 0.27.

Winograd's form of a float convolution (:mod:`export.tflite.ops.winograd`) is counted in that: dynamic takes 0.4
of its time, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from types import MappingProxyType

import onnx_ir as ir

from quantize.closest import Rounded
from quantize.graph import drop_unread_initializers, integer, name_nodes
from quantize.judge import Judge, Score
from quantize.macs import count_macs
from quantize.runtime import Sample
from quantize.weights_only import WeightsResult, choose_weights, keep_costly, round_node
from validate.errors import BrushportError
from validate.ports import Port

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CONVOLUTIONS = ("Conv", "ConvTranspose")
BYTE_COST = 0.28
LANES = 8  # input channels are filled up to a multiple of these
INPUT_COST, OUTPUT_COST, ROW_COST, NODE_COST = 24, 12, 1200, 1_000_000
# On the judged photos; kernels that round row by row come closer than the hub, which rounds whole tensors.
TARGET_SSIM = 0.992
COSTED_PHOTOS = 1


def gains(model: ir.Model) -> dict[str, int]:
    """By node, what rounding its activations at run time spares, in multiply-accumulates; only where that is positive.

    Nodes without a hybrid kernel do not count: depthwise and grouped convolutions, those over one axis or three,
    products of two computed matrices.
    """
    macs = count_macs(model)
    estimated = {n.name: estimate(n, macs[n.name]) for n in model.graph if n.name in macs and is_hybrid(n)}
    return {name: gain for name, gain in estimated.items() if gain > 0}


def estimate(node: ir.Node, macs: int) -> int:
    """What rounding at run time spares a node of so many multiply-accumulates, in these; negative where it costs."""
    channels = _channels(node)
    share = 1 + BYTE_COST - BYTE_COST * ceil(channels / LANES) * LANES / channels
    return int(macs * share) - overhead(node)


def overhead(node: ir.Node) -> int:
    """What finding extremes, rounding and turning results into floats takes, in multiply-accumulates of floats."""
    read, written = prod(node.inputs[0].shape), prod(node.outputs[0].shape)
    by_row = node.op_type not in CONVOLUTIONS or (node.op_type == "Conv" and prod(node.inputs[1].shape[2:]) == 1)
    rows = read // _channels(node) if by_row else 0
    return INPUT_COST * read + OUTPUT_COST * written + ROW_COST * rows + NODE_COST


def _channels(node: ir.Node) -> int:
    return node.inputs[0].shape[1 if node.op_type in CONVOLUTIONS else -1]


def is_hybrid(node: ir.Node) -> bool:
    """Whether ``node`` has a kernel that rounds its activations at run time."""
    if node.op_type not in KINDS or integer(node, "group", 1) != 1 or integer(node, "transA", 0):
        return False
    weight = node.inputs[1]
    source = weight.producer()
    constant = weight if source is None or source.op_type != "DequantizeLinear" else source.inputs[0]
    return constant.const_value is not None and len(weight.shape) == (4 if node.op_type in CONVOLUTIONS else 2)


def make_dynamic(
    model: ir.Model, names: Iterable[str], closest: Mapping[str, Rounded] = MappingProxyType({})
) -> ir.Model:
    """A copy of ``model``, float or Q/DQ, in which the nodes ``names`` round what they read at run time.

    Each reads ``DequantizeLinear(DynamicQuantizeLinear(x))``, one pair for all that read the same tensor, and int8
    weights, those of ``closest`` (:mod:`quantize.closest`) or the nearest; weights that stand behind a DequantizeLinear
    already stay as they are. Dtypes and shapes are stated.
    Raises :class:`BrushportError` for a name that is no convolution or matrix product with constant weights.
    """
    model = model.clone()
    graph = model.graph
    nodes = {node.name: node for node in graph}
    pairs: dict[ir.Value, ir.Value] = {}
    for name in names:
        node = nodes.get(name)
        if node is None or not is_hybrid(node):
            raise BrushportError(
                f"'{name}' cannot round at run time what it reads; name a convolution or product with constant weights."
            )
        if node.inputs[1].producer() is None:
            round_node(graph, node, closest.get(name))
        value = node.inputs[0]
        if value not in pairs:
            pairs[value] = _pair(graph, node, value)
        node.replace_input_with(0, pairs[value])
    drop_unread_initializers(graph)
    graph.sort()
    return model


def _pair(graph: ir.Graph, before: ir.Node, value: ir.Value) -> ir.Value:
    stem = f"{value.name}_dynamic"
    rounded = ir.node("DynamicQuantizeLinear", [value], num_outputs=3, name=stem)
    kinds = ((ir.DataType.UINT8, value.shape), (ir.DataType.FLOAT, ir.Shape([])), (ir.DataType.UINT8, ir.Shape([])))
    for output, ending, (dtype, shape) in zip(rounded.outputs, ("", "_scale", "_zero_point"), kinds, strict=True):
        output.name, output.type, output.shape = f"{stem}{ending}", ir.TensorType(dtype), shape
    real = ir.node("DequantizeLinear", list(rounded.outputs), name=f"{stem}_real")
    output = real.outputs[0]
    output.name, output.type, output.shape = real.name, ir.TensorType(ir.DataType.FLOAT), value.shape
    graph.insert_before(before, [rounded, real])
    return output


@dataclass(frozen=True)
class DynamicResult:
    """A hub with int8 weights whose nodes ``names`` round what they read at run time.

    ``kept`` do not for the picture's sake, though it would be faster. ``share`` is that of the multiply-accumulates in
    ``names``.
    """

    model: ir.Model
    names: tuple[str, ...]
    kept: tuple[str, ...]
    share: float
    score: Score
    weights: WeightsResult

    def facts(self) -> dict:
        """For the manifest."""
        quality = {"psnr": round(self.score.psnr, 2)}
        if self.score.ssim is not None:
            quality["ssim"] = round(self.score.ssim, 4)
        return {
            "dynamic_share_of_macs": round(self.share, 4),
            "dynamic_nodes": list(self.names),
            "kept_for_the_picture": list(self.kept),
            "float_weights": list(self.weights.kept),
            "calibration": quality,
        }


def choose_dynamic(
    model: ir.Model,
    samples: Sequence[Sample],
    outputs: Sequence[Port],
    *,
    target: float = TARGET_SSIM,
    report: Callable[[str], None] = lambda step: None,
) -> DynamicResult:
    """Int8 weights, and activations rounded at run time where that is faster and the picture bears it.

    As :func:`quantize.weights_only.choose_weights` for the activations: nodes that spare time (:func:`gains`) become
    dynamic, but those that cost most, as few as it takes to reach ``target`` on ``samples``. Raises
    :class:`UnsupportedError` where no weights can be stored in 8 bits.
    """
    model = model.clone()
    name_nodes(model.graph)
    weights = choose_weights(model, samples, outputs, report=report)
    worth = {name: gain for name, gain in gains(model).items() if name not in weights.kept}
    judge = Judge(model, samples, outputs)
    report("rounding the activations")

    def attempt(kept: frozenset[str]) -> tuple[ir.Model, Score]:
        made = make_dynamic(weights.model, [name for name in worth if name not in kept])
        return made, judge.score(made)

    def cost(name: str) -> float:
        return judge.error(make_dynamic(weights.model, [name]), COSTED_PHOTOS)

    made, score, kept = keep_costly(worth, attempt, cost, target, report)
    names = tuple(name for name in worth if name not in kept)
    macs = count_macs(model)
    share = sum(macs[name] for name in names) / max(sum(macs.values()), 1)
    return DynamicResult(made, names, tuple(kept), share, score, weights)
