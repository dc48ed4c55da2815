"""Palettized, pruned and quantized weights, and 8-bit activations, as coremltools.optimize writes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.validate.coreml.programs import builder
from tests.validate.coreml.torch_frontend import INPUT, capture, convert, coremltools_with_torch, psnr
from validate.coreml import CoreMLModel


class Layers(nn.Module):
    """Convolutions whose weights are large enough to be compressed."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 8, 3)
        )

    def forward(self, x):
        return self.body(x)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return Layers().eval()


def _saved(net, tmp_path, target):
    ct = coremltools_with_torch()
    path = convert(
        capture(net, torch.rand(INPUT)),
        tmp_path / "plain.mlpackage",
        "fp16",
        minimum_deployment_target=ct.target[target],
    )
    return ct, ct.models.MLModel(str(path), skip_model_load=True)


def _compress(ct, model, kind):
    cto = ct.optimize.coreml
    small = {"weight_threshold": 128}
    if kind.startswith("palettize"):
        extra = {"granularity": "per_grouped_channel", "group_size": 8} if kind.endswith("grouped") else {}
        config = cto.OpPalettizerConfig(mode="uniform", nbits=6, **extra, **small)
        return cto.palettize_weights(model, cto.OptimizationConfig(config))
    if kind == "prune":
        config = cto.OpMagnitudePrunerConfig(target_sparsity=0.5, **small)
        return cto.prune_weights(model, cto.OptimizationConfig(config))
    if kind == "blockwise":
        config = cto.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=8, **small
        )
        return cto.linear_quantize_weights(model, cto.OptimizationConfig(config))
    if kind == "sparse_palette":
        pruned = _compress(ct, model, "prune")
        config = cto.OpPalettizerConfig(mode="uniform", nbits=6, **small)
        return cto.palettize_weights(pruned, cto.OptimizationConfig(config), joint_compression=True)
    config = cto.OpLinearQuantizerConfig(mode=kind, **small)
    return cto.linear_quantize_weights(model, cto.OptimizationConfig(config))


def _ops(model):
    (block,) = model.get_spec().mlProgram.functions["main"].block_specializations.values()
    return {op.type for op in block.operations}


@pytest.mark.parametrize(
    ("kind", "target", "op"),
    [
        ("palettize", "iOS16", "constexpr_lut_to_dense"),
        ("linear_symmetric", "iOS16", "constexpr_affine_dequantize"),
        ("linear", "iOS16", "constexpr_affine_dequantize"),
        ("prune", "iOS16", "constexpr_sparse_to_dense"),
        ("palettize_grouped", "iOS18", "constexpr_lut_to_dense"),
        ("linear_symmetric", "iOS18", "constexpr_blockwise_shift_scale"),
        ("blockwise", "iOS18", "constexpr_blockwise_shift_scale"),
        ("prune", "iOS18", "constexpr_sparse_to_dense"),
        ("sparse_palette", "iOS18", "constexpr_lut_to_sparse"),
    ],
)
def test_compressed_weights(net, tmp_path, kind, target, op):
    """The compressed program gives what coremltools' own decompressed one gives, and not what it was before."""
    ct, model = _saved(net, tmp_path, target)
    compressed = _compress(ct, model, kind)
    assert op in _ops(compressed)
    compressed.save(str(tmp_path / "small.mlpackage"))
    ct.optimize.coreml.decompress_weights(compressed).save(str(tmp_path / "whole.mlpackage"))
    x = {"x": np.random.default_rng(0).random(INPUT, np.float32)}
    paths = [tmp_path / f"{name}.mlpackage" for name in ("small", "whole", "plain")]
    small, whole, plain = (next(iter(CoreMLModel(p, engine="onnxruntime").predict(x).values())) for p in paths)
    assert psnr(small, whole) > 60
    assert 10 < psnr(small, plain) < 70


def test_8_bit_weights_and_activations(tmp_path):
    """Quantize and dequantize of the activations, against the same rounding done by PyTorch."""
    ct = coremltools_with_torch()
    mb = builder()

    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8)
    weight_scale = rng.uniform(0.001, 0.003, (8, 1, 1, 1)).astype(np.float32)
    scale, zero = np.float32(1 / 127), np.int8(-20)

    @mb.program(input_specs=[mb.TensorSpec((1, 3, 32, 32))], opset_version=ct.target.iOS17)
    def program(x):
        q = mb.quantize(input=x, scale=scale, zero_point=zero, output_dtype="int8")
        x = mb.dequantize(input=q, scale=scale, zero_point=zero)
        w = mb.constexpr_affine_dequantize(
            quantized_data=weight, zero_point=np.zeros(8, np.int8), scale=weight_scale.reshape(8), axis=0
        )
        y = mb.conv(x=x, weight=w, pad_type="valid")
        q = mb.quantize(input=y, scale=np.float32(0.01), output_dtype="uint8")
        return mb.dequantize(input=q, scale=np.float32(0.01), name="y")

    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(tmp_path / "m.mlpackage"))
    x = torch.from_numpy(rng.random((1, 3, 32, 32), np.float32) * 1.4 - 0.2)
    real = torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), -128, 127)
    y = torch.nn.functional.conv2d(real, torch.from_numpy(weight * weight_scale))
    expected = torch.fake_quantize_per_tensor_affine(y, 0.01, 0, 0, 255).numpy()
    result = CoreMLModel(tmp_path / "m.mlpackage", engine="onnxruntime").predict({"x": x.numpy()})["y"]
    steps = np.abs(result - expected) / 0.01
    assert (steps < 0.01).mean() > 0.999  # the rest are ties
    assert steps.max() < 1.01
    assert np.ptp(expected) > 1
