"""From a hub to a smaller one that paints the same: pruned, distilled on photos, judged on others, written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx_ir as ir

from export.hub import Hub
from training.distill import Watch, distill
from training.hub_batches import HubBatches, Photos
from training.hub_network import HubNetwork
from training.likeness import Likeness, Score, compare
from training.prune import Pruned, Thinned, Work, prune_network
from validate.errors import BrushportError
from validate.files import replacing
from validate.onnx_files import read_metadata, read_model

MEASURED_BATCHES = 16  # of two crops each, on which channels are measured and layers are fitted
CROP = 256  # pixels of a side that distillation sees at a time
LATE = 0.4  # of the steps, the last ones, see crops of twice the side: a norm's statistics of a part are others
STEPS = 1600
BATCH = 1
LEARNING_RATE = 1.5e-3
CONTINUED_RATE = 1e-3  # for a student: 10,000 steps took the zoo's unet-half from SSIM 0.9474 to 0.9501


@dataclass(frozen=True)
class Shrunk:
    """A pruned hub: its graph, its work before and after, what became of each family of channels, its likeness.

    ``score`` is against the dense hub on ``judged`` photos that were not learned on, each in every style.
    """

    model: ir.Model
    macs_before: int
    macs_after: int
    thinned: tuple[Thinned, ...]
    steps: int
    score: Score
    judged: int


def prune_hub(
    hub: Hub,
    share: float,
    folder: Path,
    *,
    student: Hub | None = None,
    photos: Path | None = None,
    steps: int = STEPS,
    crop: int = CROP,
    batch: int = BATCH,
    learning_rate: float | None = None,
    seed: int = 0,
    checkpoint_every: int = 100,
    watch: Watch = lambda done, loss: None,
    report: Callable[[str], None] = lambda step: None,
) -> Shrunk:
    """Remove channels of ``hub`` until ``share`` of its multiply-accumulates are left, and distill for ``steps``.

    ``student`` is a hub that an earlier call gave: nothing is removed then, it learns on, from ``CONTINUED_RATE`` down.
    ``photos`` is a folder to learn on, scikit-image's own for None; a few of them are only judged by. ``folder`` keeps
    what an interrupted run needs: called again with the same settings, it goes on from there. The first steps see
    crops of ``crop`` pixels a side, the last ones (``LATE`` of them, all of a student's) of twice as many. ``report``
    is told each step as it begins, ``watch`` every step of distillation (:func:`training.distill.distill`). Raises
    :class:`BrushportError` for settings that do not fit, among them a folder of another run, and
    :class:`UnsupportedError` for a network that cannot be pruned so far, or trained.
    """
    if not 0 < share < 1:
        raise BrushportError(f"--prune {share:g} is to be the share of the work that is left, between 0 and 1.")
    if learning_rate is None:
        learning_rate = LEARNING_RATE if student is None else CONTINUED_RATE
    report("reading the network")
    dense = HubNetwork(hub.model).requires_grad_(True)
    likeness = Likeness(hub.outputs)
    known = Photos.of(photos, next((port.shape[2:] for port in hub.inputs if port.is_image), (1, 1)))
    late = LATE if student is None else 1
    settings = {
        "model": _digest(hub.model),
        "share": share,
        "photos": [str(photos), len(known.learned)],
        "steps": steps,
        "crop": [crop, late],
        "batch": batch,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    if student is not None:
        settings["student"] = _digest(student.model)
    start = folder / "start.onnx"
    facts = _facts(folder, settings)
    if facts is None:
        if student is None:
            measured = HubBatches(hub.inputs, known.learned, crop, 2, seed)
            samples = [measured(index) for index in range(MEASURED_BATCHES)]
            pruned = prune_network(dense, share, samples, likeness, report=report)
        else:
            pruned = _pruned_before(dense, hub, student, share)
        facts = {
            "settings": settings,
            "macs": [pruned.macs_before, pruned.macs_after],
            "thinned": [asdict(row) for row in pruned.thinned],
        }
        with replacing(start) as path:
            ir.save(pruned.network.to_model(), path)
        with replacing(folder / "facts.json") as path:
            path.write_text(json.dumps(facts, indent=1))
    network = HubNetwork(read_model(start))
    dense.requires_grad_(False)
    report(f"distilling, {steps} steps")
    unseen = 1 if student is None else 2  # a student does not begin with the crops that it began with before
    batches = HubBatches(hub.inputs, known.learned, crop, batch, seed + unseen, round(steps * (1 - late)), 2 * crop)
    distill(
        network,
        dense,
        batches,
        likeness,
        steps=steps,
        learning_rate=learning_rate,
        checkpoint=folder / "checkpoint.pt",
        every=checkpoint_every,
        watch=watch,
    )
    report("judging")
    score = compare(dense, network, hub.outputs, batches.whole(known.judged))
    model = network.to_model()
    if "default_size" in read_metadata(model):
        open_size(model)
    return Shrunk(
        model,
        *facts["macs"],
        tuple(Thinned(**row) for row in facts["thinned"]),
        steps,
        score,
        len(known.judged),
    )


def _pruned_before(dense: HubNetwork, hub: Hub, student: Hub, share: float) -> Pruned:
    """``student`` as pruning would give it, if it is one of ``hub``; raises :class:`BrushportError` if it is not."""
    ports = [[(port.name, port.shape) for port in (*one.inputs, *one.outputs)] for one in (hub, student)]
    if ports[0] != ports[1]:
        raise BrushportError(f"'{student.name}' takes and gives other tensors than '{hub.name}', so it is no student.")
    network = HubNetwork(student.model)
    before, after = Work(dense).total(), Work(network).total()
    if after > share * before:
        raise BrushportError(
            f"'{student.name}' has {after / before:.1%} of the work of '{hub.name}', more than --prune {share:g}; "
            "leave --student out to prune further."
        )
    return Pruned(network, before, after, ())


def open_size(model: ir.Model) -> None:
    """Let height and width of the model's pictures open again, as its file had them."""
    model_graph = model.graph
    for value in model_graph.inputs:
        if value.shape is not None and len(value.shape) == 4:
            value.shape = ir.Shape((*value.shape[:2], "height", "width"))
    for value in (*model_graph.outputs, *(value for node in model_graph for value in node.outputs)):
        if value.shape is not None and len(value.shape) == 4:
            value.shape = ir.Shape((*value.shape[:2], None, None)) if value in model_graph.outputs else None


def clear(folder: Path) -> None:
    """Remove what :func:`prune_hub` kept for going on."""
    for name in ("start.onnx", "facts.json", "checkpoint.pt"):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)


def _digest(model: ir.Model) -> str:
    return hashlib.sha256(ir.to_proto(model).SerializeToString(deterministic=True)).hexdigest()


def _facts(folder: Path, settings: dict) -> dict | None:
    path = folder / "facts.json"
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text())
        same = facts["settings"] == settings
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrushportError(f"'{path}' cannot be read; remove the folder {folder} to begin anew.") from error
    if not same:
        raise BrushportError(f"'{folder}' holds a run with other settings; remove it to begin anew.")
    return facts
