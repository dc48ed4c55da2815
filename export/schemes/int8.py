"""int8: Q/DQ pairs around every operator whose rounding the picture bears (:mod:`quantize`)."""

from __future__ import annotations

from export.hub import Hub
from export.photos import calibration_photos
from export.schemes.registry import Options, Report, scheme
from validate.photos import photo_samples


@scheme("int8")
def int8(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The Q/DQ hub that :func:`quantize.quantize_hub` makes, trained for ``options.learn`` steps.

    Its plan is saved and drawn where that is asked for, as it is before training.
    """
    from quantize import Aim, quantize_hub
    from quantize.learned import quantize_and_learn
    from quantize.pareto import draw_pareto
    from quantize.planfile import read_plan, write_plan

    asked = {"ssim": options.min_ssim, "psnr": options.min_psnr, "share": options.min_share}
    settings = {
        "inputs": hub.inputs,
        "outputs": hub.outputs,
        "aim": Aim(**{name: least for name, least in asked.items() if least is not None}),
        "plan": None if options.plan is None else read_plan(options.plan),
        "survey": options.pareto is not None,
        "static": options.target == "coreml",
        "hybrid": not options.tiles,
        "report": report,
    }
    photos = calibration_photos(hub, options.calibration)
    if options.learn:
        learned = quantize_and_learn(hub.model, photos, options.learn, **settings)
        model, planned, facts = learned.result.model, learned.planned, learned.facts()
    else:
        planned = quantize_hub(hub.model, photo_samples(photos, hub.inputs), **settings)
        model, facts = planned.model, planned.facts()
    if options.save_plan is not None:
        write_plan(options.save_plan, planned)
    if options.pareto is not None:
        draw_pareto(options.pareto, planned, hub.name)
    if options.integer_io:
        from export.schemes.int16x8 import in_whole_numbers, planned_in_whole_numbers

        compiled, _ = in_whole_numbers(hub, model, options, report)
        return compiled, planned_in_whole_numbers(facts)
    return hub.with_model(model), facts
