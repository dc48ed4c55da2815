"""Runs a graph before and after it is rewritten."""

import numpy as np
import onnx_ir as ir
import onnxruntime

from export.hub.decompose import decompose
from export.hub.shapes import infer_shapes
from tests.export.hub.graphs import build, ops, prepared


def check(signature, body, gone, weights=None, *, feeds=None, requested=(), tolerance=2e-6, left=()):
    """Fail unless the operators ``gone`` are rewritten and ONNX Runtime computes the same as before; gives the model.

    ``feeds`` are inputs by name, the others are drawn; ``left`` are operators that must remain.
    """
    model = prepared(signature, body, weights)
    drawn = {value.name: draw(value) for value in model.graph.inputs} | (feeds or {})
    before = outputs(model, drawn)
    assert decompose(model, requested) > 0
    names = ops(model)
    assert not set(gone) & set(names), names
    assert set(left) <= set(names), names
    for old, new in zip(before, outputs(model, drawn), strict=True):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
        if old.dtype.kind == "f":
            scale = max(1.0, float(np.abs(old[np.isfinite(old)]).max(initial=0)))
            np.testing.assert_allclose(new / scale, old / scale, atol=tolerance, equal_nan=True)
        else:
            np.testing.assert_array_equal(new, old)
    return model


def unfolded(signature, body, weights=None):
    """As :func:`check`, without folding, which would leave nothing to do."""
    model = build(signature, body, weights)
    infer_shapes(model)
    feeds = {v.name: draw(v) for v in model.graph.inputs}
    before = outputs(model, feeds)
    assert decompose(model) == 1
    for old, new in zip(before, outputs(model, feeds), strict=True):
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(new, old)
    return model


def draw(value):
    """Numbers, whole numbers from -4 to 5, or truth values of the shape and dtype of an input."""
    rng = np.random.default_rng([7, *value.shape])
    dtype = value.dtype.numpy()
    if dtype.kind == "f":
        return rng.standard_normal(tuple(value.shape)).astype(dtype)
    return rng.integers(-4 if dtype.kind == "i" else 0, 6 if dtype.kind == "i" else 2, tuple(value.shape)).astype(dtype)


def outputs(model, feeds):
    """What ONNX Runtime makes of ``feeds``."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options).run(None, feeds)
