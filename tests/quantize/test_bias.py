import numpy as np
import onnx_ir as ir
import pytest

from quantize.bias import correct_biases
from quantize.graph import values_by_name
from quantize.qdq import calibrated_values, insert_qdq
from quantize.ranges import calibrate
from quantize.runtime import open_session, run
from tests.quantize.graphs import Builder, samples


def network(normed=False):
    b = Builder([1, 3, 48, 48])
    x = b.op("Relu", b.conv("image", 3, 6))
    x = b.conv(x, 6, 6)
    x = b.norm(x, 6) if normed else b.op("Relu", x)
    return b.build(b.conv(x, 6, 3))


def rounded(model, shrink):
    """``model`` in int8, with ranges that clip, so that means shift."""
    names = [node.name for node in model.graph if node.op_type == "Conv"]
    tensors = calibrated_values(node for node in model.graph if node.op_type == "Conv")
    histograms, _ = calibrate(model, tensors, samples(model))
    spans = {name: (h.low, h.high) if name == "image" else (h.low, shrink * h.high) for name, h in histograms.items()}
    return insert_qdq(model, names, spans)


def means(model, names, feeds):
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs[:] = [values[name] for name in names]
    session = open_session(model, simulate=True)
    rows = [[value.mean(axis=(0, 2, 3)) for value in run(session, feed)] for feed in feeds]
    return [np.mean([row[i] for row in rows], axis=0) for i in range(len(names))]


def test_means_are_those_of_the_float_model_again():
    model = network()
    feeds = samples(model)
    quantized = rounded(model, 0.4)
    corrected = correct_biases(quantized, model, feeds)
    outputs = [node.outputs[0].name for node in model.graph if node.op_type == "Conv"]
    names = {node.name: node.outputs[0].name for node in quantized.graph if node.op_type == "Conv"}
    wanted = means(model, outputs, feeds)
    before = means(quantized, list(names.values()), feeds)
    after = means(corrected, list(names.values()), feeds)
    off = [np.abs(b - w).max() for b, w in zip(before, wanted, strict=True)]
    left = [np.abs(a - w).max() for a, w in zip(after, wanted, strict=True)]
    assert off[1] > 1e-2  # what is clipped in front of it is missing
    assert left[1] < 0.02 * off[1]
    assert left[2] < 0.02 * off[2]


def test_only_biases_change_and_the_model_given_does_not():
    model = network()
    quantized = rounded(model, 0.4)
    known = ir.to_proto(quantized).SerializeToString(deterministic=True)
    corrected = correct_biases(quantized, model, samples(model))
    assert ir.to_proto(quantized).SerializeToString(deterministic=True) == known
    changed = {value.name for value in corrected.graph.initializers.values()} - set(quantized.graph.initializers)
    assert changed
    assert all(corrected.graph.initializers[name].dtype is ir.DataType.INT32 for name in changed)


@pytest.mark.parametrize("normed", [False, True])
def test_in_front_of_a_norm_nothing_is_corrected(normed):
    model = network(normed)
    corrected = correct_biases(rounded(model, 0.4), model, samples(model))
    moved = {
        node.name
        for node in corrected.graph
        if node.op_type == "Conv" and node.inputs[2].producer().inputs[0].name.endswith("_corrected")
    }
    second = [node.name for node in model.graph if node.op_type == "Conv"][1]
    assert (second not in moved) == normed
    assert len(moved) == 2 + (not normed)
