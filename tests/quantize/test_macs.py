import numpy as np
import onnx_ir as ir
import pytest

from quantize.macs import count_macs
from tests.quantize.graphs import Builder
from validate.errors import BrushportError


def test_conv_counts_kernel_group_and_stride():
    b = Builder([1, 8, 16, 12])
    b.conv("image", 8, 4, kernel=3, strides=[2, 2])
    b.conv("image", 8, 8, kernel=3, group=8)
    b.conv("image", 8, 6, kernel=1)
    counts = list(count_macs(b.build(*(node.output[0] for node in b.nodes))).values())
    assert counts == [4 * 8 * 6 * 8 * 9, 8 * 16 * 12 * 9, 6 * 16 * 12 * 8]


def test_conv_transpose_counts_what_each_input_element_spreads():
    b = Builder([1, 8, 16, 12])
    out = b.conv_transpose("image", 8, 4, group=2)
    assert list(count_macs(b.build(out)).values()) == [8 * 16 * 12 * 2 * 9]


@pytest.mark.parametrize("trans_a", [0, 1])
def test_matrix_products(trans_a):
    b = Builder([5, 7])
    inner = 5 if trans_a else 7
    gemm = b.op("Gemm", "image", b.constant(np.ones((inner, 3), np.float32)), transA=trans_a)
    product = b.op("MatMul", "image", b.constant(np.ones((7, 2), np.float32)))
    assert list(count_macs(b.build(gemm, product)).values()) == [(12 - inner) * 3 * inner, 5 * 2 * 7]


def test_open_shape_is_an_error():
    b = Builder([1, 3, 8, 8])
    model = b.build(b.conv("image", 3, 4))
    model.graph.outputs[0].shape = ir.Shape([1, 4, "height", 8])
    with pytest.raises(BrushportError, match="no static shape"):
        count_macs(model)
