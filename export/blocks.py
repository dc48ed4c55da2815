"""Blocks of a picture over which files for tiles measure, the same on every target.

A block of ``BLOCK`` x ``BLOCK`` pixels is one number of a plane's ``measured`` statistics. Deeper planes are smaller:
there a block is what those pixels became. It is averaged a few lines at a time, which keeps rounding small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from validate.errors import UnsupportedError

BLOCK = 32  # pixels a side; a multiple of every network's total stride so far, and 2.8 MB a tile for the U-Net
WINDOW = 8  # lines averaged at a time, see export.tflite.ops.plane


def blocks_of(height: int, width: int) -> tuple[int, int]:
    """How many blocks a picture has, down and across; raises UnsupportedError where they do not divide it."""
    if height % BLOCK or width % BLOCK:
        raise UnsupportedError(
            f"A file for tiles needs a size that {BLOCK} divides, not {height}x{width}; give another --size."
        )
    return height // BLOCK, width // BLOCK


def windows(pictures: int, plane: Sequence[int], blocks: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Windows (down, across) that average a ``plane`` of ``pictures`` to ``blocks``, one after the other.

    Raises UnsupportedError where blocks do not divide the plane, or there is more than one picture.
    """
    if pictures != 1 or any(lines % count for lines, count in zip(plane, blocks, strict=True)):
        raise UnsupportedError(
            f"A file for tiles needs planes that {blocks[0]}x{blocks[1]} blocks divide, not {pictures} of "
            f"{plane[0]}x{plane[1]}; export without --tiles, or at another --size."
        )
    left = [lines // count for lines, count in zip(plane, blocks, strict=True)]
    while left != [1, 1]:
        window = _window(left[0]), _window(left[1])
        left = [lines // size for lines, size in zip(left, window, strict=True)]
        yield window


def _window(lines: int) -> int:
    """The largest divisor of ``lines`` up to ``WINDOW``; a prime beyond it is averaged at once."""
    return max((k for k in range(2, WINDOW + 1) if lines % k == 0), default=lines)
