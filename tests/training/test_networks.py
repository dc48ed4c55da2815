import pytest
import torch
import torch.nn.functional as F
import torchvision

from training.networks import NETWORKS, MobileNetV3
from training.networks.layers import NORM_EPSILON, ConditionalInstanceNorm, SamePadConv2d, Up
from validate.errors import BrushportError


@pytest.fixture(params=sorted(NETWORKS))
def network(request):
    torch.manual_seed(0)
    network = NETWORKS[request.param](3).eval()
    with torch.no_grad():  # styles differ only once they are trained: make them differ
        for module in network.modules():
            if isinstance(module, ConditionalInstanceNorm):
                module.scale += 0.3 * torch.randn_like(module.scale)
    return network


def test_a_picture_of_any_allowed_size_comes_out_in_range(network):
    for height, width in ((64, 96), (128, 80)):
        painted = network(torch.rand(2, 3, height, width), torch.eye(3)[:2])
        assert painted.shape == (2, 3, height, width)
        assert painted.min() >= 0
        assert painted.max() <= 1


def test_each_style_paints_differently_and_a_one_hot_blend_is_the_style(network):
    photo = torch.rand(1, 3, 64, 64).expand(3, -1, -1, -1)
    painted = network(photo, torch.eye(3))
    assert (painted[0] - painted[1]).abs().max() > 1e-3
    blended = network(photo[:1], torch.tensor([[0.5, 0.5, 0.0]]))
    assert (blended[0] - painted[0]).abs().max() > 1e-4
    assert torch.allclose(network(photo[:1], torch.tensor([[0.0, 1.0, 0.0]]))[0], painted[1], atol=1e-5)


def test_training_reaches_every_parameter(network):
    network.train()
    network(torch.rand(1, 3, 64, 64), torch.full((1, 3), 1 / 3)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_conditional_instance_norm_is_its_formula():
    norm = ConditionalInstanceNorm(4, 2)
    torch.nn.init.normal_(norm.scale)
    torch.nn.init.normal_(norm.shift)
    x, style = torch.randn(3, 4, 5, 7) * 2 + 1, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    scale, shift = ((style @ p)[:, :, None, None] for p in (norm.scale, norm.shift))
    expected = scale * (x - mean) / (variance + NORM_EPSILON).sqrt() + shift
    assert torch.allclose(norm(x, style), expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_strided_convolutions_pad_as_tensorflow_same(kernel, before, after):
    conv = SamePadConv2d(2, 3, kernel, stride=2)
    x = torch.randn(1, 2, 8, 10)
    expected = F.conv2d(F.pad(x, (before, after, before, after)), conv.weight, conv.bias, stride=2)
    assert torch.equal(conv(x), expected)
    assert conv(x).shape == (1, 3, 4, 5)


def test_narrowing_before_upsampling_is_narrowing_after_it():
    up = Up(6, 2, 4, 1)
    x = torch.randn(1, 6, 5, 5)
    after = up.narrow(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))
    before = F.interpolate(up.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
    assert torch.allclose(before, after, atol=1e-5)


def folded_state(features) -> dict[str, torch.Tensor]:
    """torchvision's encoder in the layout with batch norm folded into the convolutions."""
    state = {}

    def fold(key, block):
        conv, norm = block[0], block[1]
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        state[f"{key}.weight"] = conv.weight * gain[:, None, None, None]
        state[f"{key}.bias"] = norm.bias - norm.running_mean * gain

    fold("stem", features[0])
    for index, bneck in enumerate(features[1:9]):
        parts = list(bneck.block)
        fold(f"blocks.{index}.project", parts.pop())
        squeeze = [part for part in parts if not isinstance(part, torch.nn.Sequential)]
        convs = [part for part in parts if isinstance(part, torch.nn.Sequential)]
        fold(f"blocks.{index}.dw", convs.pop())
        if convs:
            fold(f"blocks.{index}.expand", convs.pop())
        for name, layer in (("se_reduce", "fc1"), ("se_expand", "fc2")):
            if squeeze:
                state[f"blocks.{index}.{name}.weight"] = getattr(squeeze[0], layer).weight
                state[f"blocks.{index}.{name}.bias"] = getattr(squeeze[0], layer).bias
    return {key: value.detach().clone() for key, value in state.items()}


def test_the_encoder_starts_alike_from_torchvision_and_from_folded_weights(tmp_path):
    torch.manual_seed(1)
    source = torchvision.models.mobilenet_v3_small(weights=None)
    for module in source.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    torch.save(source.state_dict(), tmp_path / "plain.pth")
    torch.save(folded_state(source.features), tmp_path / "folded.pth")
    outputs = []
    for name in ("plain", "folded"):
        network = MobileNetV3(1).eval()
        network.load_encoder(tmp_path / f"{name}.pth")
        x = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
        with torch.no_grad():
            for layer in network.encoder:
                x = layer(x)
        outputs.append(x)
    assert torch.allclose(*outputs, atol=1e-4)
    assert outputs[0].std() > 1e-3


def test_weights_that_do_not_fit_are_refused(tmp_path):
    torch.save({"stem.weight": torch.zeros(1), "stem.bias": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BrushportError, match="does not fit"):
        MobileNetV3(1).load_encoder(tmp_path / "other.pth")
    with pytest.raises(BrushportError, match="does not exist"):
        MobileNetV3(1).load_encoder(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(BrushportError, match="state dict"):
        MobileNetV3(1).load_encoder(tmp_path / "text.pth")
