"""``export_model``: a model in, a verified artifact and its manifest out. The command only wraps this."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from export.flexible import MAX_ENUMERATED, Request, Sizes, at_size, probes, resolve
from export.honesty import require_planned
from export.hub import Hub, load_hub
from export.manifest import describe_in_integers, embedded, measured_facts, static_facts
from export.photos import calibration_samples, image_size, verification_photos
from export.schemes import Options, prepare
from export.schemes.int16x8 import in_whole_numbers
from export.targets import Target, find_precision, find_target
from export.tiles import INT8_AIM, describe_tiles, measure_halo, set_halo
from validate.command import unknown
from validate.compare import PSNR_FLOORS, SSIM_FLOORS, Comparison, compare, feeds_for
from validate.errors import BrushportError, QualityError
from validate.files import replacing
from validate.guard import note_step
from validate.manifest import write_entry
from validate.runners import OnnxRunner, Runner, open_artifact

if TYPE_CHECKING:
    from validate.coreml.half_range import Beyond

IN_8_BIT = ("int8 x int8", "uint8 x int8", "dynamic int8 x int8")
PALETTES, STORED_SMALL = ("w4", "w6"), ("w8", "w6", "w4", "sparse")  # the latter compute in fp16 on Core ML
HALF_PHOTOS = 2  # that norms are fitted to fp16 by: scales are powers of ten apart from harm
TILES_VARIANCE = 0.25  # of a norm's input in fp16, whose statistics tiles give and take in fp16, too
Report = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """One artifact: where it and its manifest are, its entry there, how it compares to the hub (None: not verified)."""

    path: Path
    manifest_path: Path
    manifest: dict = field(repr=False)
    comparison: Comparison | None = None

    @property
    def megabytes(self) -> float:
        """Size of the artifact, in 10⁶ bytes."""
        return self.manifest["bytes"] / 1e6

    @property
    def share_in_8_bit(self) -> float:
        """Share of the multiply-accumulates whose activations and weights are both 8 bits in the file."""
        shares = self.manifest["census"]["macs_share"]
        return sum(share for dtypes, share in shares.items() if dtypes in IN_8_BIT)


def export_model(
    model: str | Path = "unet",
    target: str = "coreml",
    *,
    precision: str | None = None,
    size: tuple[int, int] | None = None,
    styles: Sequence[str] | None = None,
    value_range: tuple[float, float] | None = None,
    output_range: tuple[float, float] | None = None,
    io: str = "image",
    integer_io: bool = False,
    calibration: str | Path | None = None,
    photos: str | Path | None = None,
    output: str | Path = "artifacts",
    verify: bool = True,
    floor: float | None = None,
    flexible: Request | None = None,
    group_size: int | None = None,
    sparsity: float | None = None,
    min_ssim: float | None = None,
    min_psnr: float | None = None,
    min_share: float | None = None,
    plan: str | Path | None = None,
    save_plan: str | Path | None = None,
    pareto: str | Path | None = None,
    learn: int | None = None,
    tiles: bool = False,
    report: Report = lambda step: None,
) -> ExportResult:
    """Compile ``model`` for ``target``, compare what was written with the hub, and keep it if it paints the same.

    ``model`` is a zoo name, an ``.onnx`` file or a training run; ``target`` ``"coreml"`` or ``"tflite"``;
    ``precision`` one of the target's (its default for None); ``size`` (height, width) of the pictures; ``styles``
    names to keep, one name bakes it in; ``value_range`` the tensor values of black and white, ``output_range`` those of
    the output where they differ, both found out by default;
    ``io`` ``"image"`` (8-bit pictures in and out) or ``"tensor"`` (float32 in hub values); ``integer_io`` (TFLite,
    int8 and int16x8) gives ports of that type instead and no operator in float; ``calibration`` and ``photos`` folders
    (bundled photos by default); ``floor`` the least mean SSIM (``SSIM_FLOORS`` by default).
    ``flexible`` makes one file for many picture sizes (:mod:`export.flexible`), ``size`` its default.
    ``group_size`` gives every so many output channels a palette of their own (w4 and w6, iOS 18); ``sparsity`` is the
    share of zeros among the weights of ``"sparse"``. Of ``"int8"`` alone, ``min_ssim`` and ``min_psnr`` (dB) are what
    the plan is to keep on calibration photos (:class:`quantize.Aim`), ``min_share`` the share of the work that is to be
    int8 even where float would be faster, ``plan`` is a file to follow instead of a search
    (:mod:`quantize.planfile`), ``save_plan`` and ``pareto`` say where to write the plan and to draw what was tried, and
    ``learn`` is for how many steps to train what is rounded, which allows for more int8 (:mod:`quantize.learned`).
    ``tiles`` adds inputs and an output for the statistics of a larger photo (:mod:`export.tiles`); in int8 it
    aims at more (``INT8_AIM``).
    Writes ``output/NAME-PRECISION`` with the target's ending, the hub it was compared with (``NAME-HxW-….onnx``) and,
    last, the artifact's entry in the manifest ``NAME-PRECISION.json``; each appears whole or not at all.
    ``verify`` is for both comparisons, of the hub with the file and of the artifact with the hub.
    ``report`` is told each step's name as it begins.

    Raises BrushportError for input that cannot be used, UnsupportedError for a model that the target cannot
    express, QualityError when the artifact is below the floor; nothing is kept then.
    """
    destination = find_target(target)
    if integer_io:
        precision = precision or "int8"
        _check_integer_io(destination, precision, io)
    asked = find_precision(destination, precision)
    report = _noting(report)
    planned = {"min_ssim": min_ssim, "min_psnr": min_psnr, "min_share": min_share, "plan": plan}
    planned |= {"save_plan": save_plan, "pareto": pareto, "learn": learn or None}
    _check_planned(planned, asked)
    if tiles:
        _check_tiles(asked, flexible, integer_io)
    if io not in ("image", "tensor"):
        raise unknown("io", io, ("image", "tensor"))
    io = "integer" if integer_io else io
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise BrushportError(f"--output '{output}' is a file; name a folder.")
    report("reading the model")
    choices = {"styles": styles, "value_range": value_range, "output_range": output_range}
    hub = load_hub(model, size=size, open_size=flexible and flexible.usual, **choices, check=verify)
    sizes = _sizes(hub, flexible, destination) if flexible else None
    if sizes is not None and sizes.default != image_size(hub):
        hub = at_size(hub, sizes.default)
    shown = verification_photos(hub, photos) if verify else []
    hub_bytes = ir.to_proto(hub.model).SerializeToString()
    precision = _settled(hub, asked if precision else None, destination)
    if _is_quantized(hub) and (given := _given(planned)):
        raise BrushportError(f"'{hub.name}' is quantized already, so {given} changes nothing; leave it out.")
    _check_weights(precision, group_size, sparsity)
    digest = hashlib.sha256(hub_bytes).hexdigest()
    facts = static_facts(hub, digest, destination, precision, io)
    compiled = hub
    in_half = precision == "fp16" or (destination.name == "coreml" and precision in STORED_SMALL)
    if in_half:
        compiled = _fitted_to_half(hub, sizes, tiles, report)
    if not _is_quantized(hub) and precision != _stored(hub, destination):
        if tiles and precision == "int8" and plan is None and min_ssim is None:
            planned["min_ssim"] = INT8_AIM
        wanted = Options(
            target,
            calibration,
            group_size=group_size or 0,
            sparsity=sparsity,
            integer_io=integer_io,
            tiles=tiles,
            **planned,
        )
        compiled, said = prepare(compiled, precision, wanted, report)
        facts |= {} if said is None else {precision: said}
    elif integer_io:
        wanted = Options(target, calibration, integer_io=True)
        compiled, facts[precision] = in_whole_numbers(hub, hub.model, wanted, report)
    if integer_io:
        describe_in_integers(facts, compiled)
    if sizes is not None:
        facts["sizes"] = sizes.facts()
    final = output / f"{hub.name}-{precision}{'-integer' if integer_io else ''}{destination.suffix}"
    with replacing(final) as path:
        report("compiling")
        options = {"precision": precision, "io": io, "metadata": embedded(hub, facts)}
        options |= {"group_size": group_size} if group_size else {}
        if tiles:
            layers = destination.compile(compiled, path, **options, tiles=True)
            describe_tiles(facts, layers, image_size(hub), destination.layout)
        elif sizes is None:
            destination.compile(compiled, path, **options)
        else:
            destination.compile_flexible(*probes(compiled, sizes), path, sizes, **options)
        counted = _census(destination, path)
        if "plan" in facts.get(precision, {}):
            require_planned(facts[precision]["plan"], counted, path.name)
        facts["census"] = {what: counts for what, counts in counted.items() if what != "products"}
        if precision == "int16x8":
            facts["notes"] = [*facts["notes"], *_left_in_float(counted["float_operators"])]
        comparison = None
        if verify:
            report("comparing with the hub")
            artifact = open_artifact(path, (hub.inputs, hub.outputs))
            comparison = _verify(hub, hub_bytes, artifact, shown)
            beyond = artifact.beyond_half(next(feeds_for(hub.inputs, shown))) if in_half else []
            facts["notes"] = [*facts["notes"], *_warnings(beyond)]
            _require(comparison, precision, floor, path.name, beyond)
            if sizes is not None:
                others = _verify_sizes(model, artifact, sizes, choices, photos, report)
                facts["sizes"]["verified"] = [{"size": list(at), **_quality(one)} for at, one in others.items()]
                for at, one in others.items():
                    _require(one, precision, floor, f"{path.name} at {at[0]}x{at[1]}", beyond)
        if tiles:
            report("measuring how far tiles see")
            seen = shown or verification_photos(hub, photos)
            set_halo(facts, measure_halo(hub, seen), image_size(hub))
        facts |= measured_facts(path, comparison, floor, precision)
        with replacing(output / facts["hub"]["file"]) as hub_path:
            hub_path.write_bytes(hub_bytes)
    # The manifest comes last: until then the old one's hash does not fit the new file, so nobody takes it for its own.
    return ExportResult(final, write_entry(final, facts), facts, comparison)


def _noting(report: Report) -> Report:
    """``report``, which also leaves word of the step for whoever finds the process crashed."""

    def noted(step: str) -> None:
        note_step(step)
        report(step)

    return noted


def _is_quantized(hub: Hub) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in hub.model.graph)


def _given(planned: dict) -> str:
    """The options about the plan that were given, as they are typed."""
    return ", ".join(f"--{name.replace('_', '-')}" for name, value in planned.items() if value is not None)


def _check_planned(planned: dict, precision: str) -> None:
    if (given := _given(planned)) and precision != "int8":
        raise BrushportError(f"{given} of {precision} means nothing: only int8 has a plan; add --int8.")
    asked_for = {name: planned[name] for name in ("min_ssim", "min_psnr", "min_share") if planned[name] is not None}
    if planned["plan"] is not None and asked_for:
        raise BrushportError(f"A plan is followed whatever it gives: leave out either --plan or {_given(asked_for)}.")
    for name, what in (("min_ssim", "SSIM"), ("min_share", "share")):
        if not 0 <= asked_for.get(name, 0) <= 1:
            raise BrushportError(f"{_given({name: 1})} {asked_for[name]:g} is no {what}; say a number in 0..1.")
    if planned["learn"] is not None and planned["learn"] < 0:
        raise BrushportError(f"--learn {planned['learn']} is no number of steps; say 300, or 0 for none.")


def _check_weights(precision: str, group_size: int | None, sparsity: float | None) -> None:
    if group_size is not None and (precision not in PALETTES or group_size < 1):
        raise BrushportError(
            f"--group-size {group_size} of {precision} means nothing: palettes (w4, w6) take a number above 0."
        )
    if sparsity is not None and (precision != "sparse" or not 0 < sparsity < 1):
        raise BrushportError(f"--sparsity {sparsity:g} of {precision} means nothing: sparse takes a share in 0..1.")


def _settled(hub: Hub, asked: str | None, target: Target) -> str:
    """The precision to write: the one asked for, else that of its numbers, else the target's own; Q/DQ is int8."""
    if not _is_quantized(hub):
        return asked or _stored(hub, target) or target.default
    if asked not in (None, "int8"):
        raise BrushportError(f"'{hub.name}' is quantized already (it holds Q/DQ nodes), so {asked} is not to be had.")
    return "int8"


