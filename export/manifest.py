"""What the manifest says of an artifact: its entry, made of what is known and what was measured.

The apps read it. Its static half also goes into the artifact's own metadata. See :mod:`validate.manifest`.
"""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from export.hub import Hub
from export.hub.source import ZOO_FOLDER
from export.targets import Target
from validate.compare import PSNR_FLOORS, SSIM_FLOORS, Comparison
from validate.files import sha256, size_of
from validate.ports import PORTS_KEY, STYLE, Port, ports_to_json
from validate.report import sayable
from validate.runners import runs_natively

TOOLS = ("coremltools", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
MANIFEST_KEY = "brushport_manifest"


def hub_file_name(hub: Hub, digest: str) -> str:
    """What the hub is called beside its artifacts: ``NAME-HxW-DIGEST.onnx``; another hub has another name."""
    sizes = [f"-{port.shape[2]}x{port.shape[3]}" for port in hub.inputs if port.is_image]
    return f"{hub.name}{sizes[0] if sizes else ''}-{digest[:8]}.onnx"


def static_facts(hub: Hub, digest: str, target: Target, precision: str, io: str) -> dict:
    """What is known before anything is compiled: name, source, tools, inputs and outputs, styles.

    ``digest`` is the SHA-256 of the hub as it is written.
    """
    source = Path(hub.source)
    names = target.port_names(hub)
    return {
        "name": hub.name,
        "target": target.name,
        "precision": precision,
        "source": {"file": source.name, "sha256": sha256(source)},
        "hub": {"file": hub_file_name(hub, digest), "sha256": digest},
        "tools": {"brushport": version("brushport"), **{tool: version(tool) for tool in TOOLS}},
        "inputs": [describe(port, names[port.name], target, io) for port in hub.inputs],
        "outputs": [describe(port, names[port.name], target, io) for port in hub.outputs],
        "styles": list(hub.styles),
        "card": card_of(source),
        "notes": list(hub.notes),
    }


def describe(port: Port, name: str, target: Target, io: str) -> dict:
    """One input or output as the artifact has it: ``name`` there, shape, layout, dtype, color order and value range."""
    layout = target.layout if len(port.shape) == 4 else None
    shape = list(port.shape or target.scalar)
    if layout == "NHWC":
        shape = [shape[0], *shape[2:], shape[1]]
    as_image = port.is_image and io == "image"
    return {
        "name": name,
        "kind": "image" if port.is_image else "weights" if port.name == STYLE else "tensor",
        "shape": shape,
        "layout": layout,
        "dtype": target.image_dtype if as_image else target.dtypes.get(port.dtype, port.dtype),
        "color": port.color,
        "range": [0, 255] if as_image else list(port.value_range) if port.is_image else None,
    }


def describe_in_integers(facts: dict, hub: Hub) -> None:
    """Corrects what ``facts`` say of the ports where ``hub`` rounds them: dtype, scale, zero point, and the range in
    whole numbers. ``real = scale * (number - zero_point)``.
    """
    beside = [next(iter(value.uses())).node for value in hub.model.graph.inputs if value.uses()]
    beside += [value.producer() for value in hub.model.graph.outputs]
    for node in beside:
        if node is None or node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        value = (node.inputs if node.op_type == "QuantizeLinear" else node.outputs)[0]
        scale, zero = (tensor.const_value.numpy().item() for tensor in node.inputs[1:3])
        dtype = node.inputs[2].dtype.numpy()
        limits = np.iinfo(dtype)
        for entry in (*facts["inputs"], *facts["outputs"]):
            if entry["name"] == value.name:
                entry |= {"dtype": dtype.name, "scale": scale, "zero_point": zero}
                if entry["range"] is not None:
                    bounds = [round(bound / scale) + zero for bound in entry["range"]]
                    entry["range"] = [min(max(bound, limits.min), limits.max) for bound in bounds]


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
    if ZOO_FOLDER not in source.parents or not card.is_file():
        return None
    return json.loads(card.read_text(encoding="utf-8"))


def measured_facts(artifact: Path, comparison: Comparison | None, floor: float | None, precision: str) -> dict:
    """What is known afterwards: size, hash, quality against the hub, latency and memory on this machine.

    ``floor`` is the SSIM asked for, None for the precision's own.
    """
    facts: dict = {"file": artifact.name, "bytes": size_of(artifact), "sha256": sha256(artifact)}
    facts["verified"] = comparison is not None
    if comparison is None:
        return facts
    by_ssim = comparison.mean_ssim is not None
    facts["quality"] = {
        "reference": "the hub, by ONNX Runtime",
        "ssim": rounded(comparison.mean_ssim, 5),
        "ssim_worst": rounded(comparison.worst_ssim, 5),
        "psnr_db": rounded(comparison.mean_psnr, 2),
        "runs": comparison.runs,
        "floor_ssim": (SSIM_FLOORS[precision] if floor is None else floor) if by_ssim else None,
        "floor_psnr_db": None if by_ssim else PSNR_FLOORS[precision],
    }
    if runs_natively(artifact):
        facts["cost"] = {
            "latency_ms": rounded(comparison.latency, 1),
            "memory_mb": rounded((comparison.memory or 0) / 2**20, 1),
            "machine": f"{platform.system()} {platform.machine()}, 2 threads",
        }
    return sayable(facts)


def rounded(value: float | None, digits: int) -> float | None:
    """``value`` with so many digits, None as it is."""
    return None if value is None else round(value, digits)


def version(package: str) -> str:
    """The installed version of ``package``; ``"uninstalled"`` when it runs from a checkout."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "uninstalled"
