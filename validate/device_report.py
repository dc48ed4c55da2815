"""What a phone measured, judged here: the report that an app's benchmark writes.

A report is JSON: ``{"brushport_device_report": 1, "model": {"file", "sha256", "name", "precision"}, "picture":
{"width", "height"}, "device": {…}, "runs": [{"processor", "used", "fallback", "threads", "loading_ms", "milliseconds":
[…], "memory_mb", "painting"}]}``. A painting is the picture's RGB bytes, deflated and in base 64, of :func:`pattern` in
the first style. It is compared with what the hub paints of the same pattern, so a report proves the device's picture,
not only its speed.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from validate.compare import Comparison, Likeness
from validate.errors import BrushportError
from validate.files import sha256
from validate.manifest import find_hub, read_entry
from validate.metrics import WINDOW, psnr, ssim
from validate.photos import photo_to_tensor, tensor_to_picture
from validate.ports import STYLE
from validate.runners import OnnxRunner, embedded_ports, metadata_of

FORMAT = 1
LONGEST = 8192  # pixels a side; what claims more is no report of a phone


@dataclass(frozen=True)
class DeviceRun:
    """One setting on one device: what was asked for, what ran instead and why, what it took, and the picture."""

    device: str
    processor: str
    used: str
    threads: int
    fallback: str | None
    loading: float
    milliseconds: list[float]
    megabytes: float
    comparison: Comparison
    passed: bool

    @property
    def setting(self) -> str:
        """The processor as a table shows it; Core ML does not say with how many threads."""
        return f"{self.used}, {self.threads} threads" if self.used == "cpu" and self.threads else self.used

    def facts(self) -> dict:
        """The run as plain numbers, for JSON."""
        return {
            "device": self.device,
            "processor": self.processor,
            "used": self.used,
            "threads": self.threads,
            "fallback": self.fallback,
            "loading_ms": self.loading,
            "latency_ms": float(np.median(self.milliseconds)),
            "latency_p90_ms": float(np.percentile(self.milliseconds, 90)),
            "memory_mb": self.megabytes,
            "ssim": self.comparison.mean_ssim,
            "psnr_db": self.comparison.mean_psnr,
            "passed": self.passed,
        }


def pattern(width: int, height: int) -> np.ndarray:
    """The picture that every device paints, uint8 HxWx3: whole numbers only, so that it is the same everywhere."""
    y, x = np.mgrid[:height, :width]
    wave = (x * x // 97 + y * y // 61) % 256
    red = (x * 255 // max(1, width - 1) + wave) // 2
    green = (y * 255 // max(1, height - 1) + 255 - wave) // 2
    blue = (x // 32 + y // 32) % 2 * 128 + wave // 2
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def read_device_report(path: Path, artifacts: list[Path], floor: float | None) -> list[DeviceRun]:
    """The runs of the report at ``path``, compared with the hub of that one of ``artifacts`` which the device ran.

    ``floor`` is the least SSIM, by default that of the artifact's precision. Raises BrushportError for a report that
    is damaged, and where the file that it speaks of is not among ``artifacts``.
    """
    report = _report(path)
    artifact = _artifact(path, report, artifacts)
    entry = read_entry(artifact)
    inputs, outputs = embedded_ports(metadata_of(artifact), artifact)
    picture = next(port for port in inputs if port.is_image)
    height, width = picture.shape[2:]
    if (report["picture"]["height"], report["picture"]["width"]) != (height, width):
        raise BrushportError(f"'{path}' is about pictures of another size than {artifact.name} takes; measure again.")
    feed = {picture.name: photo_to_tensor(pattern(width, height), picture)}
    feed |= {port.name: np.eye(port.shape[1], dtype=np.float32)[:1] for port in inputs if port.name == STYLE}
    painting = next(port for port in outputs if port.is_image)
    painted = OnnxRunner(find_hub(artifact, entry), inputs, outputs).run(feed)[painting.name]
    expected = np.round(tensor_to_picture(painted, painting) * 255) / np.float32(255)
    device = " ".join(str(report["device"].get(key, "")) for key in ("manufacturer", "model")).strip() or "device"
    runs = []
    for run in report["runs"]:
        got = _painting(run["painting"], height, width, path) / np.float32(255)
        likeness = Likeness([ssim(expected, got)] if min(height, width) >= WINDOW else [], [psnr(expected, got)])
        comparison = Comparison({painting.name: likeness}, float(np.median(run["milliseconds"])))
        runs.append(
            DeviceRun(
                device, run["processor"], run["used"], int(run["threads"]), run["fallback"], run["loading_ms"],
                run["milliseconds"], run["memory_mb"], comparison, comparison.passes(entry["precision"], floor),
            )
        )  # fmt: skip
    return runs


def device_table(runs: list[DeviceRun]) -> Table:
    """The runs as a Rich table."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    numbers = ("ms", "90 % within", "loading", "MB", "SSIM", "PSNR dB")
    for column in ("device", "processor", *numbers, "verdict"):
        made.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for run in runs:
        facts = run.facts()
        made.add_row(
            escape(run.device),
            run.setting if run.fallback is None else f"{run.setting} (not {run.processor})",
            f"{facts['latency_ms']:.1f}",
            f"{facts['latency_p90_ms']:.1f}",
            f"{run.loading:.0f}",
            f"{run.megabytes:.0f}",
            "–" if facts["ssim"] is None else f"{facts['ssim']:.4f}",
            f"{facts['psnr_db']:.1f}",
            "[green]same picture[/]" if run.passed else "[red]not the same picture[/]",
        )
    return made