def _stored(hub: Hub, target: Target) -> str | None:
    """The precision of a model whose weights are in 8 bits already, perhaps rounding activations at run time."""
    held = {node.op_type for node in hub.model.graph}
    known = {"DynamicQuantizeLinear": "dynamic", "DequantizeLinear": "w8"}
    found = (precision for op_type, precision in known.items() if op_type in held)
    return next((precision for precision in found if precision in target.precisions), None)


def _census(target: Target, path: Path) -> dict:
    if target.name == "tflite":
        from export.tflite import census
    else:
        from export.coreml.census import census
    counted = census(path)
    total = max(sum(counted["weight_bytes"].values()), 1)
    counted["weight_bytes_share"] = {form: round(size / total, 4) for form, size in counted["weight_bytes"].items()}
    return counted


def _sizes(hub: Hub, flexible: Request, target: Target) -> Sizes:
    sizes = resolve(hub, flexible)
    if not target.any_step and len(sizes.choices) > MAX_ENUMERATED:
        raise BrushportError(
            f"--flexible lists {len(sizes.choices)} sizes and {target.name} takes {MAX_ENUMERATED}; list fewer."
        )
    return sizes if target.any_step or sizes.step == 1 else sizes.enumerated()


def _verify_sizes(
    model: str | Path,
    artifact: Runner,
    sizes: Sizes,
    choices: dict,
    photos: str | Path | None,
    report: Report,
) -> dict[tuple[int, int], Comparison]:
    """The artifact against the model loaded anew at other sizes, one feed each."""
    found = {}
    for size in sizes.to_verify:
        report(f"comparing at {size[0]}x{size[1]}")
        hub = load_hub(model, size=size, **choices)
        reference = OnnxRunner(ir.to_proto(hub.model).SerializeToString(), hub.inputs, hub.outputs)
        found[size] = compare(reference, artifact, islice(feeds_for(hub.inputs, verification_photos(hub, photos)), 1))
    return found


