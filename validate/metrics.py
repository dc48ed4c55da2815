"""How alike two pictures are: SSIM and PSNR.

SSIM is that of Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to
Structural Similarity" (IEEE TIP 2004), with the paper's own settings: an 11x11 Gaussian window of sigma 1.5,
biased (co)variances, K1 = 0.01, K2 = 0.03, the mean over all window positions and channels. These are the
settings that scikit-image's documentation gives to match the paper. PSNR is 10 log10(peak^2 / MSE).
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from validate.errors import BrushportError

WINDOW = 11  # pixels; what scikit-image derives from sigma 1.5 cut off at 3.5 sigma
SIGMA = 1.5


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM of two HxWxC pictures in [0, 1]; 1 when equal, 0 when either holds NaN or infinity.

    Raises :class:`BrushportError` when the shapes differ or a side is under 11 pixels.
    """
    a, b = _pair(a, b)
    if min(a.shape[:2]) < WINDOW:
        raise BrushportError(
            f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels, these are {a.shape[0]}x{a.shape[1]}."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0
    return float(
        structural_similarity(
            a,
            b,
            data_range=1.0,
            channel_axis=2,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
        )
    )


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 1.0) -> float:
    """PSNR in dB of two HxWxC pictures; ``inf`` when equal, ``-inf`` when either holds NaN or infinity.

    Raises :class:`BrushportError` when the shapes differ.
    """
    a, b = _pair(a, b)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("-inf")
    error = float(np.mean(np.square(a - b)))
    return float("inf") if error == 0.0 else float(10.0 * np.log10(peak**2 / error))


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise BrushportError(f"Pictures of different shapes cannot be compared: {a.shape} and {b.shape}.")
    if a.ndim != 3:
        raise BrushportError(f"Pictures to compare must be HxWxC, these are of shape {a.shape}.")
    return a, b
