"""int16x8: activations in 16 bits, weights in 8; and files of whole numbers alone (:mod:`quantize.int16`)."""

from __future__ import annotations

from itertools import islice

import numpy as np
import onnx_ir as ir

from export.hub import Hub
from export.hub.dynamic_rounding import without_dynamic_rounding
from export.photos import calibration_samples
from export.schemes.registry import Options, Report, scheme
from validate.ports import STYLE, Port

INT8 = "int8"  # as plans say it
RANGE_PHOTOS = 16  # for the largest magnitudes, which HEADROOM raises anyway
STATISTICS_PHOTOS = 4  # that norms are equalized by: what one channel is to another hardly depends on the photo


@scheme("int16x8")
def int16x8(hub: Hub, options: Options, report: Report) -> tuple[Hub, dict]:
    """The hub with int16 Q/DQ around everything, and int16 ports for ``options.integer_io``."""
    from quantize.equalize import equalize_norms

    report("equalizing norms")
    equalized, names = equalize_norms(hub.model, calibration_samples(hub, options.calibration, STATISTICS_PHOTOS))
    compiled, facts = _in_16_bits(hub, equalized, options, report, np.int16)
    return compiled, facts | {"equalized_convolutions": len(names)}


def in_whole_numbers(hub: Hub, model: ir.Model, options: Options, report: Report) -> tuple[Hub, dict]:
    """``model``, an int8 Q/DQ form of ``hub``, with int8 ports and in 16 bits whatever it leaves in float.

    So is what it rounds at run time, for which there are kernels of floats only.
    """
    model = without_dynamic_rounding(hub.with_model(model)).model
    return _in_16_bits(hub, model, options, report, np.int8)


def planned_in_whole_numbers(facts: dict) -> dict:
    """What :meth:`quantize.QuantizeResult.facts` say, where nodes that are not int8 are int16x8 in the file."""
    plan = [row | {"precision": row["precision"] if row["precision"] == INT8 else "int16x8"} for row in facts["plan"]]
    told = {name: fact for name, fact in facts.items() if name not in ("float_nodes", "dynamic_share_of_macs")}
    share = facts["int8_share_of_macs"] - facts.get("dynamic_share_of_macs", 0.0)
    others = [row["node"] for row in plan if row["precision"] != INT8]
    return told | {"int8_share_of_macs": round(share, 4), "int16_nodes": others, "plan": plan}


def _in_16_bits(hub: Hub, model: ir.Model, options: Options, report: Report, ports: type) -> tuple[Hub, dict]:
    from quantize.int16 import round_ports, to_int16
    from quantize.integer import in_elementary_steps

    report("writing norms in elementary steps")
    model = in_elementary_steps(model, calibration_samples(hub, options.calibration, STATISTICS_PHOTOS))
    counted = _Counted(calibration_samples(hub, options.calibration, RANGE_PHOTOS))
    if options.integer_io:
        model = round_ports(model, _spans(hub, model, options), ports)
    report("calibrating 16-bit activations")
    model = to_int16(model, counted)
    return hub.with_model(model), {"calibration_photos": counted.count}


class _Counted:
    """Hands samples on, and knows how many there were."""

    def __init__(self, samples) -> None:
        self.samples, self.count = samples, 0

    def __iter__(self):
        for sample in self.samples:
            self.count += 1
            yield sample


def _spans(hub: Hub, model: ir.Model, options: Options) -> dict[str, tuple[float, float]]:
    """(low, high) of every float port: a picture's range, 0..1 of style weights, of others what photos give."""
    from quantize.int16 import HEADROOM, largest_magnitudes

    known = {port.name: _known_span(port) for port in (*hub.inputs, *hub.outputs) if port.dtype == "float32"}
    open_ports = [name for name, span in known.items() if span is None]
    samples = islice(calibration_samples(hub, options.calibration), STATISTICS_PHOTOS)
    seen = largest_magnitudes(model, open_ports, samples) if open_ports else {}
    return {name: span or (-HEADROOM * seen[name], HEADROOM * seen[name]) for name, span in known.items()}


def _known_span(port: Port) -> tuple[float, float] | None:
    if port.is_image:
        return port.value_range
    return (0.0, 1.0) if port.name == STYLE else None
