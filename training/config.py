"""Everything that defines a run; saved as ``config.json`` in its folder."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from validate.errors import BrushportError
from validate.files import replacing


@dataclass
class Config:
    """The settings of a training run. Paths are strings so that the file is plain JSON.

    ``style_names`` are by default those of the files in ``styles``.
    """

    styles: list[str]
    content: str
    network: str = "unet"
    style_names: list[str] = field(default_factory=list)
    vgg: str = "vgg16"
    encoder_weights: str = "torchvision"
    start: str | None = None
    steps: int = 20_000
    minutes: float | None = None
    batch: int = 4
    crop: int = 288
    window: int = 208
    style_size: int = 384
    style_scales: list[float] = field(default_factory=lambda: [1.0, 0.5])
    content_weight: float = 1.0
    style_weight: float = 10.0
    tv_weight: float = 1.0
    steady_weight: float = 0.0
    learning_rate: float = 1e-3
    seed: int = 0
    workers: int = 1
    threads: int | None = None
    amp: bool | None = None
    checkpoint_every: int = 200
    samples: int = 4

    def __post_init__(self):
        self.style_names = self.style_names or [Path(style).stem for style in self.styles]

    def save(self, folder: Path) -> None:
        """Write ``config.json`` into ``folder``."""
        with replacing(folder / "config.json") as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Config":
        """The settings in ``folder``; raises BrushportError when it is no run."""
        try:
            stored = json.loads((folder / "config.json").read_text())
            return cls(**{f.name: stored[f.name] for f in fields(cls) if f.name in stored})
        except (OSError, ValueError, TypeError) as error:
            raise BrushportError(f"'{folder}' is no training run: it has no readable config.json.") from error
