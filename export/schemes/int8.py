"""int8: Q/DQ pairs around every operator whose rounding the picture bears (:mod:`quantize`)."""

from __future__ import annotations

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme


@scheme("int8")
def int8(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The Q/DQ hub that :func:`quantize.quantize_hub` makes."""
    from quantize import quantize_hub

    samples = calibration_samples(hub, options.calibration)
    result = quantize_hub(hub.model, samples, inputs=hub.inputs, outputs=hub.outputs, report=report)
    return hub.with_model(result.model), result.facts()
