"""A file that paints tiles of a larger photo: what its manifest says, and how far a pixel can be seen.

With the statistics of the whole photo given (:mod:`export.tflite.statistics`, :mod:`export.coreml.statistics`), what a
pixel becomes depends on its surroundings only. Tiles that overlap by twice that reach, cut in the middle, are the whole
photo's painting.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from export.blocks import BLOCK
from export.hub import Hub
from export.photos import image_size
from export.tflite import compile_tflite
from validate.errors import BrushportError
from validate.photos import photo_samples
from validate.ports import GIVEN, MEASURED, STATISTICS, Port
from validate.runners import Tensors, TfliteRunner

STEP = 8  # halos are multiples of it, as tiles start at multiples of the network's stride
LEAST_CORE = 128  # pixels a side that a tile paints, less is a waste
# What the plan of an int8 file for tiles is to keep: tiles round otherwise than one look, which is to show less.
INT8_AIM = 0.992
VISIBLE = 0.5 / 255  # a change below half a step of 8 bits does not show


def describe_tiles(facts: dict, layers: list[dict[str, int]], size: tuple[int, int], layout: str) -> None:
    """Adds to ``facts`` the ports for statistics and ``tiles``: their names, the block's side and the layers.

    ``layout`` is how the target's arrays of four dimensions lie, ``NHWC`` or ``NCHW``.
    Each layer has ``channels``, ``moments`` (1: means; 2: means, then variances) and ``level``, how many passes over
    the photo it takes until its statistics are known.
    """
    count = sum(layer["channels"] * layer["moments"] for layer in layers)
    if not count:
        facts["tiles"] = {"layers": []}
        return
    port = {"kind": "statistics", "layout": layout, "dtype": "float32", "color": None, "range": None}

    def shaped(name: str, height: int, width: int) -> dict:
        lengths = {"N": 1, "C": count, "H": height, "W": width}
        return {"name": name, "shape": [lengths[axis] for axis in layout], **port}

    facts["inputs"] += [shaped(name, 1, 1) for name in (STATISTICS, GIVEN)]
    facts["outputs"].append(shaped(MEASURED, size[0] // BLOCK, size[1] // BLOCK))
    facts["tiles"] = {"statistics": STATISTICS, "given": GIVEN, "measured": MEASURED, "block": BLOCK, "layers": layers}


def measure_halo(hub: Hub, photos: list[np.ndarray]) -> int:
    """How many pixels around a tile it must see to paint itself as within the whole photo, a multiple of ``STEP``.

    The network, compiled in float, is run with the statistics of a photo (uint8 HxWx3), then with half of the photo
    exchanged, from each side and in every style: as far as that shows, a tile must see. What rounds at run time looks
    at the largest value of the whole tile, which is noise here and no reach. Raises BrushportError where the statistics
    do not paint the photo's own painting.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        layers = compile_tflite(hub, path, precision="fp32", io="tensor", tiles=True)
        return _measure(path, hub, layers, photos)


def _measure(path: Path, hub: Hub, layers: list[dict[str, int]], photos: list[np.ndarray]) -> int:
    height, width = image_size(hub)
    count = sum(layer["channels"] * layer["moments"] for layer in layers)
    beyond = [Port(name, (1, count, 1, 1)) for name in ((STATISTICS, GIVEN) if count else ())]
    measured = [Port(MEASURED, (1, count, height // BLOCK, width // BLOCK))] if count else []
    runner = TfliteRunner(path, ((*hub.inputs, *beyond), (*hub.outputs, *measured)))
    picture = next(port for port in hub.inputs if port.is_image).name
    painting = next(port for port in hub.outputs if port.is_image)
    black, white = painting.value_range

    def paint(feed: Tensors, statistics: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        own = np.zeros((1, count, 1, 1), np.float32)
        given = {STATISTICS: own, GIVEN: own} if statistics is None else {STATISTICS: statistics, GIVEN: own + 1}
        result = runner.run(feed | (given if count else {}))
        return (result[painting.name][0] - black) / (white - black), result.get(MEASURED)

    halo = 0
    for feed in photo_samples((photos * (1 + len(hub.styles)))[: max(len(photos), len(hub.styles))], hub.inputs):
        own, found = paint(feed, None)
        statistics = None if found is None else found.mean(axis=(2, 3), keepdims=True)
        whole, _ = paint(feed, statistics)
        if np.abs(whole - own).mean() > VISIBLE:
            raise BrushportError(
                f"'{hub.name}' paints another picture when given its own statistics; leave --tiles out."
            )
        for axis in (2, 3):
            half = feed[picture].shape[axis] // 2
            for side in (slice(half), slice(half, None)):
                index = (slice(None),) * axis + (side,)
                changed = feed[picture].copy()
                changed[index] = np.flip(feed[picture], axis=(2, 3))[index]
                seen = np.abs(paint(feed | {picture: changed}, statistics)[0] - whole).max(axis=(0, 4 - axis))
                halo = max(halo, _reach(seen, half, changed_first=side.start is None))
    return halo


def set_halo(facts: dict, halo: int, size: tuple[int, int]) -> None:
    """Writes ``tiles.halo`` into ``facts``, or None with a note where it leaves too little of tiles of ``size``."""
    fits = halo <= min(size) // 2 - LEAST_CORE // 2
    facts["tiles"]["halo"] = halo if fits else None
    if not fits:
        note = f"It sees {halo} pixels around each, too many for tiles of {size[0]}x{size[1]}: apps paint no larger."
        facts["notes"] = [*facts["notes"], f"{note} A larger --size leaves room."]


def _reach(seen: np.ndarray, half: int, changed_first: bool) -> int:
    """How far beyond the middle a change shows in ``seen``, the largest difference in each line."""
    unchanged = seen[half:] if changed_first else seen[:half][::-1]
    lines = np.flatnonzero(unchanged > VISIBLE)
    return 0 if not lines.size else -(-int(lines[-1] + 1) // STEP) * STEP
