"""The manifest beside the artifacts: ``NAME-PRECISION.json``, with an entry for each target's file.

``{"format": 1, "name": …, "precision": …, "artifacts": {"coreml": {…}, "tflite": {…}}}``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from validate.compare import SSIM_FLOORS
from validate.errors import BrushportError
from validate.files import replacing, sha256

FORMAT = 1
TARGETS = {".mlpackage": "coreml", ".tflite": "tflite"}
Entry = dict[str, Any]


def manifest_path(artifact: Path) -> Path:
    """Where the manifest of ``artifact`` is: beside it, ending in ``.json``."""
    return artifact.parent / f"{artifact.stem}.json"


def write_entry(artifact: Path, entry: Entry) -> Path:
    """Write ``artifact``'s entry; the entry of the other target's file of the same name is kept while that is there."""
    path = manifest_path(artifact)
    kept = {}
    for target, other in _entries(path).items():
        if isinstance(other, dict) and (path.parent / str(other.get("file"))).exists():
            kept[target] = other
    kept[TARGETS[artifact.suffix]] = entry
    whole = {"format": FORMAT, "name": entry["name"], "precision": entry["precision"], "artifacts": kept}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_entry(artifact: Path) -> Entry:
    """``artifact``'s entry, checked to be this very file's.

    Raises BrushportError when the manifest is missing, damaged, or of another file.
    """
    path = manifest_path(artifact)
    if not path.is_file():
        raise BrushportError(f"'{artifact}' has no manifest {path.name} beside it; export it again.")
    entry = _entries(path).get(TARGETS[artifact.suffix])
    if not _is_whole(entry):
        raise BrushportError(f"The manifest '{path}' says nothing sound about {artifact.name}; export it again.")
    if entry["sha256"] != sha256(artifact):
        raise BrushportError(f"'{artifact}' is not the file that its manifest {path.name} describes; export it again.")
    return entry


def find_hub(artifact: Path, entry: Entry) -> Path:
    """The hub an artifact was compiled from, checked by its hash; raises BrushportError when it is not there."""
    hub = artifact.parent / Path(entry["hub"]["file"]).name
    if not hub.is_file():
        raise BrushportError(f"'{artifact}' needs its hub '{hub}' to be compared with; export the model again.")
    if sha256(hub) != entry["hub"]["sha256"]:
        raise BrushportError(f"'{hub}' is not the hub that '{artifact.name}' came from; export the model again.")
    return hub


def _entries(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["artifacts"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _is_whole(entry: Any) -> bool:
    """Whether an entry has what reading it relies on."""
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("name", "target", "precision", "sha256"))
        and entry["precision"] in SSIM_FLOORS
        and isinstance(entry.get("styles"), list)
        and isinstance(entry.get("hub"), dict)
        and all(isinstance(entry["hub"].get(key), str) for key in ("file", "sha256"))
    )
