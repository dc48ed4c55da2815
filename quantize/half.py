"""Norms whose statistics fit into fp16: their inputs are scaled, exactly, so that no sum of squares overflows.

An instance norm over a plane of N numbers adds N squares. A device that adds in half precision, whose largest number
is 65504, overflows over 512x512 numbers of size 1/2 already, and paints black. The norm cancels the scale and the
shift of its input (see :mod:`quantize.equalize` for the identity, and for the epsilon that goes with them), so the
convolution in front gives a (x - mean) instead, with a such that the sum of squares is ``SUM``, as measured on photos.

Weights times a must not become so small that fp16 loses their digits. Where they would, because the picture comes in
0..255, the convolution's input is multiplied by a power of two instead, which fp16 does exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from quantize.equalize import NEW_EPSILON, channel_statistics, convolutions_before_norms, rescale
from quantize.graph import add_initializer, drop_unread_initializers
from quantize.runtime import Sample

SUM = 2.0**14  # of squares over a plane, a quarter of fp16's range: other photos have other sums
PEAK = 2.0**13  # of a single value
LEAST_WEIGHT = 2.0**-10  # of the largest weight of a channel; fp16 loses digits under 2^-14
LEAST_EPSILON = 2.0**-20  # fp16's smallest number is 2^-24
FEW_CHANNELS = 4  # a picture; to multiply more than that would cost the phone time
FLAT = 1e-12


def fit_norms_to_half(
    model: ir.Model, samples: Iterable[Sample], *, growth: float = 1.0, variance: float | None = None
) -> tuple[ir.Model, list[str]]:
    """A copy of ``model`` whose norms stay within fp16, and the names of the convolutions that were rescaled.

    Convolutions (Conv, ConvTranspose without groups) whose only reader is an InstanceNormalization count; where
    nothing comes near the limits, nothing is changed. Shapes must be static. A few ``samples`` are enough. ``growth``
    is how many times as many pixels the network may be given later. With a ``variance``, channels are brought to that,
    up or down, for a file that adds a few squares at a time: then fp16's digits are what counts, not its range.
    """
    model = model.clone()
    pairs = convolutions_before_norms(model)
    if not pairs:
        return model, []
    statistics = channel_statistics(model, [conv.outputs[0].name for conv, _ in pairs], samples)
    changed = []
    for conv, norm in pairs:
        seen = statistics[conv.outputs[0].name]
        plane = max(1.0, growth) * np.prod(list(conv.outputs[0].shape)[2:])
        peak = np.maximum(np.abs(seen.low - seen.mean), np.abs(seen.high - seen.mean))
        wanted = SUM / plane if variance is None else variance
        scale = np.minimum(np.sqrt(wanted / np.maximum(seen.greatest_square, FLAT)), PEAK / np.maximum(peak, FLAT))
        raw = plane * (seen.greatest_square + seen.mean**2)  # what adding the squares as they are comes to
        if variance is None and raw.max() <= SUM and peak.max() <= PEAK:
            continue
        largest = _largest_weights(conv)
        least = np.divide(LEAST_WEIGHT, largest, out=np.zeros_like(largest), where=largest > 0)
        input_scale = 1.0
        if np.any(scale < least) and conv.inputs[0].shape[1] <= FEW_CHANNELS:
            input_scale = float(2.0 ** np.floor(np.log2(np.min(scale[least > 0] / least[least > 0]))))
            _multiply_input(model.graph, conv, input_scale)
        scale = np.maximum(scale, least * input_scale)
        scale = np.minimum(scale, 1.0) if variance is None else scale
        rescale(
            model.graph,
            conv,
            norm,
            scale,
            seen.mean,
            seen.least_variance,
            least_epsilon=LEAST_EPSILON,
            most_epsilon=NEW_EPSILON if variance is None else variance,
            input_scale=input_scale,
        )
        changed.append(conv.name)
    drop_unread_initializers(model.graph)
    return model, changed


def _largest_weights(conv: ir.Node) -> np.ndarray:
    """The largest magnitude among the weights of each output channel, (C,)."""
    weight = np.abs(conv.inputs[1].const_value.numpy().astype(np.float64))
    weight = weight if conv.op_type == "Conv" else np.moveaxis(weight, 1, 0)
    return weight.reshape(len(weight), -1).max(axis=1)


def _multiply_input(graph: ir.Graph, conv: ir.Node, scale: float) -> None:
    factor = add_initializer(graph, f"{conv.name}_input_scale", np.array(scale, np.float32))
    multiply = ir.node("Mul", [conv.inputs[0], factor], name=f"{conv.name}_scaled_input")
    output = multiply.outputs[0]
    output.name, output.type, output.shape = multiply.name, conv.inputs[0].type, conv.inputs[0].shape
    graph.insert_before(conv, multiply)
    conv.replace_input_with(0, output)
