"""One case on one target: load, compile, run, compare."""

from __future__ import annotations

import re
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir

from export.hub import load_hub
from export.hub.folding import fold_constants
from export.hub.opset import standardize
from export.hub.precision import to_float32
from export.targets import find_target
from tests.export.backend.cases import BackendCase
from validate.errors import BrushportError
from validate.onnx_files import read_model
from validate.runners import TfliteRunner, open_artifact

MATCH, FOLDS, REFUSED, WRONG, ERROR, CRASHED = OUTCOMES = ("match", "folds", "refused", "wrong", "error", "crashed")
BROKEN = (WRONG, ERROR, CRASHED)

ATOL = 1e-5  # float32 sums in another order; onnx's own 1e-7 is for numpy against itself
SHORT_FLOATS = ("float16", "bfloat16")  # which the artifact holds in float32: what comes out is rounded to them


@dataclass(frozen=True)
class Verdict:
    """What became of a case: one of ``OUTCOMES``, why, and whether a refusal fails to name an operator."""

    outcome: str
    reason: str = ""
    vague: bool = False


def judge(case: BackendCase, target: str) -> Verdict:
    """Compile ``case`` to ``target`` in fp32 and run it."""
    try:
        with tempfile.TemporaryDirectory(prefix="backend") as folder:
            results = _results(case, target, Path(folder))
        outcome = MATCH if case.feeds else FOLDS
        reason = compare(results, case.expected, case.rtol, max(case.atol, ATOL))
        return Verdict(WRONG, reason) if reason else Verdict(outcome)
    except BrushportError as error:
        return Verdict(REFUSED, str(error), vague=not names_operator(str(error), case.model))
    except Exception:  # whatever is no sentence of ours is a bug to be reported
        return Verdict(ERROR, traceback.format_exc(limit=-4).strip())


def _results(case: BackendCase, target: str, folder: Path) -> dict[str, np.ndarray]:
    source = folder / "case.onnx"
    source.write_bytes(case.model)
    if not case.feeds:
        return folded(source)
    hub = load_hub(source, tensors=True, check=False)  # what it would refuse is to be seen here
    artifact = folder / f"case{find_target(target).suffix}"
    find_target(target).compile(hub, artifact, precision="fp32", io="tensor")
    try:
        runner = open_artifact(artifact, (hub.inputs, hub.outputs))
        results = runner.run({port.name: case.feeds[port.name] for port in hub.inputs})
    except BrushportError as error:
        raise RuntimeError(f"it compiles, and the file does not run: {error}") from error
    if isinstance(runner, TfliteRunner):  # the runner would convert what the file has in another dtype
        for port in hub.outputs:
            held = np.dtype(runner._results[port.name]["dtype"])
            if held != port.dtype:
                return results | {port.name: results[port.name].astype(held)}
    return results


def folded(source: Path) -> dict[str, np.ndarray]:
    """The outputs of a model without inputs, as the hub's constant folding has them."""
    model = standardize(read_model(source))
    to_float32(model)
    fold_constants(model)
    results = {}
    for value in model.graph.outputs:
        held = ir.convenience.get_const_tensor(value)
        if held is None:
            node = value.producer()
            raise BrushportError(f"Node '{node.name}' ({node.op_type}) has only constant inputs and is not folded.")
        results[value.name] = held.numpy()
    return results


def compare(results: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float, atol: float) -> str:
    """Why ``results`` are not ``expected``, or nothing; other floats are expected as float32."""
    for name, want in expected.items():
        got = results[name]
        short = want.dtype.name in SHORT_FLOATS
        dtype = np.dtype(np.float32) if short or want.dtype == np.float64 else want.dtype
        if got.shape != want.shape:
            return f"{name} has shape {got.shape} instead of {want.shape}"
        if got.dtype != dtype:
            return f"{name} is {got.dtype} instead of {dtype}"
        if dtype != np.float32:
            if not np.array_equal(got, want):
                return f"{name} differs in {np.count_nonzero(got != want)} of {want.size} values: {_first(got, want)}"
            continue
        if short:
            step = 2 * float(ml_dtypes.finfo(want.dtype).eps)
            rtol, atol = max(rtol, step), max(atol, step)
            got = got.astype(want.dtype).astype(np.float32)
        close = np.isclose(got, want.astype(np.float32), rtol=rtol, atol=atol, equal_nan=True)
        if not close.all():
            return f"{name} differs in {np.count_nonzero(~close)} of {want.size} values: {_first(got, want, ~close)}"
    return ""


def _first(got: np.ndarray, want: np.ndarray, where: np.ndarray | None = None) -> str:
    place = tuple(int(i) for i in np.argwhere(got != want if where is None else where)[0])
    return f"{got[place]} instead of {want[place]} at {list(place)}"


def names_operator(sentence: str, model: bytes) -> bool:
    """Whether a refusal names an operator of the model."""
    nodes = onnx.ModelProto.FromString(model).graph.node
    return any(re.search(rf"\b{node.op_type}\b", sentence) for node in nodes)
