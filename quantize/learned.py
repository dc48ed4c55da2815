"""Plans with learning: more of the network in int8 than the picture bears at first, because training wins it back.

The plan is searched with :data:`GRACE` times the loss that the aim allows. Then what it rounds is trained
(:mod:`training.learn`, which needs torch) on the calibration photos that plans are not judged by, and kept where it
paints better. The aim itself is asked of the result, on the photos that plans are judged by; where it is not reached,
the plan is searched anew without any grace and without learning. (Of scikit-image's own photos, which are few, it
learns on other parts of the scenes that it is judged by: what it gained shows on photos held out.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from quantize.judge import Aim, Judge, Score
from quantize.planfile import Plan
from quantize.quantizer import JUDGED_PHOTOS, QuantizeResult, quantize_hub
from quantize.runtime import Sample
from validate.errors import BrushportError, UnsupportedError
from validate.photos import photo_samples
from validate.ports import Port

GRACE = 1.2  # what 200 steps win back of the squared error on the zoo's networks, nearly all of them in int8
KEPT = "kept"
NO_BETTER = "no better, so the plan stays as it was"
TOO_LITTLE = "short of the aim, so it is a plan with less int8 now, without learning"


@dataclass(frozen=True)
class Learning:
    """``steps`` of learning on ``photos``, the scores ``before`` and ``after``, and what ``became`` of it."""

    steps: int
    photos: int
    before: Score
    after: Score
    became: str

    def __str__(self) -> str:
        return (
            f"{self.steps} steps of learning on {self.photos} photos took {self.before} to {self.after}: {self.became}"
        )

    def facts(self) -> dict:
        """For the manifest."""
        return {
            "steps": self.steps,
            "photos": self.photos,
            "before": _rounded(self.before),
            "after": _rounded(self.after),
            "kept": self.became == KEPT,
            "became": self.became,
        }


@dataclass(frozen=True)
class Learned:
    """``result`` is the hub to use and what is known of it, ``planned`` what the plan alone gives."""

    result: QuantizeResult
    planned: QuantizeResult
    learning: Learning

    def facts(self) -> dict:
        """Those of :meth:`QuantizeResult.facts`, and how learning went."""
        return self.result.facts() | {"learning": self.learning.facts()}


def quantize_and_learn(
    model: ir.Model,
    photos: Iterable[np.ndarray],
    steps: int,
    *,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    held_out: Iterable[Sample] = (),
    aim: Aim | None = None,
    plan: Plan | None = None,
    survey: bool = False,
    equalize: bool = True,
    static: bool = False,
    hybrid: bool = True,
    report: Callable[[str], None] = lambda step: None,
) -> Learned:
    """:func:`quantize.quantizer.quantize_hub` with ``steps`` of learning; see this module for how the two go together.

    ``photos`` are the calibration photos, uint8 HxWx3 of the size of ``inputs``'s picture, and all are in memory. With
    a ``plan``, no aim is asked for: it is followed, and what was learned is kept where it is better. Raises what
    :func:`quantize_hub` does, :class:`BrushportError` where torch is missing, and :class:`UnsupportedError` for a
    network that cannot be trained.
    """
    started = time.monotonic()
    learn_rounding, require_trainable = _training()
    require_trainable(model, inputs)
    aim, photos = aim or Aim(), list(photos)
    judged, learned = _parted(photos)
    fixed = {"inputs": inputs, "outputs": outputs, "survey": survey, "equalize": equalize, "static": static}
    fixed |= {"hybrid": hybrid, "report": report}
    eased = replace(aim, grace=GRACE) if plan is None else aim
    planned = quantize_hub(model, photo_samples(photos, inputs), aim=eased, plan=plan, **fixed)
    trained = learn_rounding(
        planned.model,
        model,
        inputs,
        outputs,
        learned,
        steps=steps,
        watch=lambda done, loss: report(f"learning, step {done} of {steps}, loss {loss:.4f}"),
    )
    report("judging what was learned")
    judge = Judge(model, photo_samples(judged, inputs), outputs)
    before, after = judge.score(planned.model), judge.score(trained)
    became, result = NO_BETTER, replace(planned, calibration_score=before)
    if aim.excess(after) < aim.excess(before):
        became, result = KEPT, replace(planned, model=trained, calibration_score=after)
    if plan is None and aim.excess(result.calibration_score) > 1:
        became, best = TOO_LITTLE, result.calibration_score
        try:
            result = planned = quantize_hub(model, photo_samples(photos, inputs), aim=aim, **fixed)
        except UnsupportedError as error:
            raise UnsupportedError(f"{steps} steps of learning reached {best}. {error}") from None
    held_out = list(held_out)
    score = Judge(model, held_out, outputs).score(result.model) if held_out else None
    result = replace(result, score=score, aim=aim, seconds=time.monotonic() - started)
    return Learned(result, planned, Learning(steps, len(learned), before, after, became))


def _training() -> tuple[Callable, Callable]:
    try:
        from training.learn import learn_rounding, require_trainable
    except ModuleNotFoundError as error:
        raise BrushportError(
            f"--learn needs the package '{error.name}'; install it with: pip install 'brushport[training]'."
        ) from error
    return learn_rounding, require_trainable


def _parted(photos: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Those that plans are judged by, which come first, and those to learn on; half of them where they are few."""
    count = min(JUDGED_PHOTOS, max(1, len(photos) // 2))
    return photos[:count], photos[count:] or photos


def _rounded(score: Score) -> dict[str, float]:
    """SSIM and PSNR, as far as there are any."""
    numbers = {} if score.ssim is None else {"ssim": round(score.ssim, 4)}
    return numbers | ({"psnr_db": round(score.psnr, 2)} if np.isfinite(score.psnr) else {})
