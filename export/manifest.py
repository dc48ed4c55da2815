"""The manifest: the small file beside each artifact that says what it is and what was measured.

The apps read it. Its static half also goes into the artifact's own metadata.
"""

from __future__ import annotations

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

from export.hub import Hub
from export.hub.source import ZOO_FOLDER
from export.targets import Target
from validate.compare import Comparison
from validate.ports import PORTS_KEY, Port, ports_to_json

FORMAT = 1
TOOLS = ("coremltools", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
MANIFEST_KEY = "brushport_manifest"


def hub_file_name(hub: Hub) -> str:
    """What the hub is called beside its artifacts: ``NAME-HxW.onnx``, or ``NAME.onnx`` when it takes no picture."""
    sizes = [f"-{port.shape[2]}x{port.shape[3]}" for port in hub.inputs if port.is_image]
    return f"{hub.name}{sizes[0] if sizes else ''}.onnx"


def static_facts(hub: Hub, hub_bytes: bytes, target: Target, precision: str, io: str) -> dict:
    """What is known before anything is compiled: name, source, tools, inputs and outputs, styles."""
    source = Path(hub.source)
    return {
        "format": FORMAT,
        "name": hub.name,
        "target": target.name,
        "precision": precision,
        "source": {"file": source.name, "sha256": sha256(source)},
        "hub": {"file": hub_file_name(hub), "sha256": hashlib.sha256(hub_bytes).hexdigest()},
        "tools": {"brushport": version("brushport"), **{tool: version(tool) for tool in TOOLS}},
        "inputs": [describe(port, target, io) for port in hub.inputs],
        "outputs": [describe(port, target, io) for port in hub.outputs],
        "styles": list(hub.styles),
        "card": card_of(source),
        "notes": list(hub.notes),
    }


def describe(port: Port, target: Target, io: str) -> dict:
    """One input or output as the artifact has it: name, shape, layout, dtype, color order and value range."""
    layout = target.layout if len(port.shape) == 4 else None
    shape = list(port.shape)
    if layout == "NHWC":
        shape = [shape[0], *shape[2:], shape[1]]
    as_image = port.is_image and io == "image"
    return {
        "name": port.name,
        "kind": "image" if port.is_image else "weights" if port.name == "style" else "tensor",
        "shape": shape,
        "layout": layout,
        "dtype": target.image_dtype if as_image else "float32",
        "color": port.color,
        "range": [0, 255] if as_image else list(port.value_range) if port.is_image else None,
    }


def embedded(hub: Hub, facts: dict) -> dict[str, str]:
    """The metadata that the artifact itself carries: its ports in hub terms, the static facts, what Xcode shows."""
    card = facts["card"] or {}
    paints = f", paints in {len(hub.styles)} styles ({', '.join(hub.styles)})" if hub.styles else ""
    return {
        PORTS_KEY: ports_to_json(hub.inputs, hub.outputs),
        MANIFEST_KEY: json.dumps(facts),
        "description": card.get("description", f"{hub.name}{paints}."),
        "author": card.get("author", ""),
        "license": card.get("license", ""),
        "version": f"{hub.name} {facts['source']['sha256'][:12]}, by Brushport {facts['tools']['brushport']}",
    }


def card_of(source: Path) -> dict | None:
    """The card of a network of the zoo (artists, data, licenses), None for any other model."""
    card = source.with_suffix(".json")
    if source.parent != ZOO_FOLDER or not card.is_file():
        return None
    return json.loads(card.read_text(encoding="utf-8"))


def measured_facts(artifact: Path, comparison: Comparison | None, floor: float, target: Target) -> dict:
    """What is known afterwards: size, quality against the hub, latency and memory on this machine."""
    facts: dict = {"file": artifact.name, "bytes": size_of(artifact), "verified": comparison is not None}
    if comparison is None:
        return facts
    facts["quality"] = {
        "reference": "the hub, by ONNX Runtime",
        "ssim": rounded(comparison.mean_ssim, 5),
        "ssim_worst": rounded(min(comparison.ssim), 5) if comparison.ssim else None,
        "psnr_db": rounded(comparison.mean_psnr, 2),
        "runs": len(comparison.psnr),
        "floor_ssim": floor,
    }
    if runs_natively(target):
        facts["cost"] = {
            "latency_ms": rounded(comparison.latency, 1),
            "memory_mb": rounded((comparison.memory or 0) / 2**20, 1),
            "machine": f"{platform.system()} {platform.machine()}, 2 threads",
        }
    return facts


def runs_natively(target: Target) -> bool:
    """Whether this machine runs the artifact itself, so that its milliseconds mean something."""
    return target.name != "coreml" or platform.system() == "Darwin"


def rounded(value: float | None, digits: int) -> float | None:
    """``value`` with so many digits; None when it is None or infinite, which JSON cannot say."""
    return None if value is None or value in (float("inf"), float("-inf")) else round(value, digits)


def size_of(artifact: Path) -> int:
    """Bytes of a file, or of all files in a package."""
    files = [artifact] if artifact.is_file() else [path for path in artifact.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def version(package: str) -> str:
    """The installed version of ``package``; ``"uninstalled"`` when it runs from a checkout."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "uninstalled"
