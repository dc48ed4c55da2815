"""``python -m export``: the command that takes a model to a phone's file and proves it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from export.targets import find_precision, find_target
from export.targets import table as target_table
from validate.command import console, parse_range, parse_size, reporting_errors, start
from validate.errors import BrushportError

SHOWN = 0.0005  # share of the work from which on a node that is not int8 is named


class WithTargets(typer.core.TyperCommand):
    """A command whose help ends with the table of targets × precisions."""

    def format_help(self, ctx, formatter) -> None:
        """Print the usual help, then the table."""
        super().format_help(ctx, formatter)
        console.print(target_table())


app = typer.Typer(
    add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode="rich"
)


@app.command(cls=WithTargets)
@reporting_errors
def export(
    model: Annotated[
        str | None,
        typer.Argument(help="A zoo name, an .onnx file or a training run; without it, every network of the zoo."),
    ] = None,
    target: Annotated[str, typer.Option(help="coreml or tflite.")] = "",
    precision: Annotated[str | None, typer.Option(help="One of the target's, see below.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Short for --precision int8.")] = False,
    size: Annotated[str | None, typer.Option(help="N or HxW in pixels; needed when the model leaves it open.")] = None,
    styles: Annotated[str | None, typer.Option(help="Styles to keep, comma-separated; one is baked in.")] = None,
    value_range: Annotated[
        str | None, typer.Option("--range", help="Values of black and white, such as 0..1, 0..255 or -1..1.")
    ] = None,
    output_range: Annotated[str | None, typer.Option(help="The same for the output, where it differs.")] = None,
    io: Annotated[str, typer.Option(help="image: 8-bit pictures in and out; tensor: float32.")] = "image",
    integer_io: Annotated[
        bool, typer.Option("--integer-io", help="TFLite, int8 or int16x8: whole numbers in, out and all the way.")
    ] = False,
    calibration: Annotated[Path | None, typer.Option(help="Folder of photos to set int8 ranges by.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos to verify with.")] = None,
    flexible: Annotated[
        str | None,
        typer.Option(
            help="Many sizes in one file: LOW..HIGH, or sizes such as 256,512,480x640. TFLite: the app resizes the "
            "input. Core ML: of a range (networks that take every size) the Neural Engine runs the default size "
            "only, the rest goes to GPU or CPU; listed sizes, 128 at most, may all run on it, and are what other "
            "networks get. One fixed size is fastest on both."
        ),
    ] = None,
    group_size: Annotated[
        int | None, typer.Option(help="w4, w6: output channels that share a palette, instead of all (iOS 18).")
    ] = None,
    sparsity: Annotated[float | None, typer.Option(help="sparse: the share of zeros among the weights.")] = None,
    min_ssim: Annotated[
        float | None, typer.Option(help="int8: mean SSIM that the calibration photos keep; default 0.97.", min=0, max=1)
    ] = None,
    min_psnr: Annotated[float | None, typer.Option(help="int8: the same in dB; default 34.")] = None,
    min_share: Annotated[
        float | None,
        typer.Option(help="int8: the least share of the work in int8, even where float is faster.", min=0, max=1),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="int8: a plan to follow, as --save-plan writes; no search then.")
    ] = None,
    save_plan: Annotated[Path | None, typer.Option(help="int8: where to write the plan (YAML), to edit it.")] = None,
    pareto: Annotated[
        Path | None, typer.Option(help="int8: where to draw SSIM against work and size (PNG); tries more plans.")
    ] = None,
    learn: Annotated[
        int,
        typer.Option(
            min=0, help="int8: train what is rounded for so many steps, so that more can be; try 300 (torch)."
        ),
    ] = 0,
    tiles: Annotated[
        bool,
        typer.Option(
            "--tiles",
            help="Take and give statistics of a whole photo, so that an app can paint large photos in tiles.",
        ),
    ] = False,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="With --tiles, and put file and manifest into android_demo or ios_demo.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.")] = Path("artifacts"),
    floor: Annotated[float | None, typer.Option(help="Least mean SSIM against the hub.", min=0, max=1)] = None,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Compare with the hub before keeping.")] = True,
) -> None:
    """Compile a model to Core ML or TFLite, and keep the file only if it paints what the model paints."""
    if not target:
        raise BrushportError("No target was given; add --target coreml or --target tflite.")
    destination = find_target(target)
    if int8 and precision not in (None, "int8"):
        raise BrushportError(f"--int8 and --precision {precision} contradict each other; give one of them.")
    precision = "int8" if int8 else precision
    find_precision(destination, precision)
    options = {
        "precision": precision,
        "size": parse_size(size),
        "styles": None if styles is None else [name.strip() for name in styles.split(",")],
        "value_range": parse_range(value_range),
        "output_range": parse_range(output_range),
        "io": io,
        "integer_io": integer_io,
        "calibration": calibration,
        "photos": photos,
        "output": output,
        "verify": verify,
        "floor": floor,
        "group_size": group_size,
        "sparsity": sparsity,
        "min_ssim": min_ssim,
        "min_psnr": min_psnr,
        "min_share": min_share,
        "plan": plan,
        "save_plan": save_plan,
        "pareto": pareto,
        "learn": learn,
        "tiles": tiles or bundle,
    }
    folder = None
    if bundle:
        from export.bundle import DEFAULT_NETWORK, bundle_folder

        folder = bundle_folder(destination.name)
        model = model or DEFAULT_NETWORK
        if not verify:
            raise BrushportError("--bundle takes verified files only; leave --no-verify out.")
    if model is None and (plan or save_plan or pareto):
        raise BrushportError("--plan, --save-plan and --pareto are of one network: name it.")
    from export.api import export_model  # the heavy imports, after the arguments are known to be good
    from export.flexible import parse_flexible
    from export.hub import zoo_names

    options["flexible"] = parse_flexible(flexible)
    models = zoo_names() if model is None else [model]
    results = []
    for name in models:
        with console.status("") as status:

            def report(step: str, name: str = name, status=status) -> None:
                status.update(escape(f"{name}: {step}"))

            results.append(export_model(name, target, **options, report=report))
        for note in results[-1].manifest["notes"]:
            console.print(f"{name}: {note}", soft_wrap=True, highlight=False, markup=False)
        for said in (plan_sentence, learning_sentence):
            if sentence := said(results[-1].manifest):
                console.print(f"{name}: {sentence}", soft_wrap=True, highlight=False, markup=False)
    show(results)
    if folder is not None:
        from export.api import relative
        from export.bundle import bundle as put

        for path in put(results[0].path, folder):
            console.print(f"Bundled {relative(path)}.", soft_wrap=True, markup=False, highlight=False)


def show(results: list) -> None:
    """Print the closing table and the next command to type."""
    from export.api import relative

    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = ("MB", "8-bit MACs", "SSIM", "PSNR dB", "ms")
    for column in ("target", "precision", "file", *numbers, "verdict"):
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for result in results:
        facts, comparison = result.manifest, result.comparison
        quality = facts.get("quality", {})
        table.add_row(
            facts["target"],
            facts["precision"],
            escape(relative(result.path)),
            f"{result.megabytes:.2f}",
            f"{result.share_in_8_bit:.0%}",
            _number(quality.get("ssim"), 4),
            "equal" if comparison and comparison.mean_psnr == float("inf") else _number(quality.get("psnr_db"), 1),
            _number(facts.get("cost", {}).get("latency_ms"), 0),
            "[green]same picture[/]" if comparison else "[yellow]not verified[/]",
        )
    console.print(table, soft_wrap=True)
    path = shlex.quote(relative(results[0].path))
    console.print(f"Next: python -m validate {path} --picture same.png", soft_wrap=True, markup=False)


def plan_sentence(facts: dict) -> str | None:
    """What became of an int8 plan: its share of the work, what it keeps, the file's bytes in int8, what is float."""
    said = facts.get("int8", {})
    if "plan" not in said:
        return None
    kept = f"SSIM {said['calibration_ssim']:.4f}" if "calibration_ssim" in said else None
    kept = kept or (f"PSNR {said['calibration_psnr']:.1f} dB" if "calibration_psnr" in said else "the same picture")
    stored = facts["census"]["weight_bytes_share"].get("int8", 0.0)
    dynamic = said.get("dynamic_share_of_macs")
    dynamic = f" ({dynamic:.1%} rounded at run time)" if dynamic else ""
    others = [row["node"] for row in said["plan"] if row["precision"] == "float" and row["macs"] >= SHOWN * _work(said)]
    more = f" and {len(others) - 4} more" if len(others) > 4 else ""
    return (
        f"{said['int8_share_of_macs']:.1%} of the multiply-accumulates are planned in int8{dynamic} at {kept} on "
        f"calibration photos, {stored:.1%} of the weights' bytes are int8; in float: "
        f"{', '.join(others[:4]) or 'nothing'}{more}."
    )


def learning_sentence(facts: dict) -> str | None:
    """How learning went, where there was any."""
    said = facts.get("int8", {}).get("learning")
    if said is None:
        return None
    before, after = (_quality(said[when]) for when in ("before", "after"))
    return f"{said['steps']} steps of learning on {said['photos']} photos took {before} to {after}: {said['became']}."


def _quality(score: dict) -> str:
    named = {"ssim": "SSIM {:.4f}", "psnr_db": "PSNR {:.1f} dB"}
    return ", ".join(named[key].format(value) for key, value in score.items()) or "the same picture"


def _work(said: dict) -> int:
    return sum(row["macs"] for row in said["plan"])


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Run the command."""
    start(app, "python -m export")
