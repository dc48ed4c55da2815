"""PyTorch to ONNX: the one door through which our own networks become hub files. Only training uses it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from validate.errors import BrushportError, short
from validate.onnx_files import METADATA_KEY
from validate.sessions import cpu_session

if TYPE_CHECKING:
    import torch

OPSET = 18  # the first with the operators' present form, and what both of PyTorch's exporters know
MAX_DIFFERENCE = 1e-3  # against PyTorch, of the outputs' largest magnitude; float32 through 50 layers stays below
SIZE_AXES = {2: "height", 3: "width"}


def to_onnx(
    module: torch.nn.Module,
    path: str | Path,
    example_inputs: Sequence[torch.Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_size: bool = True,
    metadata: dict | None = None,
) -> None:
    """Write ``module`` as one ONNX file and prove that ONNX Runtime computes what PyTorch does.

    ``example_inputs`` are float32 tensors on the CPU, pictures NCHW with batch 1; with ``dynamic_size`` the file
    takes pictures of any height and width, and is also compared at twice the example's height. ``metadata``, for
    example ``{"value_range": [0, 1], "styles": [...]}``, is what :func:`export.hub.load_hub` reads. The file is
    written under another name and renamed, so an interrupted export leaves none or the old one.

    Raises :class:`BrushportError` if PyTorch cannot export the module or the results differ by more than
    ``MAX_DIFFERENCE``.
    """
    path = Path(path)
    examples = tuple(example_inputs)
    was_training = module.training
    module.eval()
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            _export(module, draft, examples, list(input_names), list(output_names), dynamic_size)
            _finish(draft, dynamic_size, metadata or {})
            _verify(module, draft, examples, list(input_names))
            if dynamic_size:
                _verify(module, draft, tuple(_taller(x) for x in examples), list(input_names))
            os.replace(draft, path)
    except OSError as error:
        raise BrushportError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        module.train(was_training)


def _export(
    module: torch.nn.Module,
    path: Path,
    examples: tuple[torch.Tensor, ...],
    input_names: list[str],
    output_names: list[str],
    dynamic_size: bool,
) -> None:
    """Export with PyTorch's present exporter, whose graphs are cleaner, or else with the older one."""
    import torch

    names = {"input_names": input_names, "output_names": output_names, "opset_version": OPSET}
    any_size = dict.fromkeys(SIZE_AXES, torch.export.Dim.DYNAMIC)
    shapes = tuple(any_size if x.dim() == 4 else None for x in examples) if dynamic_size else None
    axes = {n: SIZE_AXES for n, x in zip(input_names, examples, strict=True) if x.dim() == 4} if dynamic_size else None
    with _quiet():
        try:
            torch.onnx.export(
                module, examples, path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **names
            )
            return
        except (RuntimeError, TypeError, ValueError, NotImplementedError, KeyError, ImportError):
            path.unlink(missing_ok=True)
        try:
            torch.onnx.export(module, examples, path, dynamo=False, dynamic_axes=axes, **names)
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            raise BrushportError(f"PyTorch cannot export {type(module).__name__} to ONNX: {short(error)}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress reports and deprecation notices from the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _finish(path: Path, dynamic_size: bool, metadata: dict) -> None:
    """Drop stack traces and other notes on the nodes, name the open dimensions, store ``metadata``."""
    model = ir.from_proto(onnx.load(path))
    ClearMetadataAndDocStringPass()(model)
    if dynamic_size:
        for value in model.graph.inputs:
            if len(value.shape) == 4:
                value.shape = ir.Shape([*list(value.shape)[:2], *SIZE_AXES.values()])
        for value in model.graph.outputs:  # PyTorch states these as formulas of its own symbols
            if value.shape is not None:
                value.shape = ir.Shape([d if isinstance(d, int) else None for d in value.shape])
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None
    model.metadata_props[METADATA_KEY] = json.dumps(metadata, ensure_ascii=False, sort_keys=True)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def _taller(x: torch.Tensor) -> torch.Tensor:
    """A picture twice as high, mirrored below; other inputs as they are."""
    import torch

    return torch.cat([x, x.flip(2)], dim=2) if x.dim() == 4 else x


def _verify(module: torch.nn.Module, path: Path, examples: tuple[torch.Tensor, ...], names: list[str]) -> None:
    """Raise :class:`BrushportError` if ONNX Runtime's outputs are not PyTorch's."""
    import onnxruntime
    import torch

    with torch.no_grad():
        expected = module(*examples)
    expected = [expected] if isinstance(expected, torch.Tensor) else list(expected)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = cpu_session(path, options)
        got = session.run(None, {name: x.numpy() for name, x in zip(names, examples, strict=True)})
    except Exception as error:  # onnxruntime raises its own classes, which derive from Exception alone
        raise BrushportError(
            f"ONNX Runtime cannot run the exported {type(module).__name__}: {short(error)}."
        ) from error
    for output, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        wanted = theirs.numpy()
        limit = MAX_DIFFERENCE * max(1.0, float(np.abs(wanted).max(initial=0)))
        difference = float(np.abs(mine - wanted).max(initial=0)) if mine.shape == wanted.shape else np.inf
        if not difference <= limit:
            raise BrushportError(
                f"The ONNX file of {type(module).__name__} does not compute what PyTorch does: output {output} differs "
                f"by {difference:.2g} at {'×'.join(str(d) for d in examples[0].shape)}, more than {limit:.2g}."
            )
