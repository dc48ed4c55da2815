"""``python -m training``: the command that trains a network to paint like given paintings."""

from pathlib import Path
from typing import Annotated

import typer

from validate.command import console, reporting_errors, start, unknown
from validate.errors import BrushportError

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

NETWORK_NAMES = ("unet", "mobilenetv3")  # known without importing torch, so that --help is quick


@app.command()
@reporting_errors
def train(
    context: typer.Context,
    style: Annotated[list[Path] | None, typer.Option("--style", help="A painting; repeat for more styles.")] = None,
    content: Annotated[Path | None, typer.Option(help="Folder of photos to learn on.")] = None,
    network: Annotated[str, typer.Option(help=f"One of {', '.join(NETWORK_NAMES)}.")] = "unet",
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PAINTING]...", help="More paintings, one style each.")
    ] = None,
    names: Annotated[str | None, typer.Option(help="Comma-separated style names; default: the file names.")] = None,
    output: Annotated[Path | None, typer.Option(help="The run's folder; default runs/NETWORK.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    vgg: Annotated[str, typer.Option(help="'vgg16' (torchvision's, downloaded once) or a file of weights.")] = "vgg16",
    encoder_weights: Annotated[
        str, typer.Option(help="mobilenetv3's encoder without --start: 'torchvision', a file, or 'none'.")
    ] = "torchvision",
    start_from: Annotated[
        str | None,
        typer.Option("--start", help="Begin as a zoo network, run or model.onnx of this --network, style by style."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Length of the run.")] = 20_000,
    minutes: Annotated[float | None, typer.Option(min=0, help="End after so many minutes if that is sooner.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Photos a step.")] = 4,
    crop: Annotated[int, typer.Option(min=64, help="Side of the square the network sees, a multiple of 16.")] = 288,
    window: Annotated[int, typer.Option(min=64, help="Side of the square inside it that the losses see.")] = 208,
    style_size: Annotated[int, typer.Option(min=64, help="Short side of the paintings: sets the brush size.")] = 384,
    content_weight: Annotated[float, typer.Option(min=0, help="How much of the photo stays.")] = 1.0,
    style_weight: Annotated[float, typer.Option(min=0, help="How strong the painting is.")] = 10.0,
    tv_weight: Annotated[float, typer.Option(min=0, help="How smooth the result is.")] = 1.0,
    steady_weight: Annotated[
        float, typer.Option(min=0, help="How little rounding may change the painting; 20 helps int8 and fp16.")
    ] = 0.0,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's, decayed to zero as a cosine.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Same seed, same run.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read photos.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default all.")] = None,
    amp: Annotated[bool | None, typer.Option("--amp/--no-amp", help="bfloat16; default where it is faster.")] = None,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 200,
) -> None:
    """Train one network on N paintings. Ends by writing model.onnx into the run's folder, ready for python -m export.

    Several paintings: --style A --style B, or --style A B C.
    """
    if network not in NETWORK_NAMES:
        raise unknown("network", network, NETWORK_NAMES)
    if crop % 16:
        raise BrushportError(f"--crop {crop} is not a multiple of 16; use {max(64, round(crop / 16) * 16)}.")
    if window > crop:
        raise BrushportError(f"--window {window} does not fit into --crop {crop}; give a smaller one.")
    try:
        from export.hub.source import find_model
        from training.config import Config
        from training.trainer import Trainer, progress_bar
    except ModuleNotFoundError as error:
        raise BrushportError(
            f"Training needs the package '{error.name}'; install it with: pip install 'brushport[training]'."
        ) from error

    paintings = [*(style or []), *(more or [])]
    if resume is not None:
        folder, config = resume, Config.load(resume)
        extend(config, context)
    else:
        if not paintings:
            raise BrushportError("No painting was given; name at least one with --style PAINTING.")
        if content is None:
            raise BrushportError("No photos were given; name a folder of them with --content FOLDER.")
        labels = names.split(",") if names else [painting.stem.replace(",", "_") for painting in paintings]
        labels = [label.strip() for label in labels]
        if len(labels) != len(paintings) or len(set(labels)) != len(labels) or not all(labels):
            raise BrushportError(f"{len(paintings)} paintings need as many different --names; got {', '.join(labels)}.")
        folder = output or Path("runs") / network
        if (folder / "checkpoint.pt").exists():
            raise BrushportError(f"'{folder}' already holds a run; go on with --resume {folder} or give --output.")
        config = Config(
            styles=[str(path.resolve()) for path in paintings],
            style_names=labels,
            content=str(content.resolve()),
            network=network,
            vgg=vgg,
            encoder_weights=encoder_weights,
            start=None if start_from is None else str(find_model(start_from)[0].resolve()),
            steps=steps,
            minutes=minutes,
            batch=batch,
            crop=crop,
            window=window,
            style_size=style_size,
            content_weight=content_weight,
            style_weight=style_weight,
            tv_weight=tv_weight,
            steady_weight=steady_weight,
            learning_rate=learning_rate,
            seed=seed,
            workers=workers,
            threads=threads,
            amp=amp,
            checkpoint_every=checkpoint_every,
        )
    trainer = Trainer(config, folder)
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder)
    console.print(
        f"{config.network}: {', '.join(config.style_names)} · {len(trainer.train_photos)} photos · "
        f"{trainer.device}{', bfloat16' if trainer.amp else ''} · from step {trainer.step}"
    )
    with progress_bar() as progress:
        trainer.train(progress)
    path = trainer.write_onnx()
    console.print(f"Wrote {path}. Look at {folder / 'samples.png'}; next: python -m export {folder} --target coreml")


def extend(config, context: typer.Context) -> None:
    """Take --steps and --minutes for a resumed run; refuse every other option, which its first start has settled."""
    given = {
        name: context.params[name]
        for name in context.params
        if name != "resume" and context.get_parameter_source(name).name == "COMMANDLINE"
    }
    for name in ("steps", "minutes"):
        if name in given:
            setattr(config, name, given.pop(name))
    if given:
        option = next(iter(given)).replace("_", "-")
        option = {"more": "--style", "start-from": "--start"}.get(option, f"--{option}")
        raise BrushportError(
            f"{option} cannot be changed when a run is resumed, only --steps and --minutes; start a new run for that."
        )


def main() -> None:
    """Run the command."""
    start(app, "python -m training", guarded=False)
