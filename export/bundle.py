"""Put a verified artifact and its manifest where an app of this repository reads them: its bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from validate.errors import BrushportError
from validate.files import replacing
from validate.manifest import manifest_path, read_entry

CHECKOUT = Path(__file__).resolve().parents[1]
# By the target whose files an app reads: the app's folder, and where in it they go.
APPS = {"tflite": ("android_demo", "app/src/main/assets"), "coreml": ("ios_demo", "Brushport/Model")}
DEFAULT_NETWORK = "unet"  # what --bundle takes where no model is named: an app holds one


def bundle_folder(target: str) -> Path:
    """Where the app that reads ``target``'s files keeps them; raises BrushportError where there is no such app."""
    if target not in APPS:
        raise BrushportError(f"--bundle is for --target {' or '.join(APPS)}; no app here reads {target}.")
    app, inside = APPS[target]
    for root in (Path.cwd(), CHECKOUT):
        if (root / app).is_dir():
            return root / app / inside
    raise BrushportError(f"There is no {app}/ here to bundle into; run the command in a checkout of Brushport.")


def bundle(artifact: Path, folder: Path) -> tuple[Path, Path]:
    """Copy ``artifact`` and its manifest into ``folder``; the pair that was there goes. Returns where they are now.

    The manifest keeps its entry for this artifact only. Raises BrushportError, and changes nothing, when the artifact
    was not verified or is not the file that its manifest describes.
    """
    entry = read_entry(artifact)
    if entry.get("verified") is not True:
        raise BrushportError(
            f"'{artifact}' was not compared with its hub, so no app gets it; export it without --no-verify."
        )
    described = manifest_path(artifact)
    facts = json.loads(described.read_text(encoding="utf-8"))
    facts["artifacts"] = {entry["target"]: entry}
    earlier = [path for ending in (artifact.suffix, ".json") for path in folder.glob(f"*{ending}")]
    with replacing(folder / artifact.name) as model:
        if artifact.is_dir():
            shutil.copytree(artifact, model)
        else:
            shutil.copyfile(artifact, model)
    with replacing(folder / described.name) as manifest:
        manifest.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pair = folder / artifact.name, folder / described.name
    for path in earlier:
        if path not in pair and path.is_dir():
            shutil.rmtree(path)
        elif path not in pair:
            path.unlink()
    return pair
