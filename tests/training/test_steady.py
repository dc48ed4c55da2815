from contextlib import nullcontext

import pytest
import torch
from torch import nn

from training.steady import rounding_noise, unsteadiness


def test_noise_is_uniform_and_one_step_wide():
    layer, seen = nn.Conv2d(1, 1, 1), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.linspace(-1, 4, 10_000).reshape(1, 1, 100, 100)  # a range of 5
    with rounding_noise(layer, torch.Generator().manual_seed(0), levels=100):
        layer(x)
    noise = seen[0] - x
    assert noise.abs().max() <= 0.5 * 5 / 100 + 1e-6
    assert noise.std() == pytest.approx(5 / 100 / 12**0.5, rel=0.05)
    assert noise.mean().abs() < 1e-3


def test_noise_ends_with_the_block_also_after_an_error():
    layer, x = nn.Conv2d(1, 1, 3), torch.rand(1, 1, 8, 8)
    clean = layer(x)
    with rounding_noise(layer, torch.Generator()):
        assert not torch.equal(layer(x), clean)
    with pytest.raises(ZeroDivisionError), rounding_noise(layer, torch.Generator()):
        _ = 1 / 0
    assert torch.equal(layer(x), clean)


def test_every_convolution_is_disturbed():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1))
    given, read = [], []  # by what comes before each convolution, and by the convolution
    network[1].register_forward_hook(lambda module, inputs, output: given.append(output))
    for layer in (network[0], network[2]):
        layer.register_forward_hook(lambda module, inputs, output: read.append(inputs[0]))
    x = torch.rand(1, 1, 8, 8)
    for noise, same in ((nullcontext(), True), (rounding_noise(network, torch.Generator()), False)):
        given[:], read[:] = [x], []
        with noise:
            network(x)
        assert [torch.equal(one, other) for one, other in zip(given, read, strict=True)] == [same, same]


def test_unsteadiness_is_0_for_the_same_picture_and_grows():
    picture = torch.rand(1, 3, 16, 16)
    little, much = (unsteadiness(picture, picture + amount * torch.randn(1, 3, 16, 16)) for amount in (0.01, 0.1))
    assert unsteadiness(picture, picture).item() == pytest.approx(0, abs=1e-6)
    assert 0 < little < much
