"""The training loop: from a blank network, another one or the last checkpoint, to ``model.onnx``."""

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.utils import make_grid, save_image

from training.config import Config
from training.data import PhotoBatches, list_photos, read_picture
from training.losses import content_loss, grams_of, style_loss, total_variation
from training.networks import NETWORKS
from training.perceptual import load_perceptual
from training.start import load_start
from training.steady import rounding_noise, unsteadiness
from validate.errors import BrushportError
from validate.files import replacing

matplotlib.use("Agg")
LOSSES = ("total", "content", "style", "tv")
WARM_UP_STEPS = 50  # Adam's second moments are unreliable before that
SAMPLE_SIZE = 256
DEFAULT_SIZE = 512  # what export takes when no --size is given


def pick_device() -> torch.device:
    """CUDA, else Apple's GPU, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def bfloat16_pays(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cpu":
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # absent from older torch
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


class Trainer:
    """One run in ``folder``: builds everything from ``config``, resumes from ``checkpoint.pt`` where there is one."""

    def __init__(self, config: Config, folder: Path):
        self.config, self.folder = config, folder
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = pick_device()
        self.amp = bfloat16_pays(self.device) if config.amp is None else config.amp
        photos = list_photos(Path(config.content))
        held_out = max(0, min(config.samples, len(photos) - 1))
        # Every k-th photo is held out, so that samples show what the network has never seen.
        shown = photos[:: max(1, len(photos) // max(1, held_out))][:held_out]
        self.train_photos = [photo for photo in photos if photo not in set(shown)]
        self.samples = self._read_samples(shown)
        self.network = NETWORKS[config.network](len(config.styles)).to(self.device, memory_format=torch.channels_last)
        checkpoint = self._load_checkpoint()
        if config.network == "mobilenetv3" and (config.encoder_weights != "none" or config.start):
            self.network.freeze_encoder()
            if checkpoint is None and not config.start:
                self.network.load_encoder(config.encoder_weights)
        if config.start and checkpoint is None:
            load_start(self.network, Path(config.start), config.style_names)
        self.names = (*LOSSES, "steady") if config.steady_weight else LOSSES
        self.eyes = load_perceptual(config.vgg).to(self.device, memory_format=torch.channels_last)
        self.targets = self._style_targets()
        self.optimizer = torch.optim.Adam(
            [p for p in self.network.parameters() if p.requires_grad], lr=config.learning_rate
        )
        self.step, self.seconds, self.history = 0, 0.0, []
        if checkpoint is not None:
            self.network.load_state_dict(checkpoint["network"])
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.step, self.seconds, self.history = (checkpoint[key] for key in ("step", "seconds", "history"))

    def _read_samples(self, paths: list[Path]) -> torch.Tensor:
        fit = v2.Compose([v2.Resize(SAMPLE_SIZE, antialias=True), v2.CenterCrop(SAMPLE_SIZE)])
        if not paths:
            return torch.empty(0, 3, SAMPLE_SIZE, SAMPLE_SIZE)
        return torch.stack([fit(read_picture(path)) for path in paths]).float() / 255

    def _load_checkpoint(self) -> dict | None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises half a dozen kinds for a damaged file
            raise BrushportError(f"The checkpoint '{path}' is damaged; delete it to start the run afresh.") from error

    def _style_targets(self) -> list[list[torch.Tensor]]:
        """For each scale and layer, the paintings' Gram matrices (N, C, C)."""
        config, per_scale = self.config, []
        with torch.no_grad():
            for scale in config.style_scales:
                grams = []
                for path in config.styles:
                    painting = v2.functional.resize(
                        read_picture(Path(path)), round(config.style_size * scale), antialias=True
                    )
                    grams.append(grams_of(self.eyes(painting[None].to(self.device).float() / 255)))
                per_scale.append([torch.cat(layer) for layer in zip(*grams, strict=True)])
        return per_scale

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1, by steps or by minutes, whichever is further."""
        by_steps = self.step / self.config.steps
        by_time = self.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def losses(self, photos: torch.Tensor, styles: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weighted losses of (B, 3, S, S) photos painted in ``styles`` (B,)."""
        config = self.config
        weights = F.one_hot(styles, len(config.styles)).float()
        # bfloat16 disturbs more than what --steady-weight is to bear, so the network then computes in float32.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp and not config.steady_weight):
            painting = self.network(photos, weights).float()
            steady = self.unsteadiness(painting, photos, weights) if config.steady_weight else painting.new_zeros(())
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            output, photos = self.same_window(painting, photos)
            with torch.no_grad():
                content = self.eyes(photos).content
            style = torch.zeros((), device=self.device)
            for index, scale in enumerate(config.style_scales):
                view = output if scale == 1 else F.interpolate(output, scale_factor=scale, mode="area")
                features = self.eyes(view)
                if index == 0:
                    loss_content = content_loss(features.content, content)
                style = style + style_loss(grams_of(features), [layer[styles] for layer in self.targets[index]])
        parts = {
            "content": config.content_weight * loss_content,
            "style": config.style_weight * style / len(config.style_scales),
            "tv": config.tv_weight * total_variation(output),
            "steady": config.steady_weight * steady,
        }
        return {"total": sum(parts.values()), **parts}

    def _generator(self) -> torch.Generator:
        """Randomness that depends on seed and step alone, so that a resumed run goes on as it would have."""
        return torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)

    def unsteadiness(self, painting: torch.Tensor, photos: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """How far ``painting`` (B, 3, S, S) is from that with noise in it (:mod:`training.steady`)."""
        with rounding_noise(self.network, self._generator()):
            return unsteadiness(painting, self.network(photos, weights).float())

    def same_window(self, *pictures: torch.Tensor) -> list[torch.Tensor]:
        """The same random square of ``window`` pixels out of each of ``pictures`` (B, 3, S, S).

        The network sees where the border of its input is (zero padding). Judged on the whole picture, it learns to
        lay out the painting's composition around that; judged on a window it cannot place, it has to paint alike
        everywhere.
        """
        generator = self._generator()
        free = self.config.crop - self.config.window
        top, left = torch.randint(free + 1, (2,), generator=generator).tolist()
        size = self.config.window
        return [picture[:, :, top : top + size, left : left + size] for picture in pictures]

    def train(self, progress: Progress | None = None) -> None:
        """Run to the end, writing checkpoint, curve and samples on the way."""
        config = self.config
        batches = PhotoBatches(
            self.train_photos, config.steps, config.batch, config.crop, len(config.styles), config.seed
        )
        loader = DataLoader(
            batches, batch_size=None, sampler=range(self.step, config.steps), num_workers=config.workers
        )
        self.network.train()
        task = (
            progress.add_task(f"{config.network}", total=config.steps, completed=self.step, loss="")
            if progress
            else None
        )
        started = time.monotonic() - self.seconds
        for batch in loader:
            if self.progress >= 1:
                break
            photos = batch.photos.to(self.device, memory_format=torch.channels_last)
            rate = config.learning_rate * min(1.0, (self.step + 1) / WARM_UP_STEPS)
            rate *= 0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * self.progress)).item())
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses = self.losses(photos, batch.styles.to(self.device))
            if not torch.isfinite(losses["total"]):
                raise BrushportError(f"The loss is no longer a number at step {self.step}; lower --learning-rate.")
            self.optimizer.zero_grad(set_to_none=True)
            losses["total"].backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
            self.optimizer.step()
            self.step, self.seconds = self.step + 1, time.monotonic() - started
            self.history.append([self.step, *(round(losses[name].item(), 6) for name in self.names)])
            if progress:
                progress.update(task, completed=self.step, loss=f"loss {self.history[-1][1]:.3f}")
            if self.step % config.checkpoint_every == 0:
                self.save()
        self.save()

    def save(self) -> None:
        """Write checkpoint, loss curve and samples; each appears whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "config": asdict(self.config),
        }
        with replacing(self.folder / "checkpoint.pt") as path:
            torch.save(state, path)
        with replacing(self.folder / "loss.csv") as path, path.open("w", newline="") as file:
            csv.writer(file).writerows([("step", *self.names), *self.history])
        with replacing(self.folder / "loss.png") as path:
            plot_losses(self.history, self.names, path)
        if len(self.samples):
            with replacing(self.folder / "samples.png") as path:
                save_image(self.sample_grid(), path)

    def sample_grid(self) -> torch.Tensor:
        """A row a photo: the photo, then its painting in every style. (3, rows·S, columns·S), [0, 1]."""
        count, cells = len(self.config.styles), []
        self.network.eval()
        with torch.no_grad():
            for photo in self.samples:
                batch = photo.to(self.device).expand(count, -1, -1, -1)
                cells += [photo, *self.network(batch, torch.eye(count, device=self.device)).cpu().float()]
        self.network.train()
        return make_grid(torch.stack(cells), nrow=count + 1, padding=4, pad_value=1.0)

    def write_onnx(self) -> Path:
        """Write ``model.onnx`` into the run folder: dynamic height and width, styles named in its metadata."""
        from export.pytorch import to_onnx

        count = len(self.config.styles)
        network = self.network.to("cpu", memory_format=torch.contiguous_format).eval()
        path = self.folder / "model.onnx"
        to_onnx(
            network,
            path,
            (torch.rand(1, 3, SAMPLE_SIZE, SAMPLE_SIZE), torch.eye(count)[:1]),
            input_names=["image", "style"],
            output_names=["painting"],
            dynamic_size=True,
            metadata={
                "value_range": [0, 1],
                "styles": self.config.style_names,
                "network": self.config.network,
                "size_multiple": network.size_multiple,
                "default_size": DEFAULT_SIZE,
            },
        )
        return path


def plot_losses(history: list[list[float]], names: Sequence[str], path: Path) -> None:
    """Draw the losses called ``names`` over the steps, smoothed over about a hundredth of the run, as PNG."""
    import matplotlib.pyplot as plt
    import numpy as np

    rows = np.array(history, dtype=float).reshape(-1, 1 + len(names))
    window = max(1, len(rows) // 100)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for column, name in enumerate(names, start=1):
        smooth = np.convolve(rows[:, column], np.ones(window) / window, mode="valid")
        axes.plot(rows[window - 1 :, 0], smooth, label=name)
    axes.set(xlabel="step", ylabel="weighted loss", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=120, format="png")
    plt.close(figure)


def progress_bar() -> Progress:
    """The bar that :meth:`Trainer.train` moves."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
