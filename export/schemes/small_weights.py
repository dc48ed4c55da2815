"""w4, w6 and sparse: weights that Core ML stores small, each as small as the picture bears (:mod:`quantize.ladder`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme
from quantize.ladder import Rung, climb
from quantize.palettes import palettize
from quantize.sparsity import prune_smallest

JUDGED_PHOTOS = 3
TARGETS = {"w6": 0.998, "w4": 0.985, "sparse": 0.96}  # mean SSIM while choosing
TABLE_BITS = (4, 6, 8)
SPARSITY = 0.5  # where no other is asked for
LESS_SPARSE = (1.0, 0.75, 0.5, 0.25)  # shares of it that weights may have instead


@scheme("w6")
def w6(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """Palettes of 64 numbers, or more where the picture needs them."""
    return _climbed(hub, options, report, "w6", _palettes(6, options.group_size))


@scheme("w4")
def w4(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """Palettes of 16 numbers, or more where the picture needs them."""
    return _climbed(hub, options, report, "w4", _palettes(4, options.group_size))


@scheme("sparse")
def sparse(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The smallest weights are zero: the share asked for, or less where the picture needs them."""
    share = SPARSITY if options.sparsity is None else options.sparsity
    rungs = [_sparse(share * part) for part in LESS_SPARSE]
    return _climbed(hub, options, report, "sparse", rungs)


def _climbed(hub: Hub, options: Options, report: Report, name: str, rungs: Sequence[Rung]) -> tuple[Hub, dict]:
    samples = list(calibration_samples(hub, options.calibration, JUDGED_PHOTOS))
    result = climb(hub.model, samples, hub.outputs, rungs, target=TARGETS[name], report=report)
    return hub.with_model(result.model), result.facts()


def _palettes(least: int, group_size: int) -> list[Rung]:
    def rung(bits: int) -> Rung:
        def make(name: str, weight: np.ndarray, axis: int) -> np.ndarray:
            return palettize(weight, bits, axis, group_size)

        return Rung(f"{bits}-bit palette", bits, make)

    return [rung(bits) for bits in TABLE_BITS if bits >= least]


def _sparse(share: float) -> Rung:
    def make(name: str, weight: np.ndarray, axis: int) -> np.ndarray:
        return prune_smallest(weight, share)

    return Rung(f"{share:.0%} zeros", 1 + 16 * (1 - share), make)
