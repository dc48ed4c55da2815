"""dynamic: int8 weights, and activations rounded at run time where it pays (:mod:`quantize.dynamic`)."""

from __future__ import annotations

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme

JUDGED_PHOTOS = 3


@scheme("dynamic")
def dynamic(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The hub that :func:`quantize.dynamic.choose_dynamic` makes, judged on a few photos."""
    from quantize.dynamic import choose_dynamic

    samples = list(calibration_samples(hub, options.calibration, JUDGED_PHOTOS))
    result = choose_dynamic(hub.model, samples, hub.outputs, report=report)
    return hub.with_model(result.model), result.facts()
