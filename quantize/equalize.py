"""Norm equalization: gives the channels in front of an instance norm equal spans, exactly.

Instance norm y = (x - mean(x)) / sqrt(var(x) + eps) * g + b cancels what was done to each channel before it: for
x' = a (x - m), with a > 0, it gives the same y when eps' = a^2 eps. So the convolution that makes x may take
a W and a (bias - m) instead, with m the middle and a the inverse half-span of each channel on calibration photos.
One int8 scale for the whole tensor then serves every channel as well as a scale of its own would, and no value
is large enough for fp16 to overflow (:mod:`quantize.half` does it for fp16 alone).

ONNX has one eps for all channels, eps' = c^2 eps. A channel whose a differs from c has its y off by a factor of
1 + eps / (2 var) (1 - (c / a)^2), which is kept under ``TOLERANCE`` on the calibration photos: a is brought as
near to c as that asks, and a channel so flat that eps decides gets c itself, which is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

import numpy as np
import onnx_ir as ir

from quantize.bounds import cut, find_bounds
from quantize.graph import (
    add_initializer,
    append_observers,
    drop_unread_initializers,
    integer,
    values_by_name,
)
from quantize.runtime import Sample, open_session, run

HALF_SPAN = 4.0  # of an equalized channel, so that its variance is near 1 (normal values reach 4 sigma)
TOLERANCE = 1e-4  # relative, of a channel of the norm's output: 80 dB at the very least
NEW_EPSILON = 1e-5  # at most; next to a variance near 1
TAIL = 1e-4  # share of a channel's values, on either side, that its span leaves out
THINNED = 2**13  # elements of a channel that are looked at on one photo
FLAT = 1e-12  # half-spans under this are of a channel that never changes


def equalize_norms(model: ir.Model, samples: Iterable[Sample]) -> tuple[ir.Model, list[str]]:
    """A copy of ``model`` with equalized convolutions, and the names of those.

    Convolutions (Conv, ConvTranspose without groups) whose only reader is an InstanceNormalization count. The
    statistics come from all ``samples``; a handful is enough.
    """
    model = model.clone()
    pairs = convolutions_before_norms(model)
    if not pairs:
        return model, []
    statistics = channel_statistics(model, [conv.outputs[0].name for conv, _ in pairs], samples)
    for conv, norm in pairs:
        seen = statistics[conv.outputs[0].name]
        scale = HALF_SPAN / np.maximum((seen.inner_high - seen.inner_low) / 2, FLAT)
        rescale(model.graph, conv, norm, scale, (seen.inner_low + seen.inner_high) / 2, seen.least_variance)
    drop_unread_initializers(model.graph)
    return model, [conv.name for conv, _ in pairs]


@dataclass(frozen=True)
class Statistics:
    """What the channels of a tensor hold over all samples; float64 (C,) each.

    ``low`` and ``high`` are the extremes, ``inner_low`` and ``inner_high`` leave ``TAIL`` of the values out on either
    side. ``mean`` is the mean over the samples, ``least_variance`` the smallest on one of them, ``greatest_square`` the
    largest mean of squares about ``mean`` on one of them.
    """

    low: np.ndarray
    high: np.ndarray
    inner_low: np.ndarray
    inner_high: np.ndarray
    mean: np.ndarray
    least_variance: np.ndarray
    greatest_square: np.ndarray


def _step(shape: ir.Shape) -> int:
    """The distance at which elements of a channel are looked at: no divisor of a row's length."""
    height, width = shape[2], shape[3]
    step = max(1, height * width // THINNED)
    while step > 1 and gcd(step, width) > 1:
        step += 1
    return step


@dataclass(frozen=True)
class _Ends:
    """The least and the greatest of ``count`` values of each channel: all that their quantiles can lie between."""

    least: np.ndarray
    greatest: np.ndarray
    count: int


def _ends(numbers: np.ndarray, samples: int) -> _Ends:
    """What (C, n) ``numbers`` of one of so many ``samples`` may have to do with the ``TAIL`` of all of them."""
    count = numbers.shape[1]
    kept = min(count, int(TAIL * (samples * count - 1)) + 2)
    parted = np.partition(numbers, [kept - 1, count - kept], axis=1)
    return _Ends(parted[:, :kept].copy(), parted[:, count - kept :].copy(), count)


def _inner(ends: list[_Ends]) -> tuple[np.ndarray, np.ndarray]:
    """The quantiles ``TAIL`` and 1 - ``TAIL`` of each channel, as :func:`numpy.quantile` has them of all values."""
    place = TAIL * (sum(one.count for one in ends) - 1)
    index = int(place)
    least = np.sort(np.concatenate([one.least for one in ends], axis=1), axis=1).astype(np.float64)
    greatest = -np.sort(-np.concatenate([one.greatest for one in ends], axis=1), axis=1).astype(np.float64)
    nearest = ((values[:, index], values[:, min(index + 1, values.shape[1] - 1)]) for values in (least, greatest))
    low, high = (one + (other - one) * (place - index) for one, other in nearest)
    return low, high


def convolutions_before_norms(model: ir.Model) -> list[tuple[ir.Node, ir.Node]]:
    """Every convolution of a picture, of constant weights, that an InstanceNormalization alone reads, with that."""
    return [(node, node.outputs[0].consumers()[0]) for node in model.graph if _feeds_norm(node)]


def _feeds_norm(node: ir.Node) -> bool:
    if node.op_type not in ("Conv", "ConvTranspose") or node.outputs[0].is_graph_output():
        return False
    if node.op_type == "ConvTranspose" and integer(node, "group", 1) != 1:
        return False
    consumers = node.outputs[0].consumers()
    constants = [value for value in node.inputs[1:] if value is not None]
    return (
        len(consumers) == 1
        and len(node.outputs[0].shape) == 4
        and consumers[0].op_type == "InstanceNormalization"
        and consumers[0].inputs[0] is node.outputs[0]
        and all(value.is_initializer() and value.const_value is not None for value in constants)
    )


def rescale(
    graph: ir.Graph,
    conv: ir.Node,
    norm: ir.Node,
    scale: np.ndarray,
    middle: np.ndarray,
    variance: np.ndarray,
    *,
    least_epsilon: float = 0.0,
    most_epsilon: float = NEW_EPSILON,
    input_scale: float = 1.0,
) -> None:
    """Let ``conv`` give a (x - ``middle``) in place of x, with a as near to ``scale`` as ``norm`` allows.

    All (C,); ``variance`` is the least that x has. The norm's new epsilon is in ``least_epsilon``..``most_epsilon``, or
    0 as before.
    The convolution's input is expected to be ``input_scale`` times what it was.
    """
    epsilon = norm.attributes["epsilon"].as_float() if "epsilon" in norm.attributes else 1e-5
    if epsilon > 0:  # without one, every a is exact
        most = max(most_epsilon, least_epsilon)
        common = np.sqrt(np.clip(np.median(scale**2), least_epsilon / epsilon, most / epsilon))
        epsilon, old = float(np.float32(common**2 * epsilon)), epsilon
        common = np.sqrt(epsilon / old)
        leeway = 2 * TOLERANCE * variance / old  # how far from 1 (c / a)^2 may be
        scale = np.clip(scale, common / np.sqrt(1 + leeway), common / np.sqrt(np.maximum(1 - leeway, FLAT)))

    weight = conv.inputs[1].const_value.numpy().astype(np.float64)
    shape = (-1, 1, 1, 1) if conv.op_type == "Conv" else (1, -1, 1, 1)
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    bias = conv.inputs[2].const_value.numpy().astype(np.float64) if has_bias else np.zeros(len(scale))
    weight = (weight * (scale / input_scale).reshape(shape)).astype(np.float32)
    bias = ((bias - middle) * scale).astype(np.float32)
    conv.resize_inputs(3)
    conv.replace_input_with(1, add_initializer(graph, f"{conv.name}_equalized_weight", weight))
    conv.replace_input_with(2, add_initializer(graph, f"{conv.name}_equalized_bias", bias))
    norm.attributes["epsilon"] = ir.AttrFloat32("epsilon", epsilon)


def channel_statistics(model: ir.Model, names: list[str], samples: Iterable[Sample]) -> dict[str, Statistics]:
    """The :class:`Statistics` of each tensor by its name, cut to its bounds, out of one run for each sample."""
    bounds = find_bounds(model)
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs.clear()
    axes = [0, 2, 3]
    tensor = add_initializer(model.graph, "channel_statistics_axes", np.array(axes, np.int64))
    shape = add_initializer(model.graph, "channel_statistics_shape", np.array([0, 0, -1], np.int64))
    as_input = model.graph.opset_imports[""] >= 18  # before that, axes were an attribute

    def reduce(op_type: str, value: ir.Value, keep: int) -> ir.Node:
        if as_input:
            return ir.node(op_type, [value, tensor], {"keepdims": keep})
        return ir.node(op_type, [value], {"keepdims": keep, "axes": axes})

    observers = []
    for name in names:
        value, cutting = cut(model.graph, values[name], bounds.get(name))
        low = reduce("ReduceMin", value, 0)
        high = reduce("ReduceMax", value, 0)
        flat = ir.node("Reshape", [value, shape])
        taken = {"start": 0, "end": 2**31 - 1, "axis": 2, "step": _step(values[name].shape)}
        numbers = [
            add_initializer(model.graph, f"{name}_channel_{what}", np.array([number], np.int64))
            for what, number in taken.items()
        ]
        thinned = ir.node("Slice", [flat.outputs[0], *numbers])
        mean = reduce("ReduceMean", value, 1)
        centered = ir.node("Sub", [value, mean.outputs[0]])
        square = ir.node("Mul", [centered.outputs[0], centered.outputs[0]])
        variance = reduce("ReduceMean", square.outputs[0], 0)
        observers.append([*cutting, low, high, flat, thinned, mean, centered, square, variance])
        kept = {"low": low, "high": high, "mean": mean, "variance": variance, "thinned": thinned}
        for suffix, node in kept.items():
            output = node.outputs[0]
            output.name, output.type = f"{name}_{suffix}", ir.TensorType(ir.DataType.FLOAT)
            model.graph.outputs.append(output)
    append_observers(model.graph, observers)
    session = open_session(model, simulate=True)
    samples = list(samples)
    rows = []
    for sample in samples:
        row = run(session, sample)
        row[4::5] = [_ends(numbers[0], len(samples)) for numbers in row[4::5]]
        rows.append(row)
    statistics = {}
    for index, name in enumerate(names):
        low, high, mean, variance = (
            np.stack([row[5 * index + k].reshape(-1) for row in rows]).astype(np.float64) for k in range(4)
        )
        inner = _inner([row[5 * index + 4] for row in rows])
        middle = mean.mean(axis=0)
        square = (variance + (mean - middle) ** 2).max(axis=0)
        statistics[name] = Statistics(low.min(axis=0), high.max(axis=0), *inner, middle, variance.min(axis=0), square)
    return statistics
