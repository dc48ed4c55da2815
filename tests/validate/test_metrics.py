import numpy as np
import pytest
from skimage import data

from validate.errors import BrushportError
from validate.metrics import psnr, ssim


@pytest.fixture(scope="module")
def picture():
    return data.astronaut()[:96, :80] / 255.0


def test_equal_pictures(picture):
    assert ssim(picture, picture) == pytest.approx(1.0, abs=1e-9)
    assert psnr(picture, picture) == float("inf")


@pytest.mark.parametrize("offset, decibels", [(0.1, 20.0), (0.01, 40.0)])
def test_psnr_of_a_constant_offset(offset, decibels):
    black = np.zeros((16, 16, 3))
    assert psnr(black, black + offset) == pytest.approx(decibels, abs=1e-6)
    assert psnr(black, black + 255 * offset, peak=255.0) == pytest.approx(decibels, abs=1e-6)


def test_ssim_of_constant_pictures_is_the_papers_formula():
    # Without variance only the luminance term is left: (2ab + C1) / (a^2 + b^2 + C1), C1 = 0.01^2.
    a, b = 0.5, 0.75
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(np.full((16, 16, 1), a), np.full((16, 16, 1), b)) == pytest.approx(expected, abs=1e-9)


def test_ssim_weighs_the_window_as_a_gaussian(picture):
    """One window position, computed by hand with sigma 1.5 and biased moments."""
    a = picture[:11, :11, :1]
    b = np.clip(a + np.random.default_rng(0).normal(0, 0.1, a.shape), 0, 1)
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(taps, taps)[..., None] / taps.sum() ** 2
    mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
    var_a, var_b = (weights * a * a).sum() - mean_a**2, (weights * b * b).sum() - mean_b**2
    cov = (weights * a * b).sum() - mean_a * mean_b
    expected = (2 * mean_a * mean_b + 1e-4) * (2 * cov + 9e-4)
    expected /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_noise_costs(picture):
    noise = np.random.default_rng(0).normal(0, 1, picture.shape)
    values = [ssim(picture, np.clip(picture + level * noise, 0, 1)) for level in (0.01, 0.05, 0.2)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.6
    assert 0.9 < values[0] < 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_the_worst_and_never_a_pass(picture, bad):
    broken = picture.copy()
    broken[0, 0, 0] = bad
    for pair in ((picture, broken), (broken, picture), (broken, broken)):
        assert ssim(*pair) == 0.0
        assert psnr(*pair) == float("-inf")


@pytest.mark.parametrize("metric", [ssim, psnr])
def test_shapes_that_differ(metric, picture):
    with pytest.raises(BrushportError, match="different shapes"):
        metric(picture, picture[1:])
    with pytest.raises(BrushportError, match="HxWxC"):
        metric(picture[..., 0], picture[..., 0])


def test_too_small_for_the_window():
    with pytest.raises(BrushportError, match="at least 11x11"):
        ssim(np.zeros((10, 20, 3)), np.zeros((10, 20, 3)))