def _quality(comparison: Comparison) -> dict:
    """SSIM and PSNR as the manifest has them; None where there is no SSIM, or nothing differs."""
    decibels = comparison.mean_psnr
    return {"ssim": comparison.mean_ssim, "psnr_db": decibels if np.isfinite(decibels) else None}


def _fitted_to_half(hub: Hub, sizes: Sizes | None, tiles: bool, report: Report) -> Hub:
    """The hub with norms whose statistics fit into half precision, as measured on photos."""
    from quantize.half import fit_norms_to_half

    if not any(port.is_image for port in hub.inputs):
        return hub
    report("fitting the norms to half precision")
    size = image_size(hub)
    growth = 1.0 if sizes is None else sizes.largest[0] * sizes.largest[1] / (size[0] * size[1])
    samples = calibration_samples(hub, None, HALF_PHOTOS)
    variance = TILES_VARIANCE if tiles else None
    return hub.with_model(fit_norms_to_half(hub.model, samples, growth=growth, variance=variance)[0])


def _warnings(beyond: Sequence[Beyond]) -> list[str]:
    if not beyond:
        return []
    others = f" (and {len(beyond) - 1} more)" if len(beyond) > 1 else ""
    return [f"On a device that computes in half precision {beyond[0]}{others}; --precision fp32 is safe there."]


