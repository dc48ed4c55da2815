"""Exported files, their manifests and the hub they came from, found on disk and run together."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from validate.compare import as_pictures, compare, feeds_for
from validate.errors import BrushportError
from validate.photos import default_photos, load_photos
from validate.report import Row
from validate.runners import OnnxRunner, Runner, open_artifact

ENDINGS = (".mlpackage", ".tflite")
DEFAULT_PHOTOS = 3
Line = list[tuple[str, np.ndarray]]


@dataclass
class Family:
    """A hub and the artifacts that were compiled from it, loaded."""

    reference: Runner
    members: list[tuple[Path, dict, Runner]]
    photos: list[np.ndarray]

    def __post_init__(self):
        self.feeds = list(feeds_for(self.reference.inputs, self.photos))

    def rows(self, floor: float | None) -> Iterator[Row]:
        """Each artifact's result against the hub."""
        for path, manifest, runner in self.members:
            result = compare(self.reference, runner, self.feeds)
            native = path.suffix != ".mlpackage" or platform.system() == "Darwin"
            precision = manifest["precision"]
            yield Row(path, precision, result, result.passes(precision, floor), native)

    def lines(self) -> Iterator[Line]:
        """For each style a line of labeled pictures: photo, hub, every artifact."""
        manifest, port = self.members[0][1], self.reference.outputs[0]
        for index, style in enumerate(manifest["styles"] or [""]):
            feed = self.feeds[index]
            expected = self.reference.run(feed)[port.name]
            line = [(f"{manifest['name']}: photo", self.photos[index % len(self.photos)] / 255.0)]
            line.append((f"hub {style}", as_pictures(expected, expected, port)[0]))
            for _, facts, runner in self.members:
                drawn = as_pictures(expected, runner.run(feed)[port.name], port)[1]
                line.append((f"{facts['target']} {facts['precision']}", drawn))
            yield line


def load_families(paths: list[Path], photos: Path | None, limit: int) -> Iterator[Family]:
    """Load ``paths`` hub by hub; ``photos`` is a folder of which ``limit`` are used, or None for bundled ones.

    Raises BrushportError for whatever is missing, damaged or does not belong together.
    """
    by_hub: dict[Path, list[tuple[Path, dict]]] = defaultdict(list)
    for path in paths:
        manifest = read_manifest(path)
        by_hub[find_hub(path, manifest)].append((path, manifest))
    for hub, group in by_hub.items():
        members = [(path, manifest, open_artifact(path)) for path, manifest in group]
        first = members[0][2]
        image = next((port for port in first.inputs if port.is_image), None)
        if image is None:
            raise BrushportError(f"'{hub}' takes no picture, so photos cannot verify it.")
        size = image.shape[2], image.shape[3]
        shown = load_photos(photos, size, limit) if photos else default_photos(DEFAULT_PHOTOS, size)
        yield Family(OnnxRunner(hub, first.inputs, first.outputs), members, shown)


def find_artifacts(given: list[Path]) -> list[Path]:
    """The artifacts among ``given`` and inside its folders, in order; raises BrushportError when there is none."""
    found = []
    for path in given:
        if path.suffix in ENDINGS:
            if not path.exists():
                raise BrushportError(f"The artifact '{path}' does not exist; check the path.")
            found.append(path)
        elif path.is_dir():
            found += sorted(inner for inner in path.iterdir() if inner.suffix in ENDINGS)
        else:
            raise BrushportError(f"'{path}' is neither an artifact (.mlpackage, .tflite) nor a folder of them.")
    if not found:
        raise BrushportError(f"There are no artifacts in '{given[0]}'; make one: python -m export --target coreml")
    return found


def read_manifest(path: Path) -> dict:
    """The manifest beside an artifact; raises BrushportError when it is missing or damaged."""
    manifest = path.with_suffix(".json")
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        return facts | {"precision": facts["precision"], "hub": facts["hub"]}
    except FileNotFoundError as error:
        raise BrushportError(f"'{path}' has no manifest {manifest.name} beside it; export it again.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrushportError(f"The manifest '{manifest}' is damaged; export the model again.") from error


def find_hub(path: Path, manifest: dict) -> Path:
    """The hub an artifact was compiled from, checked by its hash; raises BrushportError when it is another one."""
    hub = path.parent / manifest["hub"]["file"]
    if not hub.is_file():
        raise BrushportError(f"'{path}' needs its hub '{hub}' to be compared with; export the model again.")
    if hashlib.sha256(hub.read_bytes()).hexdigest() != manifest["hub"]["sha256"]:
        raise BrushportError(f"'{hub}' is not the hub that '{path.name}' came from; export the model again.")
    return hub
