"""Forms that ONNX defines and ONNX Runtime refuses, against the specification's formula in NumPy."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.export.tflite.cases.table import normal
from tests.export.tflite.support import compile_bytes, model_of, run_onnx, run_tflite

SHAPES = {3: (2, 6, 13), 4: (1, 6, 4, 5), 5: (2, 6, 5, 7, 6)}


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("size", [2, 3, 6])
def test_lrn_of_even_sizes_and_over_other_numbers_of_axes(rank, size):
    x = 3 * normal(*SHAPES[rank])
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.3, beta=0.6, bias=1.5)
    (got,) = run_tflite(compile_bytes(model_of([node], {"x": x}, ["y"])), {"x": x}, ["y"])
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        total[:, c] = (x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(axis=1)
    np.testing.assert_allclose(got, x / (1.5 + 0.3 / size * total) ** 0.6, rtol=1e-5, atol=1e-5)


def test_output_padding_of_a_stride_or_more_gives_lines_of_bias():
    feeds = {"x": normal(1, 3, 4, 5)}
    constants = {"w": normal(3, 2, 2, 2), "b": normal(2)}

    def model(extra):
        node = onnx.helper.make_node(
            "ConvTranspose", ["x", "w", "b"], ["y"], strides=[1, 2], dilations=[3, 3], output_padding=extra
        )
        return model_of([node], feeds, ["y"], constants)

    (without,) = run_onnx(model([0, 0]), feeds)
    (got,) = run_tflite(compile_bytes(model([2, 2])), feeds, ["y"])
    want = np.broadcast_to(constants["b"][:, None, None], got.shape).copy()
    want[:, :, : without.shape[2], : without.shape[3]] = without
    assert got.shape[2:] == (without.shape[2] + 2, without.shape[3] + 2)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.bool_])
def test_blocks_of_whole_numbers_and_truth_values(kind):
    x = (np.arange(96).reshape(1, 8, 4, 3) % 5 > 1).astype(kind)
    deep = onnx.helper.make_node("SpaceToDepth", ["y"], ["z"], blocksize=2)
    for mode, axes in (("DCR", (0, 3, 4, 1, 5, 2)), ("CRD", (0, 1, 4, 2, 5, 3))):
        node = onnx.helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode=mode)
        y, z = run_tflite(compile_bytes(model_of([node, deep], {"x": x}, ["y", "z"])), {"x": x}, ["y", "z"])
        want = x.reshape(1, 2, 2, 2, 4, 3).transpose(axes).reshape(1, 2, 8, 6)
        assert y.dtype == z.dtype == kind
        np.testing.assert_array_equal(y, want)
        np.testing.assert_array_equal(z, want.reshape(1, 2, 4, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(x.shape))
