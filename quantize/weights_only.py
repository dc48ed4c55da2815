"""Weights in int8, everything else as it is: ``Conv(x, DequantizeLinear(q, scale))``.

One scale an output channel, symmetric, found by least squares: rounding costs scale^2 / 12 a weight, clipping the few
largest weights costs them alone, so a channel with an outlier or two is better off with finer steps. Biases stay float.

Where the weights of a node are so unlike each other that 8 bits cost the picture (depthwise filters that all but cancel
each other), they stay float; which, is measured (:func:`choose_weights`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from quantize import rounding
from quantize.closest import Rounded, closest_weights
from quantize.graph import add_initializer, drop_unread_initializers, name_nodes
from quantize.judge import Judge, Score
from quantize.runtime import Sample
from quantize.weights import output_axis
from validate.errors import UnsupportedError
from validate.ports import Port

KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CLIPPING = np.linspace(1.0, 0.7, 13)  # shares of the largest weight that the search tries
FEWEST = 64  # weights of a node; of fewer, the scales take what the bytes save
OLDEST_OPSET = 13  # DequantizeLinear along an axis
TARGET_SSIM = 0.9985  # on the judged photos
JUDGED_PHOTOS = 3
COSTED_PHOTOS = 1
QUANTIZED, SCALE, ZERO_POINT, DEQUANTIZED = "_quantized", "_scale", "_zero_point", "_dequantized"


def weight_nodes(model: ir.Model) -> list[ir.Node]:
    """The convolutions and matrix products whose float weights are constants worth storing in 8 bits."""
    return [node for node in model.graph if _qualifies(node)]


def _qualifies(node: ir.Node) -> bool:
    if node.op_type not in KINDS or node.domain not in ("", "ai.onnx") or len(node.inputs) < 2:
        return False
    weight = node.inputs[1]
    if weight is None or weight.producer() is not None or weight.is_graph_input() or weight.const_value is None:
        return False
    if weight.dtype != ir.DataType.FLOAT or weight.const_value.size < FEWEST:
        return False
    return node.op_type not in ("Gemm", "MatMul") or len(weight.shape) == 2


def least_squares_scales(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """Scales like :func:`quantize.rounding.weight_scales`, shrunk where that lowers the squared error of a channel."""
    largest = rounding.weight_scales(weight, axis)
    rows = np.moveaxis(weight, axis, 0).reshape(len(largest), -1) if axis is not None else weight.reshape(1, -1)
    rows, whole = rows.astype(np.float64), largest.reshape(-1).astype(np.float64)
    best, found = np.full(len(rows), np.inf), whole.copy()
    for share in CLIPPING:
        scale = (whole * share)[:, None]
        steps = np.clip(np.rint(rows / scale), -rounding.WEIGHT_HIGH, rounding.WEIGHT_HIGH)
        error = np.square(steps * scale - rows).sum(axis=1)
        better = error < best
        best[better], found[better] = error[better], scale[better, 0]
    return found.astype(np.float32).reshape(largest.shape)


def quantize_weights(
    model: ir.Model, names: Iterable[str] | None = None, closest: Mapping[str, Rounded] = MappingProxyType({})
) -> ir.Model:
    """A copy of ``model`` in which the weights of the nodes ``names`` (all that qualify for None) are int8.

    The weights, ``<node>_<weight>_quantized``, stand behind a DequantizeLinear along the output channels, with zero
    points of 0; dtypes and shapes are stated. ``closest`` has weights that are rounded already
    (:func:`closest_int8`); the others go to the nearest steps. A node that does not qualify (:func:`weight_nodes`) is
    left as it is. Raises :class:`UnsupportedError` for a model of an opset older than 13.
    """
    opset = model.graph.opset_imports.get("", 0)
    if opset < OLDEST_OPSET:
        raise UnsupportedError(
            f"The model is of opset {opset}, but per-channel int8 weights need {OLDEST_OPSET} or later: "
            "export it with a newer opset."
        )
    model = model.clone()
    wanted = None if names is None else set(names)
    for node in weight_nodes(model):
        if wanted is None or node.name in wanted:
            round_node(model.graph, node, closest.get(node.name))
    drop_unread_initializers(model.graph)
    return model


def closest_int8(model: ir.Model, samples: Sequence[Sample]) -> dict[str, Rounded]:
    """The weights that :func:`quantize_weights` rounds, such that the nodes give what they gave on ``samples``."""
    return closest_weights(model, [node.name for node in weight_nodes(model)], samples, least_squares_scales)


def round_node(graph: ir.Graph, node: ir.Node, rounded: Rounded | None = None) -> None:
    """Puts the float weights of a node in int8, ``rounded`` or to the nearest, behind a DequantizeLinear."""
    value, axis = node.inputs[1], output_axis(node)
    weight = value.const_value.numpy()
    scales = least_squares_scales(weight, axis) if rounded is None else rounded.scales
    steps = rounding.round_weight(weight, scales, axis) if rounded is None else rounded.steps
    stem = f"{node.name}_{value.name}"
    inputs = [
        add_initializer(graph, f"{stem}{QUANTIZED}", steps),
        add_initializer(graph, f"{stem}{SCALE}", scales),
        add_initializer(graph, f"{stem}{ZERO_POINT}", np.zeros(scales.shape, np.int8)),
    ]
    unpack = ir.node("DequantizeLinear", inputs, {} if axis is None else {"axis": axis}, name=f"{stem}{DEQUANTIZED}")
    output = unpack.outputs[0]
    output.name, output.type, output.shape = unpack.name, ir.TensorType(ir.DataType.FLOAT), ir.Shape(weight.shape)
    graph.insert_before(node, unpack)
    node.replace_input_with(1, output)


@dataclass(frozen=True)
class WeightsResult:
    """A hub with int8 weights: which nodes kept float ones, and how close it is on the judged photos."""

    model: ir.Model
    names: tuple[str, ...]
    kept: tuple[str, ...]
    score: Score

    def facts(self) -> dict:
        """For the manifest."""
        quality = {"psnr": round(self.score.psnr, 2)}
        if self.score.ssim is not None:
            quality["ssim"] = round(self.score.ssim, 4)
        return {"int8_weights": len(self.names), "float_weights": list(self.kept), "calibration": quality}


def choose_weights(
    model: ir.Model,
    samples: Sequence[Sample],
    outputs: Sequence[Port],
    *,
    target: float = TARGET_SSIM,
    report: Callable[[str], None] = lambda step: None,
) -> WeightsResult:
    """Int8 weights wherever the pictures of a few ``samples`` bear it: mean SSIM ``target`` or better.

    Where all weights together fall short, each node's are rounded alone to see what they cost, and those that cost most
    for the bytes they save stay float, as few as it takes. Raises :class:`UnsupportedError` where the model has no
    weights to store in 8 bits, or bears it in none of them.
    """
    model = model.clone()
    name_nodes(model.graph)
    sizes = {node.name: node.inputs[1].const_value.size for node in weight_nodes(model)}
    if not sizes:
        raise UnsupportedError("The model has no convolution or matrix product with constant float weights to store.")
    judge = Judge(model, samples, outputs)
    report("rounding the weights")
    closest = closest_int8(model, samples)

    def attempt(kept: frozenset[str]) -> tuple[ir.Model, Score]:
        made = quantize_weights(model, sizes.keys() - kept, closest)
        return made, judge.score(made)

    def cost(name: str) -> float:
        return judge.error(quantize_weights(model, [name], closest), COSTED_PHOTOS)

    made, score, kept = keep_costly(sizes, attempt, cost, target, report)
    if len(kept) == len(sizes):
        raise UnsupportedError("This model does not bear weights of 8 bits in any node; use fp16.")
    return WeightsResult(made, tuple(n for n in sizes if n not in kept), tuple(n for n in sizes if n in kept), score)


def keep_costly(
    worth: Mapping[str, float],
    attempt: Callable[[frozenset[str]], tuple[ir.Model, Score]],
    cost: Callable[[str], float],
    target: float,
    report: Callable[[str], None],
) -> tuple[ir.Model, Score, frozenset[str]]:
    """Which of the nodes that are ``worth`` something stay as they are, so that the quality reaches ``target``.

    None, if that is good enough. Else each node's ``cost`` is measured (mean squared error of the picture with that
    node alone changed), and the fewest of those that cost most by worth are found by bisection; all, if it takes that.
    Returns the model, its score and the nodes.
    """
    model, score = attempt(frozenset())
    if score.quality >= target:
        return model, score, frozenset()
    costs = {}
    for index, name in enumerate(worth, start=1):
        report(f"measuring what 8 bits cost, node {index} of {len(worth)}")
        costs[name] = cost(name)
    order = sorted(worth, key=lambda name: -costs[name] / max(worth[name], 1))
    low, high, step, best = 0, None, 1, (model, score, frozenset())
    while high is None or high - low > 1:
        middle = min(low + step, len(order)) if high is None else (low + high) // 2
        kept = frozenset(order[:middle])
        model, score = attempt(kept)
        if score.quality >= target or middle == len(order):
            high, best = middle, (model, score, kept)
        else:
            low, step = middle, 2 * step
    return best
