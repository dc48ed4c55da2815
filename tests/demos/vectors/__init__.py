"""Data that both apps and Python must agree on: ``python -m tests.demos.vectors`` writes it, all three read it.

What an app computes is worked out here a second time, by plain numpy and from what it is to mean rather than from how
an app goes about it: the statistics of a photo from the whole photo, a stream by zlib itself. Each file is a list of
cases, one a line.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from validate.device_report import pattern

FOLDER = Path(__file__).parent
STEP = 8  # what tiles start at multiples of
Case = dict[str, object]


def grids() -> Iterator[Case]:
    """Where tiles begin along a line, where they meet, and how many lines of each block they answer for."""
    for length, side, halo, step in (
        (1, 64, 16, 8), (63, 64, 16, 8), (64, 64, 16, 8), (65, 64, 16, 8), (100, 64, 24, 8), (129, 64, 16, 16),
        (300, 128, 32, 8), (500, 96, 32, 32), (900, 512, 64, 32), (4032, 512, 64, 32), (3024, 512, 192, 8),
    ):  # fmt: skip
        starts, cuts = layout(length, side, halo)
        lines = np.arange(length)
        shares = [
            [int(np.sum((lines[begin:end] - start) // step == block)) for block in range(side // step)]
            for start, begin, end in zip(starts, cuts, cuts[1:], strict=False)
        ]
        case = {"length": length, "side": side, "halo": halo, "step": step, "starts": starts, "cuts": cuts}
        yield case | {"block": step, "shares": shares}


def layout(length: int, side: int, halo: int) -> tuple[list[int], list[int]]:
    """Where tiles of ``side`` pixels begin along a line, and where each but the last ends: the next one sees better."""
    whole = -(-length // STEP) * STEP  # the line goes on, mirrored, up to here
    starts = [0]
    while starts[-1] + side < whole:
        starts.append(min(starts[-1] + side - 2 * halo, whole - side))
    owner = np.zeros(length, int)  # the tile that answers for each pixel: the first that sees it well enough
    for tile, start in reversed(list(enumerate(starts))):
        owner[start : length if tile == len(starts) - 1 else start + side - halo] = tile
    return starts, [*(int(np.flatnonzero(owner == tile)[0]) for tile in range(len(starts))), length]


def mirrors() -> Iterator[Case]:
    """What a mirror at each end of a line shows beyond it."""
    for length in (1, 2, 3, 8):
        line = np.pad(np.arange(length), (0, 20), mode="reflect") if length > 1 else np.zeros(21, int)
        yield {"length": length, "shown": line[: length + 20].tolist()}


def moments() -> Iterator[Case]:
    """What tiles measure of a photo, and means and variances of the whole photo."""
    rng = np.random.default_rng(11)
    block, side = 8, 48
    for height, width, channels in ((48, 48, 1), (80, 112, 2)):
        photo = np.cumsum(rng.standard_normal((height, width, channels)), axis=1) + 40 * np.arange(1, channels + 1)
        count = 2 * channels
        rows, columns = (
            [(start, *_own(start, side, length)) for start in _starts(side, length)] for length in (height, width)
        )
        tiles = []
        for top, *down in rows:
            for left, *across in columns:
                tile = photo[top : top + side, left : left + side]
                seconds = (tile - tile.mean(axis=(0, 1))) ** 2
                blocks = [
                    part.reshape(side // block, block, side // block, block, channels).mean(axis=(1, 3))
                    for part in (tile, seconds)
                ]
                measured = np.concatenate(blocks, axis=2).astype(np.float32)
                places = np.arange(side // block)
                yield_down, yield_across = (
                    [int(max(0, min(end, (n + 1) * block) - max(begin, n * block))) for n in places]
                    for begin, end in (down, across)
                )
                tiles.append({"measured": _plain(measured), "down": yield_down, "across": yield_across})
        expected = np.concatenate([photo.mean(axis=(0, 1)), photo.var(axis=(0, 1))])
        yield {
            "channels": channels, "blocks": [side // block, side // block, count], "tiles": tiles,
            "statistics": _plain(expected),
        }  # fmt: skip


def _starts(side: int, length: int) -> list[int]:
    """Tiles that overlap by two blocks of 8, the last one where the line ends."""
    return sorted({*range(0, max(1, length - side), side - 32), max(0, length - side)})


def _own(start: int, side: int, length: int) -> tuple[int, int]:
    """From where to where, within it, the tile at ``start`` answers: it leaves 16 lines to a neighbor."""
    before = [one for one in _starts(side, length) if one < start]
    begin = before[-1] + side - 16 - start if before else 0
    return begin, side if start + side >= length else side - 16


def strengths() -> Iterator[Case]:
    """The photo laid over by the painting: bytes, rounded to the nearest in steps of 1/256."""
    rng = np.random.default_rng(5)
    photo, painting = rng.integers(0, 256, (2, 24), np.int64)
    photo[:4], painting[:4] = (0, 255, 0, 255), (255, 0, 0, 255)
    for strength in (-1.0, 0.0, 0.001, 0.25, 0.3, 0.5, 0.77, 0.999, 1.0, 2.0):
        share = np.floor(np.clip(np.float32(strength), 0, 1) * np.float32(256)) / 256
        blended = np.floor(photo + share * (painting - photo) + 0.5).astype(int)
        yield {"strength": strength, "photo": _plain(photo), "painting": _plain(painting), "blended": _plain(blended)}


def brushes() -> Iterator[Case]:
    """The weights that a brush of one style, or of two, gives a model of some styles."""
    for count, first, second, mix in (
        (1, 0, None, 0.5), (4, 2, None, 0.9), (4, 0, 3, 0.25), (4, 3, 1, 0.5), (4, 1, 2, 0.0), (4, 1, 2, 1.0),
    ):  # fmt: skip
        weights = np.zeros(count, np.float32)
        weights[first] = 1
        if second is not None:
            weights = (1 - np.float32(mix)) * weights + np.float32(mix) * np.eye(count, dtype=np.float32)[second]
        case = {"count": count, "first": first, "second": -1 if second is None else second, "mix": mix}
        yield case | {"weights": _plain(weights)}


def benchmarks() -> Iterator[Case]:
    """Medians, and what 90 % of the runs do not exceed."""
    rng = np.random.default_rng(3)
    for count in (1, 2, 3, 4, 7, 10, 30):
        times = np.round(rng.gamma(3, 9, count), 3)
        percentiles = {"median": float(np.median(times)), "p90": float(np.percentile(times, 90))}
        yield {"milliseconds": _plain(times)} | percentiles


def patterns() -> Iterator[Case]:
    """The picture that every device paints: its RGB bytes, or their Adler-32 where they are many."""
    for width, height in ((1, 1), (5, 3), (64, 48), (256, 320)):
        content = pattern(width, height).tobytes()
        case = {"width": width, "height": height, "adler32": zlib.adler32(content)}
        yield case | ({"rgb": list(content)} if len(content) < 64 else {})


def ranges() -> Iterator[Case]:
    """Bytes in a port's range of values, and values back as bytes, rounded and clipped."""
    rgb = [0, 1, 127, 128, 254, 255, 10, 20, 30, 200, 100, 50]
    for black, white in ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (-2.5, 2.25)):
        values = black + (white - black) / 255 * np.array(rgb, np.float64)
        odd = np.array([-1e9, black - 0.3, black, black + (white - black) * 0.501, white + 5, 1e9])
        back = np.clip(np.floor((odd - black) * 255 / (white - black) + 0.5), 0, 255).astype(int)
        case = {"range": [black, white], "rgb": rgb, "values": _plain(values.astype(np.float32))}
        yield case | {"odd": _plain(odd), "clipped": _plain(back)}


