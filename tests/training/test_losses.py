import pytest
import torch

from training.losses import content_loss, gram, style_loss, total_variation


def test_gram_is_the_mean_product_of_channels():
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 5.0]]]])
    assert torch.allclose(gram(x), torch.tensor([[[2.5, 6.5], [6.5, 17.0]]]))


def test_gram_does_not_depend_on_where_or_how_large():
    x = torch.randn(1, 3, 4, 6)
    shuffled = x.flatten(2)[:, :, torch.randperm(24)].reshape(1, 3, 4, 6)
    assert torch.allclose(gram(x), gram(shuffled), atol=1e-5)
    assert torch.allclose(gram(x), gram(torch.cat([x, x], dim=3)), atol=1e-5)


def test_style_loss_is_relative_to_the_painting():
    target = [gram(torch.randn(2, 3, 8, 8)), gram(torch.randn(2, 5, 4, 4))]
    assert style_loss(target, target) == 0
    assert style_loss([0 * g for g in target], target) == pytest.approx(1)
    assert style_loss([1.5 * g for g in target], target) == pytest.approx(0.25)
    scaled = [100 * g for g in target]
    assert style_loss([1.5 * g for g in scaled], scaled) == pytest.approx(0.25)


def test_content_loss_is_relative_to_the_photos_own_variation():
    photo = torch.randn(2, 4, 8, 8) + 3
    assert content_loss(photo, photo) == 0
    flat = photo.mean((2, 3), keepdim=True).expand_as(photo)
    assert content_loss(flat, photo) == pytest.approx(1, abs=1e-4)


def test_total_variation_counts_steps():
    image = torch.zeros(1, 3, 4, 4)
    assert total_variation(image) == 0
    image[..., 2:] = 1.0  # one step of height 1 in each row: one of three neighbors
    assert total_variation(image) == pytest.approx(1 / 3)