def _verify(hub: Hub, hub_bytes: bytes, artifact: Runner, photos: list[np.ndarray]) -> Comparison:
    reference = OnnxRunner(hub_bytes, hub.inputs, hub.outputs)
    return compare(reference, artifact, feeds_for(hub.inputs, photos))


def _check_tiles(precision: str, flexible: Request | None, integer_io: bool) -> None:
    if flexible or integer_io:
        other = "--flexible" if flexible else "--integer-io"
        raise BrushportError(f"--tiles makes one size serve photos of any size, its norms in float; leave {other} out.")
    if precision in ("dynamic", "int16x8"):
        raise BrushportError(f"Tiles in {precision} do not match; give --tiles another precision, int8 or fp16.")


def _check_integer_io(target: Target, precision: str, io: str) -> None:
    if "int16x8" not in target.precisions or precision not in ("int8", "int16x8"):
        raise BrushportError("--integer-io is for --target tflite with --int8 or --precision int16x8; give those.")
    if io == "tensor":
        raise BrushportError("--integer-io and --io tensor contradict each other; give one of them.")


def _left_in_float(operators: dict[str, int]) -> list[str]:
    """A sentence that names the operators of an int16x8 file that compute in float."""
    if not operators:
        return []
    named = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in operators.items())
    return [f"LiteRT has no 16-bit kernel for all of this network; in float stay {named}."]


def _require(
    comparison: Comparison, precision: str, floor: float | None, name: str, beyond: Sequence[Beyond] = ()
) -> None:
    if comparison.passes(precision, floor):
        return
    wanted = (
        f"SSIM {SSIM_FLOORS[precision] if floor is None else floor} or, without SSIM, {PSNR_FLOORS[precision]:.0f} dB"
    )
    got = f"PSNR {comparison.mean_psnr:.1f} dB"
    if comparison.mean_ssim is not None:
        got = f"SSIM {comparison.mean_ssim:.4f}, {got}"
    raise QualityError(
        f"{name} does not paint what the hub paints: {got}, where {wanted} is asked for; it was not kept. "
        f"{''.join(f'In half precision {one}. ' for one in beyond[:1])}"
        "Try another precision, or --no-verify to keep it all the same."
    )


def relative(path: Path) -> str:
    """``path`` as a user would type it from here."""
    return os.path.relpath(path) if not str(os.path.relpath(path)).startswith("..") else str(path)