def _report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrushportError(f"The device report '{path}' cannot be read: {error.strerror}.") from None
    except ValueError:
        raise BrushportError(f"'{path}' is no JSON; save the report in the app again.") from None
    found = report.get("brushport_device_report") if isinstance(report, dict) else None
    if found is None:
        raise BrushportError(f"'{path}' is no device report; the app's benchmark writes one.")
    if found != FORMAT:
        raise BrushportError(
            f"'{path}' is a device report of format {found}, not {FORMAT}; update Brushport or the app."
        )
    if not _is_whole(report):
        raise BrushportError(f"The device report '{path}' is damaged; save it in the app again.")
    return report


def _is_whole(report: dict[str, Any]) -> bool:
    model, picture, runs = report.get("model"), report.get("picture"), report.get("runs")
    if not (isinstance(model, dict) and isinstance(model.get("sha256"), str) and isinstance(model.get("file"), str)):
        return False
    if not isinstance(picture, dict) or not isinstance(report.get("device"), dict) or not isinstance(runs, list):
        return False
    sides = [picture.get(side) for side in ("width", "height")]
    return (
        all(isinstance(side, int) and 0 < side <= LONGEST for side in sides) and bool(runs) and all(map(_is_run, runs))
    )


def _is_run(run: Any) -> bool:
    if not isinstance(run, dict) or not all(isinstance(run.get(key), str) for key in ("processor", "used", "painting")):
        return False
    times = run.get("milliseconds")
    numbers = [run.get("threads"), run.get("loading_ms"), run.get("memory_mb")]
    return (
        isinstance(times, list)
        and bool(times)
        and all(_is_number(value) for value in (*times, *numbers))
        and isinstance(run.get("fallback"), str | None)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _painting(text: str, height: int, width: int, path: Path) -> np.ndarray:
    size = height * width * 3
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error):
        content = b""
    if len(content) != size:
        raise BrushportError(f"The device report '{path}' holds a damaged painting; save it in the app again.")
    return np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _artifact(path: Path, report: dict[str, Any], artifacts: list[Path]) -> Path:
    wanted = report["model"]["sha256"]
    for artifact in artifacts:
        if sha256(artifact) == wanted:
            return artifact
    raise BrushportError(
        f"'{path}' was measured with another '{report['model']['file']}' than any given; name the file that the app "
        "holds, with its hub beside it."
    )
