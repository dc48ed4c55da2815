"""Exported files, their manifests and the hub they came from, found on disk and run together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from validate.compare import as_pictures, compare, feeds_for
from validate.errors import BrushportError
from validate.manifest import TARGETS, Entry, find_hub, read_entry
from validate.photos import default_photos, load_photos
from validate.report import Row
from validate.runners import OnnxRunner, Runner, open_artifact, runs_natively

DEFAULT_PHOTOS = 3
Line = list[tuple[str, np.ndarray]]


@dataclass
class Family:
    """A hub and the artifacts that were compiled from it, loaded."""

    reference: Runner
    members: list[tuple[Path, Entry, Runner]]
    photos: list[np.ndarray]

    def __post_init__(self):
        self.feeds = list(feeds_for(self.reference.inputs, self.photos))

    def rows(self, floor: float | None) -> Iterator[Row]:
        """Each artifact's result against the hub."""
        for path, entry, runner in self.members:
            result = compare(self.reference, runner, self.feeds)
            precision = entry["precision"]
            yield Row(path, precision, result, result.passes(precision, floor), runs_natively(path))

    def lines(self) -> Iterator[Line]:
        """For each style a line of labeled pictures: photo, hub, every artifact."""
        entry = self.members[0][1]
        port = next((port for port in self.reference.outputs if port.is_image), None)
        if port is None:
            raise BrushportError(f"'{entry['name']}' gives no picture to show; leave --picture out.")
        for index, style in enumerate(entry["styles"] or [""]):
            feed = self.feeds[index]
            expected = self.reference.run(feed)[port.name]
            line = [(f"{entry['name']}: photo", self.photos[index % len(self.photos)] / 255.0)]
            line.append((f"hub {style}", as_pictures(expected, expected, port)[0]))
            for _, facts, runner in self.members:
                drawn = as_pictures(expected, runner.run(feed)[port.name], port)[1]
                line.append((f"{facts['target']} {facts['precision']}", drawn))
            yield line


def load_families(paths: list[Path], photos: Path | None, limit: int) -> Iterator[Family]:
    """Load ``paths`` hub by hub; ``photos`` is a folder of which ``limit`` are used, or None for bundled ones.

    Raises BrushportError for whatever is missing, damaged or does not belong together.
    """
    by_hub: dict[Path, list[tuple[Path, Entry]]] = defaultdict(list)
    for path in paths:
        entry = read_entry(path)
        by_hub[find_hub(path, entry)].append((path, entry))
    for hub, group in by_hub.items():
        members = [(path, entry, open_artifact(path)) for path, entry in group]
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
        if path.suffix in TARGETS:
            if not path.exists():
                raise BrushportError(f"The artifact '{path}' does not exist; check the path.")
            found.append(path)
        elif path.is_dir():
            found += sorted(inner for inner in path.iterdir() if inner.suffix in TARGETS)
        else:
            raise BrushportError(f"'{path}' is neither an artifact (.mlpackage, .tflite) nor a folder of them.")
    if not found:
        raise BrushportError(f"There are no artifacts in '{given[0]}'; make one: python -m export --target coreml")
    return found
