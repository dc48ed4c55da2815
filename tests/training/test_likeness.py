import math

import numpy as np
import pytest
import torch

from training.likeness import Likeness, compare, ssim
from validate import metrics
from validate.ports import Port

PICTURE = Port("painting", (1, 3, 24, 40), (-1.0, 1.0))
NUMBERS = Port("numbers", (1, 5), None)


def pictures(seed, noise=0.1):
    random = np.random.default_rng(seed)
    a = random.random((24, 40, 3), np.float32)
    return a, np.clip(a + noise * random.normal(size=a.shape), 0, 1).astype(np.float32)


def tensor(picture):
    return torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())


def test_ssim_is_the_one_of_validate():
    for seed, noise in ((0, 0.02), (1, 0.3)):
        a, b = pictures(seed, noise)
        assert ssim(tensor(a), tensor(b)).item() == pytest.approx(metrics.ssim(a, b), abs=1e-5)


def test_ssim_of_a_batch_is_the_mean():
    pairs = [tuple(map(tensor, pictures(seed, noise))) for seed, noise in ((0, 0.02), (1, 0.3))]
    together = ssim(*(torch.cat(side) for side in zip(*pairs, strict=True)))
    assert together.item() == pytest.approx(np.mean([ssim(a, b).item() for a, b in pairs]), abs=1e-6)


def test_the_gradient_of_ssim_is_right():
    a, b = (tensor(p)[..., :12, :12].double().requires_grad_() for p in pictures(2))
    assert torch.autograd.gradcheck(ssim, (a, b), eps=1e-6, atol=1e-6)


def test_the_loss_is_absolute_difference_and_lost_ssim_in_0_to_1():
    a, b = pictures(3)
    got = Likeness([PICTURE])(2 * tensor(a) - 1, 2 * tensor(b) - 1).item()
    assert got == pytest.approx(np.abs(a - b).mean() + 1 - metrics.ssim(a, b), abs=1e-5)


def test_both_parts_of_the_loss_have_a_gradient():
    a, b = (2 * tensor(p) - 1 for p in pictures(3))
    a.requires_grad_()
    gradient = torch.autograd.grad(Likeness([PICTURE])(a, b), a)[0]
    by_ssim = torch.autograd.grad(1 - ssim((a + 1) / 2, (b + 1) / 2), a)[0]
    torch.testing.assert_close(gradient - by_ssim, torch.sign(a - b) / 2 / a.numel(), atol=1e-7, rtol=0)


def test_numbers_count_only_where_there_is_no_picture():
    a, b = (2 * tensor(p) - 1 for p in pictures(3))
    one, other = torch.zeros(1, 5), torch.ones(1, 5)
    alone = Likeness([PICTURE])(a, b)
    assert Likeness([NUMBERS, PICTURE])((one, a), (other, b)).item() == pytest.approx(alone.item())
    assert Likeness([NUMBERS])(one, other).item() == 1


def test_a_picture_too_small_for_ssim_counts_by_its_difference():
    a, b = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)
    assert Likeness([PICTURE])(a, b).item() == pytest.approx(0.25)


def test_compare_gives_the_mean_ssim_and_the_psnr_of_the_mean_error():
    pairs = [pictures(seed, noise) for seed, noise in ((0, 0.02), (1, 0.3))]
    samples = [(2 * tensor(a) - 1, 2 * tensor(b) - 1) for a, b in pairs]
    score = compare(lambda a, b: a, lambda a, b: b, [PICTURE], samples)
    ssims = [metrics.ssim(a, b) for a, b in pairs]
    assert score.ssim == pytest.approx(np.mean(ssims), abs=1e-5)
    assert score.worst_ssim == pytest.approx(min(ssims), abs=1e-5)
    error = np.mean([np.square(a - b).mean() for a, b in pairs])
    assert score.psnr == pytest.approx(-10 * math.log10(error), abs=1e-3)
    assert compare(lambda a, b: a, lambda a, b: a, [PICTURE], samples).psnr == math.inf
