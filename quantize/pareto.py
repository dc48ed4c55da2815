"""The trade-off drawn: what the plans that were tried keep of the picture, against their work and size in int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from validate.files import replacing

if TYPE_CHECKING:
    from quantize.plan import Trial
    from quantize.quantizer import QuantizeResult

INK, FRONT, CHOSEN = "#333333", "#1f6f8b", "#d1495b"


def non_dominated(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (x, y) that no other one beats, x and y both being better when larger; sorted by x."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(set(points), reverse=True):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front[::-1]


def draw_pareto(path: str | Path, result: QuantizeResult, title: str = "") -> None:
    """Write a PNG of ``result.trials``: SSIM (PSNR where there is none) against share of int8 work and weights' size.

    The chosen plan is marked and the aim drawn; plans that were given up after few of the photos are left out.
    """
    import matplotlib

    matplotlib.use("Agg")  # no display
    from matplotlib import pyplot

    by_ssim = result.calibration_score.ssim is not None
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    quality: Callable[[Trial], float] = lambda trial: trial.score.ssim if by_ssim else trial.score.psnr  # noqa: E731
    _draw(axes[0], result, quality, lambda trial: 100 * trial.share, 1)
    _draw(axes[1], result, quality, lambda trial: trial.weight_bytes / 1e6, -1)
    axes[0].set_xlabel("multiply-accumulates in int8 (%)")
    axes[1].set_xlabel("weights (MB)")
    axes[1].invert_xaxis()
    photos = result.calibration_score.photos
    axes[0].set_ylabel(f"{'mean SSIM' if by_ssim else 'PSNR (dB)'} against the float model, {photos} photos")
    axes[0].legend(frameon=False, loc="lower left")
    figure.suptitle(f"{title}: {result.int8_share:.1%} in int8 at {result.calibration_score}", color=INK, fontsize=11)
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    pyplot.close(figure)


def _draw(axes, result: QuantizeResult, quality: Callable, cost: Callable, sign: int) -> None:
    """One panel; ``cost`` is better when larger, times ``sign``."""
    trials = [trial for trial in result.trials if trial.score.photos == result.calibration_score.photos]
    front = non_dominated([(sign * cost(trial), quality(trial)) for trial in trials])
    axes.plot([sign * x for x, _ in front], [y for _, y in front], color=FRONT, linewidth=1.2, zorder=1)
    axes.scatter(list(map(cost, trials)), list(map(quality, trials)), s=26, color=FRONT, zorder=2, label="tried")
    at = cost(result.chosen), quality(result.chosen)
    axes.scatter(*at, s=130, marker="*", color=CHOSEN, zorder=3, label="chosen")
    if result.calibration_score.ssim is not None:
        axes.axhline(result.aim.ssim, color=INK, linewidth=0.8, linestyle="--", zorder=0)
        axes.annotate(
            f"aim {result.aim.ssim:g}", (0.99, result.aim.ssim), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8, color=INK,
        )  # fmt: skip
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.08)
