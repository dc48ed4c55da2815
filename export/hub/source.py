"""From what a user types (a zoo name, an ONNX file, a training run) to a checked ONNX model in memory."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from validate.command import unknown
from validate.errors import BrushportError

ZOO_FOLDER = Path(__file__).resolve().parent.parent / "zoo"
RUN_MODEL = "model.onnx"
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".ckpt")
MAX_PROTOBUF_BYTES = 2**31 - 1  # protobuf's own limit on one message; larger models keep weights outside
MAX_MESSAGE = 240  # characters kept of an error that another library wrote


def zoo_names() -> tuple[str, ...]:
    """The names of the networks that come with Brushport, sorted."""
    return tuple(sorted(path.stem for path in ZOO_FOLDER.glob("*.onnx")))


def find_model(source: str | Path) -> tuple[Path, str]:
    """The ONNX file that ``source`` means, and the name that its artifacts get.

    ``source`` is a zoo name, an ONNX file, a training run's folder or a checkpoint inside one. Raises
    :class:`BrushportError`, for an unknown name with the nearest known one.
    """
    text = str(source)
    if isinstance(source, str) and text in zoo_names():
        return ZOO_FOLDER / f"{text}.onnx", text
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
    raise unknown("model", short(text), zoo_names(), "an ONNX file or a training run's folder")


def read_model(path: Path) -> ir.Model:
    """Read and check an ONNX file; its weights are in memory afterwards, also those kept in files beside it.

    Raises :class:`BrushportError` if the file is empty, truncated, no ONNX, too large or not valid ONNX.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise BrushportError(f"{path} is empty; export the ONNX file again.")
        if size > MAX_PROTOBUF_BYTES:
            raise BrushportError(
                f"{path} is {size / 2**30:.1f} GB and an ONNX file holds 2 GB at most; "
                "save it again with external data."
            )
        proto = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise BrushportError(f"Cannot read {path}: {error.strerror or error}.") from error
    except DecodeError as error:
        raise BrushportError(f"{path} is not an ONNX file, or it is cut short.") from error
    if not proto.HasField("graph") or not proto.graph.output or not proto.opset_import:
        raise BrushportError(f"{path} is not an ONNX file, or it is cut short: it holds no graph with outputs.")
    _check(path)
    try:
        model = ir.from_proto(proto)
        ir.external_data.set_base_dir(model.graph, path.parent)
        return ir.external_data.load_to_model(model)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise BrushportError(f"{path} cannot be read as a model: {short(error)}") from error


def short(error: object) -> str:
    """What another library reported, on one line and cut to a readable length."""
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _zoo_list() -> str:
    names = zoo_names()
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


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise BrushportError(f"{path} is not valid ONNX: {short(error)}.") from error
    except (ValueError, RuntimeError, OSError) as error:
        raise BrushportError(f"{path} cannot be checked as ONNX: {short(error)}.") from error
