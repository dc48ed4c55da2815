"""From what a user types (a zoo name, an ONNX file, a training run) to the ONNX file that it means."""

from __future__ import annotations

from pathlib import Path

from validate.command import unknown
from validate.errors import BrushportError, short

ZOO_FOLDER = Path(__file__).resolve().parent.parent / "zoo"
PRUNED = "pruned"  # the folder in it of networks that were made from its own and are not exported unless named
RUN_MODEL = "model.onnx"
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".ckpt")


def zoo_names() -> tuple[str, ...]:
    """The names of the networks that come with Brushport, sorted."""
    return tuple(sorted(path.stem for path in ZOO_FOLDER.glob("*.onnx")))


def pruned_names() -> tuple[str, ...]:
    """The names of the smaller networks that were pruned from these, sorted."""
    return tuple(sorted(path.stem for path in (ZOO_FOLDER / PRUNED).glob("*.onnx")))


def _zoo_files() -> dict[str, Path]:
    """The file of each name, those that come with Brushport first."""
    files = {name: ZOO_FOLDER / f"{name}.onnx" for name in zoo_names()}
    return files | {name: ZOO_FOLDER / PRUNED / f"{name}.onnx" for name in pruned_names()}


def find_model(source: str | Path) -> tuple[Path, str]:
    """The ONNX file that ``source`` means, and the name that its artifacts get.

    ``source`` is a zoo name (that of a pruned one, too), an ONNX file, a training run's folder or a checkpoint inside
    one. Raises :class:`BrushportError`, for an unknown name with the nearest known one.
    """
    text = str(source)
    if isinstance(source, str) and text in _zoo_files():
        return _zoo_files()[text], text
    path = Path(source)
    try:
        if path.is_dir():
            return _model_of_run(path), path.resolve().name
        if path.is_file():
            if path.suffix.lower() in CHECKPOINT_SUFFIXES:
                return _model_of_checkpoint(path)
            return path, path.stem
        exists = path.exists()
    except OSError as error:
        raise BrushportError(f"Cannot read {short(text)}: {error.strerror or error}.") from error
    except ValueError as error:  # a null byte in the name
        raise BrushportError(f"{text!r} is not a file name.") from error
    if exists:
        raise BrushportError(f"{text} is neither a file nor a folder; give an ONNX file.")
    if path.suffix or len(path.parts) > 1:
        raise BrushportError(f"There is no file {text}; give an ONNX file, a training run or {_zoo_list()}.")
    raise unknown("model", short(text), tuple(_zoo_files()), "an ONNX file or a training run's folder")


def _zoo_list() -> str:
    names = _zoo_files()
    return f"one of the zoo's names ({', '.join(names)})" if names else "a zoo name"


def _model_of_run(folder: Path) -> Path:
    model = folder / RUN_MODEL
    if not model.is_file():
        raise BrushportError(f"The folder {folder} holds no {RUN_MODEL}, which a finished training run leaves in it.")
    return model


def _model_of_checkpoint(checkpoint: Path) -> tuple[Path, str]:
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        if (folder / RUN_MODEL).is_file():
            return folder / RUN_MODEL, folder.resolve().name
    raise BrushportError(
        f"{checkpoint} is a checkpoint of a run that has no {RUN_MODEL} yet; resume the training to its end first."
    )
