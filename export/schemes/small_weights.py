"""w4, w6 and sparse: weights that Core ML stores small, each as small as the picture bears (:mod:`quantize.ladder`).

What a weight loses, its other numbers make up for (:mod:`quantize.compensate`), on photos that do not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme
from quantize.compensate import Gram, grams
from quantize.ladder import Rung, climb, squared_error
from quantize.palettes import palettize
from quantize.sparsity import prune_gradually, prune_smallest
from quantize.weights import float_weights

JUDGED_PHOTOS = 3
SEEN_PHOTOS = 4  # whose patches say what a weight multiplies
TARGETS = {"w6": 0.998, "w4": 0.985, "sparse": 0.96}  # mean SSIM while choosing
TABLE_BITS = (4, 6, 8)
SPARSITY = 0.5  # where no other is asked for
LESS_SPARSE = (1.0, 0.75, 0.5, 0.25)  # shares of it that weights may have instead
Grams = Mapping[str, Gram]


@scheme("w6")
def w6(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """Palettes of 64 numbers, or more where the picture needs them."""
    return _climbed(hub, options, report, "w6", lambda known: _palettes(6, options.group_size, known))


@scheme("w4")
def w4(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """Palettes of 16 numbers, or more where the picture needs them."""
    return _climbed(hub, options, report, "w4", lambda known: _palettes(4, options.group_size, known))


@scheme("sparse")
def sparse(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """Weights that matter least are zero: the share asked for, or less where the picture needs them."""
    share = SPARSITY if options.sparsity is None else options.sparsity
    return _climbed(
        hub, options, report, "sparse", lambda known: _sparse([share * part for part in LESS_SPARSE], known)
    )


def _climbed(
    hub: Hub, options: Options, report: Report, name: str, rungs: Callable[[Grams], Sequence[Rung]]
) -> tuple[Hub, dict]:
    samples = list(calibration_samples(hub, options.calibration, JUDGED_PHOTOS + SEEN_PHOTOS))
    report("looking at what the weights multiply")
    known = grams(hub.model, samples[-SEEN_PHOTOS:], [value.name for value, _ in float_weights(hub.model)])
    result = climb(
        hub.model,
        samples[:JUDGED_PHOTOS],
        hub.outputs,
        rungs(known),
        target=TARGETS[name],
        loss=lambda weight, before, after: _loss(known.get(weight), before, after),
        report=report,
    )
    return hub.with_model(result.model), result.facts() | {"compensated": len(known)}


def _loss(gram: Gram | None, weight: np.ndarray, made: np.ndarray) -> float:
    return squared_error(weight, made) if gram is None else gram.error(weight, made)


def _palettes(least: int, group_size: int, known: Grams) -> list[Rung]:
    def rung(bits: int) -> Rung:
        def make(name: str, weight: np.ndarray, axis: int) -> np.ndarray:
            return palettize(weight, bits, axis, group_size, known.get(name))

        return Rung(f"{bits}-bit palette", bits, make)

    return [rung(bits) for bits in TABLE_BITS if bits >= least]


def _sparse(shares: Sequence[float], known: Grams) -> list[Rung]:
    """A rung for each of these falling ``shares`` of zeros; all of a weight's are made at once."""
    made: dict[str, dict[float, np.ndarray]] = {}

    def rung(share: float) -> Rung:
        def make(name: str, weight: np.ndarray, axis: int) -> np.ndarray:
            if name not in known:
                return prune_smallest(weight, share)
            if name not in made:
                rising = shares[::-1]
                made[name] = dict(zip(rising, prune_gradually(weight, rising, known[name]), strict=True))
            return made[name][share]

        return Rung(f"{share:.0%} zeros", 1 + 16 * (1 - share), make)

    return [rung(share) for share in shares]
