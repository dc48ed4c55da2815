"""w8: weights in int8, one scale an output channel; activations float (:mod:`quantize.weights_only`)."""

from __future__ import annotations

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme

JUDGED_PHOTOS = 3


@scheme("w8")
def w8(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The hub that :func:`quantize.weights_only.choose_weights` makes, judged on a few photos."""
    from quantize.weights_only import choose_weights

    samples = list(calibration_samples(hub, options.calibration, JUDGED_PHOTOS))
    result = choose_weights(hub.model, samples, hub.outputs, report=report)
    return hub.with_model(result.model), result.facts()
