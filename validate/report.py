"""The proof as people read it: a table, a JSON file and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.markup import escape
from rich.table import Table

from validate.compare import Comparison
from validate.files import replacing

GAP, LABEL_HEIGHT, FONT_SIZE = 6, 26, 16


@dataclass(frozen=True)
class Row:
    """One artifact's result."""

    path: Path
    precision: str
    comparison: Comparison
    passed: bool
    native: bool

    def facts(self) -> dict:
        """The row as plain numbers, for JSON."""
        result = self.comparison
        return {
            "file": str(self.path),
            "precision": self.precision,
            "ssim": result.mean_ssim,
            "psnr_db": result.mean_psnr,
            "outputs": {name: {"ssim": one.ssim, "psnr_db": one.psnr} for name, one in result.outputs.items()},
            "latency_ms": result.latency if self.native else None,
            "memory_mb": (result.memory or 0) / 2**20 if self.native else None,
            "passed": self.passed,
        }


def table(rows: Sequence[Row]) -> Table:
    """The rows as a Rich table."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column, justify in (("file", "left"), *((name, "right") for name in ("SSIM", "worst", "PSNR dB", "ms", "MB"))):
        made.add_column(column, justify=justify, no_wrap=True)
    made.add_column("verdict")
    for row in rows:
        result = row.comparison
        made.add_row(
            escape(str(row.path)),
            *(f"{value:.4f}" if value is not None else "–" for value in (result.mean_ssim, result.worst_ssim)),
            f"{result.mean_psnr:.1f}",
            f"{result.latency:.0f}" if row.native and result.latency else "–",
            f"{(result.memory or 0) / 2**20:.0f}" if row.native else "–",
            "[green]same picture[/]" if row.passed else "[red]not the same picture[/]",
        )
    return made


def sayable(facts):
    """``facts`` with None for every infinite number and NaN, which JSON cannot say."""
    if isinstance(facts, dict):
        return {key: sayable(value) for key, value in facts.items()}
    if isinstance(facts, list):
        return [sayable(value) for value in facts]
    return None if isinstance(facts, float) and not np.isfinite(facts) else facts


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write the rows' numbers to ``path``."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(sayable([row.facts() for row in rows]), indent=2) + "\n")


def write_picture(lines: Sequence[Sequence[tuple[str, np.ndarray]]], path: Path, side: int = 256) -> None:
    """Write a PNG of labeled pictures (H×W×C, [0, 1]), a line each, every picture ``side`` pixels high."""
    font = ImageFont.load_default(FONT_SIZE)
    strips = []
    for line in lines:
        tiles = [(label, _tile(picture, side)) for label, picture in line]
        width = sum(tile.width + GAP for _, tile in tiles) - GAP
        strip = Image.new("RGB", (width, side + LABEL_HEIGHT), "white")
        draw, left = ImageDraw.Draw(strip), 0
        for label, tile in tiles:
            draw.text((left + 2, 3), label, fill="black", font=font)
            strip.paste(tile, (left, LABEL_HEIGHT))
            left += tile.width + GAP
        strips.append(strip)
    sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(s.height + GAP for s in strips) - GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    with replacing(path) as temporary:
        sheet.save(temporary)


def _tile(picture: np.ndarray, side: int) -> Image.Image:
    pixels = np.round(np.nan_to_num(picture) * 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3]).convert("RGB")
    return image.resize((max(1, round(image.width * side / image.height)), side), Image.Resampling.LANCZOS)
