import numpy as np
import pytest
from onnx import TensorProto
from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_data

from quantize import rounding


@pytest.mark.parametrize("low, high", [(-1.0, 2.0), (0.0, 6.0), (0.5, 3.0), (-3.0, -1.0), (-1e-3, 1e3), (-7.3, 7.9)])
def test_activation_parameters_are_those_of_onnx_runtime(low, high):
    expected = compute_scale_zp(*(np.array(v, np.float32) for v in (low, high, -128, 127)), symmetric=False)
    scale, zero_point = rounding.activation_parameters(low, high)
    assert scale == pytest.approx(expected[1].item(), rel=1e-6)
    assert zero_point == expected[0]
    assert zero_point.dtype == np.int8  # a whole step, so zero is exact


def test_a_tensor_of_zeros_has_a_usable_scale():
    assert rounding.activation_parameters(0.0, 0.0) == (1.0, 0)
    assert rounding.weight_scales(np.zeros((2, 3, 1, 1), np.float32), 0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("axis", [0, 1, None])
def test_weights_are_rounded_as_onnx_runtime_does(axis):
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    scales = rounding.weight_scales(weight, axis)
    got = rounding.round_weight(weight, scales, axis)
    slices = [weight] if axis is None else np.moveaxis(weight, axis, 0)
    for index, part in enumerate(slices):
        _, scale, expected = quantize_data(part, TensorProto.INT8, True)[-3:]
        assert (scales if axis is None else scales[index]) == pytest.approx(np.asarray(scale).item(), rel=1e-6)
        np.testing.assert_array_equal(got if axis is None else np.moveaxis(got, axis, 0)[index], expected)


def test_bias_fits_into_int32():
    weight = np.full((2, 1, 1, 1), [[[[1e-12]]], [[[1.0]]]], np.float32)
    bias, input_scale = np.array([3.0, 3.0], np.float32), np.float32(0.01)
    scales = rounding.weight_scales(weight, 0)
    wide = rounding.widen_for_bias(bias, input_scale, scales)
    assert wide[0] > scales[0]
    assert wide[1] == scales[1]
    steps = rounding.round_bias(bias, wide * input_scale)
    np.testing.assert_allclose(steps * np.float64(wide * input_scale), bias, rtol=1e-3)


@pytest.mark.parametrize("axis", [0, None])
def test_a_bias_whose_weights_are_all_zero_keeps_its_digits(axis):
    weight, bias = np.zeros((3, 2, 1, 1), np.float32), np.float32([3.04, 0, -0.7])
    input_scale = np.float32(1.0)
    scales = rounding.refine_for_bias(weight, bias, input_scale, rounding.weight_scales(weight, axis), axis)
    np.testing.assert_allclose(rounding.round_bias(bias, scales * input_scale) * scales, bias, rtol=1e-5)


def test_other_channels_keep_their_scale():
    weight, bias = np.float32([[[[0.5]]], [[[0.0]]]]), np.float32([9, 9])
    scales = rounding.weight_scales(weight, 0)
    assert rounding.refine_for_bias(weight, bias, np.float32(0.1), scales, 0)[0] == scales[0]
