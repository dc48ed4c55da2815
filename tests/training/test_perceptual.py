import pytest
import torch
import torchvision

from training.perceptual import load_perceptual
from validate.errors import BrushportError


def test_the_normalized_vgg_taps_relu_1_1_2_1_and_3_1(vgg_file):
    features = load_perceptual(vgg_file)(torch.rand(2, 3, 32, 48))
    assert [tuple(f.shape) for f in features.style] == [(2, 4, 32, 48), (2, 8, 16, 24), (2, 8, 8, 12)]
    assert torch.equal(features.content, features.style[-1])
    assert all(f.min() == 0 for f in features.style)  # taken after the ReLU


@pytest.mark.parametrize(
    ("weights", "classifier"),
    [("IMAGENET1K_V1", torch.zeros(2)), ("IMAGENET1K_FEATURES", torch.full((2,), float("nan")))],
)
def test_torchvisions_vgg16_taps_relu_1_2_2_2_3_3_and_4_3(tmp_path, weights, classifier):
    torch.manual_seed(0)
    vgg = torchvision.models.vgg16(weights=None).features.eval()
    state = {f"features.{key}": value for key, value in vgg.state_dict().items()}
    torch.save(state | {"classifier.6.bias": classifier}, tmp_path / "vgg16.pth")
    eyes, photo = load_perceptual(tmp_path / "vgg16.pth"), torch.rand(1, 3, 32, 32)
    features = eyes(photo)
    recipe = torchvision.models.VGG16_Weights[weights].transforms.keywords
    mean, deviation = recipe.get("mean", (0.485, 0.456, 0.406)), recipe.get("std", (0.229, 0.224, 0.225))
    normalized = torchvision.transforms.functional.normalize(photo, mean, deviation)
    for tap, got in zip((3, 8, 15, 22), features.style, strict=True):
        assert torch.allclose(vgg[: tap + 1](normalized), got, rtol=1e-4, atol=1e-5)
    assert torch.equal(features.content, features.style[1])


def test_gradients_reach_the_picture_and_no_weight(vgg_file):
    eyes, photo = load_perceptual(vgg_file), torch.rand(1, 3, 32, 32, requires_grad=True)
    eyes(photo).content.sum().backward()
    assert photo.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in eyes.parameters())


def test_unknown_weights_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(BrushportError, match="neither VGG-16 nor VGG-19"):
        load_perceptual(tmp_path / "other.pth")
    with pytest.raises(BrushportError, match="does not exist"):
        load_perceptual(tmp_path / "none.pth")
