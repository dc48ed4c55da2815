"""int8: Q/DQ pairs around every operator whose rounding the picture bears (:mod:`quantize`)."""

from __future__ import annotations

from export.hub import Hub
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme


@scheme("int8")
def int8(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The Q/DQ hub that :func:`quantize.quantize_hub` makes, which saves and draws its plan where that is asked for."""
    from quantize import Aim, quantize_hub
    from quantize.pareto import draw_pareto
    from quantize.planfile import read_plan, write_plan

    asked = {"ssim": options.min_ssim, "psnr": options.min_psnr}
    result = quantize_hub(
        hub.model,
        calibration_samples(hub, options.calibration),
        inputs=hub.inputs,
        outputs=hub.outputs,
        aim=Aim(**{name: least for name, least in asked.items() if least is not None}),
        plan=None if options.plan is None else read_plan(options.plan),
        survey=options.pareto is not None,
        report=report,
    )
    if options.save_plan is not None:
        write_plan(options.save_plan, result)
    if options.pareto is not None:
        draw_pareto(options.pareto, result, hub.name)
    if options.integer_io:
        from export.schemes.int16x8 import in_whole_numbers

        compiled, facts = in_whole_numbers(hub, result.model, options, report)
        return compiled, facts | result.facts()
    return hub.with_model(result.model), result.facts()