def streams() -> Iterator[Case]:
    """Bytes, and zlib's stream of them: stored in one block of DEFLATE, which is the same whoever packs them."""
    for content in (b"", b"\xff\x00\x01", b"painting " * 9, bytes(n % 251 | 4 for n in range(20000))):
        length = len(content).to_bytes(2, "little")
        deflated = b"\1" + length + bytes(byte ^ 255 for byte in length) + content
        checksum = zlib.adler32(content)
        case = {"count": len(content), "adler32": checksum}
        if len(content) < 100:
            stream = b"\x78\xda" + deflated + checksum.to_bytes(4, "big")
            case |= {"content": _plain(np.frombuffer(content, np.uint8).astype(int)), "deflated": list(deflated)}
            case |= {"stream": list(stream)}
        yield case


FILES = {
    "grids": grids, "mirrors": mirrors, "moments": moments, "strengths": strengths, "brushes": brushes,
    "benchmarks": benchmarks, "patterns": patterns, "ranges": ranges, "streams": streams,
}  # fmt: skip


def text(name: str) -> str:
    """What file ``name`` holds."""
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in FILES[name]())
    return f"[\n{lines}\n]\n"


def _plain(values: np.ndarray) -> list:
    """Numbers for JSON, rounded to what float32 can tell apart."""
    flat = np.asarray(values).ravel()
    return flat.tolist() if flat.dtype.kind == "i" else [float(f"{value:.8g}") for value in flat]
