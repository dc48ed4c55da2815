"""Opening a saved ``.mlpackage``: its manifest, its model description, its weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validate.coreml.tools import load_coremltools
from validate.errors import BrushportError, UnsupportedError

_BLOB_SENTINEL = 0xDEADBEEF
_BLOB_METADATA = struct.Struct("<IIQQ")
"""What precedes each tensor in ``weight.bin``: sentinel, element type, bytes, offset (MILBlob's blob_metadata)."""


@dataclass(frozen=True)
class Package:
    """``spec`` is the ``Model`` protobuf of a checked ``.mlpackage``; ``weights`` its folder of weight files."""

    path: Path
    spec: Any
    weights: Path

    def load_program(self, shapes: dict[str, tuple[int, ...]] | None = None) -> Any:
        """The MIL function that ``predict`` runs, its inputs fixed to ``shapes`` where they are flexible.

        Raises :class:`BrushportError` when coremltools cannot read the program.
        """
        load_coremltools()
        from coremltools.converters.mil.frontend.milproto import load

        program = type(self.spec.mlProgram)()
        program.CopyFrom(self.spec.mlProgram)
        name = self.spec.description.defaultFunctionName or "main"
        if name not in program.functions:
            raise BrushportError(f"{self.path} has no function {name!r} to run; export it again.")
        for other in [other for other in program.functions if other != name]:
            del program.functions[other]
        _fix_shapes(program.functions[name], shapes or {})
        try:
            version = self.spec.specificationVersion
            loaded = load.load_mil_proto(program, version, str(self.weights))
        except Exception as error:  # coremltools raises whatever its type inference trips over
            reason = " ".join(str(error).split())[:300]
            raise BrushportError(f"{self.path}: coremltools cannot read its program ({reason}).") from error
        return loaded.functions[name]


def _fix_shapes(function: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    for value in function.inputs:
        shape = shapes.get(value.name)
        if shape is None:
            continue
        for dim, size in zip(value.type.tensorType.dimensions, shape, strict=True):
            dim.constant.size = int(size)


def open_package(path: str | Path) -> Package:
    """Read and check the ``.mlpackage`` at ``path``.

    Raises :class:`BrushportError` when it is missing, is no package, or is damaged, and
    :class:`UnsupportedError` when it holds something else than an ML Program.
    """
    path = Path(path)
    if not path.exists():
        raise BrushportError(f"{path} does not exist; give the folder of a saved .mlpackage.")
    if not path.is_dir():
        raise BrushportError(f"{path} is a file, but an .mlpackage is a folder; give one that holds Manifest.json.")
    model, weights = _manifest_items(path)
    spec = _read_spec(path, model)
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise UnsupportedError(
            f"{path} holds a Core ML model of type {kind}, but only an ML Program can be run here; convert it with "
            "minimum_deployment_target iOS15 or later."
        )
    if spec.description.state:
        raise UnsupportedError(f"{path} keeps state between predictions, which cannot be run here.")
    _check_weights(path, spec.mlProgram, weights)
    return Package(path, spec, weights)


def _manifest_items(path: Path) -> tuple[Path, Path]:
    """The model description file and the folder of weights that the package's manifest lists."""
    manifest = path / "Manifest.json"
    if not manifest.is_file():
        raise BrushportError(f"{path} is not an .mlpackage: it has no Manifest.json.")
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        items = content["itemInfoEntries"]
        model = path / "Data" / items[content["rootModelIdentifier"]]["path"]
        weights = [path / "Data" / item["path"] for item in items.values() if item.get("name") == "weights"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrushportError(f"{manifest} is damaged ({error}); export the model again.") from error
    return model, weights[0] if weights else model.parent / "weights"


def _read_spec(path: Path, model: Path) -> Any:
    load_coremltools()
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError

    spec = Model_pb2.Model()
    try:
        content = model.read_bytes()
        spec.ParseFromString(content)
    except OSError as error:
        raise BrushportError(f"{path} is incomplete: its model description {model.name} cannot be read.") from error
    except DecodeError as error:
        raise BrushportError(f"{path} is damaged: {model.name} is no Core ML model; export it again.") from error
    if spec.WhichOneof("Type") is None:
        raise BrushportError(f"{path} is damaged: {model.name} holds no model; export it again.")
    return spec


def _blobs(block: Any) -> Iterator[tuple[str, int]]:
    """File name and offset of every weight that a MIL block, blocks inside it included, refers to."""
    for op in block.operations:
        values = [op.attributes[key] for key in op.attributes]
        for key in op.inputs:
            values.extend(binding.value for binding in op.inputs[key].arguments if binding.HasField("value"))
        for value in values:
            if value.WhichOneof("value") == "blobFileValue":
                yield value.blobFileValue.fileName.split("/")[-1], value.blobFileValue.offset
        for inner in op.blocks:
            yield from _blobs(inner)


def _check_weights(path: Path, program: Any, folder: Path) -> None:
    """Make sure that every tensor the program refers to lies whole in its file; coremltools would crash."""
    wanted: dict[str, set[int]] = {}
    for function in program.functions.values():
        for block in function.block_specializations.values():
            for name, offset in _blobs(block):
                wanted.setdefault(name, set()).add(offset)
    for name, offsets in wanted.items():
        file = folder / name
        if not file.is_file():
            raise BrushportError(f"{path} is incomplete: its weights {name} are missing; export it again.")
        size = file.stat().st_size
        with file.open("rb") as stream:
            for offset in offsets:
                stream.seek(offset)
                header = stream.read(_BLOB_METADATA.size)
                if len(header) < _BLOB_METADATA.size:
                    raise BrushportError(f"{path} is damaged: its weights {name} are cut short; export it again.")
                sentinel, _, length, start = _BLOB_METADATA.unpack(header)
                if sentinel != _BLOB_SENTINEL or start + length > size:
                    raise BrushportError(f"{path} is damaged: its weights {name} are cut short; export it again.")
