"""A graph in ONNX Runtime and on a target: do they agree, as far as float32 lets them?"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from export.hub import Hub, load_hub
from export.targets import find_target
from tests.export.fuzz.builder import Graph
from validate.errors import BrushportError
from validate.runners import Tensors, TfliteRunner, open_artifact

MATCH, REFUSED, UNFIT, INVALID = "match", "refused", "unfit", "invalid"
WRONG, VAGUE, ERROR, CRASHED = BROKEN = ("wrong", "vague", "error", "crashed")
OUTCOMES = (MATCH, REFUSED, UNFIT, INVALID, *BROKEN)

LARGEST = 1e5  # magnitude of any value inside; beyond it float32 has no digits left to compare
STEP = 1e-5  # relative change of inputs and constants that tells how well a value is conditioned
RTOL, ATOL = 5e-4, 5e-5  # ATOL of the output's largest value
SPREAD = 4.0  # times what the changed inputs moved
JUMP = 0.01  # of the largest value: what moves further stands at a threshold, such as Round's
TRIES = 8  # changes that are tried before a difference counts
TIES = 120  # roundings that are tried at the end
ROUNDING = 2.0**-22  # relative: a float32 rounding or two


@dataclass(frozen=True)
class Verdict:
    """What became of a graph: one of ``OUTCOMES``, why, and the operator that a refusal names."""

    outcome: str
    reason: str = ""
    op_type: str = ""

    @property
    def broken(self) -> bool:
        """Whether this is a bug."""
        return self.outcome in BROKEN


def judge(graph: Graph, target: str, folder: Path) -> Verdict:
    """Compile ``graph`` to ``target`` in fp32 and compare; files are written to ``folder``.

    Raises nothing: what goes wrong is the verdict. *vague*: a refusal that names no operator of the graph.
    *unfit*: a value inside is not finite or too large to compare. *invalid*: not the compilers' concern, as the
    checker or ONNX Runtime does not take the graph.
    """
    try:
        onnx.checker.check_model(graph.model, full_check=True)
        reference = Reference(graph)
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        return Verdict(INVALID, " ".join(str(error).split())[:300])
    if not reference.fit:
        return Verdict(UNFIT)
    artifact = folder / f"graph{find_target(target).suffix}"
    try:
        hub = compile_graph(graph, target, artifact)
        results = run(graph, hub, artifact)
    except Refusal as refusal:
        op_type = named_operator(str(refusal), graph.model)
        return Verdict(REFUSED if op_type else VAGUE, str(refusal), op_type)
    except Exception:  # whatever is no refusal is a bug, a file that does not run too
        return Verdict(ERROR, traceback.format_exc(limit=-4).strip())
    reason = reference.compare(results)
    return Verdict(WRONG, reason) if reason else Verdict(MATCH)


class Refusal(Exception):  # noqa: N818 - what a compiler may well do
    """The sentence with which a graph was refused."""


def compile_graph(graph: Graph, target: str, artifact: Path) -> Hub:
    """Write the artifact; raises :class:`Refusal` with the compiler's sentence."""
    source = artifact.with_suffix(".onnx")
    source.write_bytes(graph.model.SerializeToString())
    try:
        hub = load_hub(source, tensors=True, check=False)  # what it would refuse is to be seen here
        find_target(target).compile(hub, artifact, precision="fp32", io="tensor")
    except BrushportError as error:
        raise Refusal(str(error)) from error
    return hub


def run(graph: Graph, hub: Hub, artifact: Path) -> Tensors:
    """What the artifact makes of the graph's feeds, by output."""
    runner = open_artifact(artifact, (hub.inputs, hub.outputs))
    results = runner.run({port.name: graph.feeds[port.name] for port in hub.inputs})
    if isinstance(runner, TfliteRunner):  # the runner would convert what the file has in another dtype
        held = {port.name: np.dtype(runner._results[port.name]["dtype"]) for port in hub.outputs}
        results = {name: value.astype(held[name], copy=False) for name, value in results.items()}
    return results


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The reference: no optimizations, which have mistakes of their own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _with_factors(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    """The model with every value named in ``shapes`` multiplied by an input ``NAME/factor`` as it is computed."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = list(made.graph.node)
    del made.graph.node[:]
    for node in nodes:
        made.graph.node.append(node)
        for index, name in enumerate(node.output):
            if name in shapes:
                made.graph.node[-1].output[index] = f"{name}/raw"
        for name in node.output:
            if name in shapes:
                factor = f"{name}/factor"
                made.graph.input.append(
                    onnx.helper.make_tensor_value_info(factor, onnx.TensorProto.FLOAT, shapes[name])
                )
                made.graph.node.append(onnx.helper.make_node("Mul", [f"{name}/raw", factor], [name]))
    return made


class Reference:
    """ONNX Runtime on the original graph, without optimizations, and how its values move with its inputs."""

    def __init__(self, graph: Graph):
        model = onnx.ModelProto()
        model.CopyFrom(graph.model)
        self._outputs = [value.name for value in model.graph.output]
        self._fixed, self._moving = {}, {}
        for name, value in graph.feeds.items():
            (self._moving if value.dtype == np.float32 else self._fixed)[name] = value
        for tensor in model.graph.initializer:
            if tensor.name in graph.movable:  # an initializer that is also an input may be fed
                value = onnx.numpy_helper.to_array(tensor)
                self._moving[tensor.name] = value
                model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, value.shape))
        shown = {*self._outputs, *self._moving, *self._fixed}
        inner = [name for node in model.graph.node for name in node.output if name and name not in shown]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
        self._model = model
        self._session = _session(model)
        found = self._session.run(None, self._moving | self._fixed)
        self._shapes = {  # of everything that is computed and rounded
            value.name: array.shape
            for value, array in zip(model.graph.output, found, strict=True)
            if array.dtype == np.float32
        }
        self._rounding: onnxruntime.InferenceSession | None = None
        self.fit = all(np.isfinite(v).all() and np.abs(v, dtype=np.float64).max(initial=0) < LARGEST for v in found)
        self.results: Tensors = dict(zip(self._outputs, found, strict=False))

    def compare(self, results: Tensors) -> str:
        """Why ``results`` are not the reference's, or nothing."""
        for name, want in self.results.items():
            got = results[name]
            if got.shape != want.shape:
                return f"{name} has shape {got.shape} instead of {want.shape}"
            if got.dtype != want.dtype:
                return f"{name} is {got.dtype} instead of {want.dtype}"
        movements = []
        for attempt in range(1, TRIES + 1):
            if not any(
                self._differs(results[name], want, name, movements).any() for name, want in self.results.items()
            ):
                return ""
            movements += self._moved(attempt) + self._rounded(attempt)
        for attempt in range(TRIES, TIES):  # equals among many: each one is the largest only now and then
            movements += self._rounded(attempt)
        for name, want in self.results.items():
            bad = self._differs(results[name], want, name, movements)
            if bad.any():
                place = tuple(int(i) for i in np.argwhere(bad)[0])
                return (
                    f"{name} differs in {np.count_nonzero(bad)} of {want.size} values: "
                    f"{results[name][place]} instead of {want[place]} at {list(place)}"
                )
        return ""

    def _moved(self, attempt: int) -> list[Tensors]:
        """The outputs after two opposite small changes of everything that is fed."""
        random, found = np.random.default_rng(attempt), []
        changes = {name: np.asarray(random.standard_normal(v.shape), np.float32) for name, v in self._moving.items()}
        for sign in (STEP, -STEP):
            moved = {
                name: np.asarray(v + np.float32(sign) * changes[name] * (np.abs(v) + np.float32(0.1)), np.float32)
                for name, v in self._moving.items()
            }
            found.append(dict(zip(self._outputs, self._session.run(self._outputs, moved | self._fixed), strict=True)))
        return found

    def _rounded(self, attempt: int) -> list[Tensors]:
        """The outputs when every value on the way is rounded otherwise: equal pixels of an enlarged picture are not."""
        if self._rounding is None:
            self._rounding = _session(_with_factors(self._model, self._shapes))
        random = np.random.default_rng(attempt)
        factors = {
            f"{name}/factor": np.asarray(1 + ROUNDING * random.standard_normal(shape), np.float32)
            for name, shape in self._shapes.items()
        }
        found = self._rounding.run(self._outputs, self._moving | self._fixed | factors)
        return [dict(zip(self._outputs, found, strict=True))]

    @staticmethod
    def _differs(got: np.ndarray, want: np.ndarray, name: str, movements: list[Tensors]) -> np.ndarray:
        if want.dtype != np.float32:
            stable = np.ones(want.shape, bool)
            for moved in movements:
                stable &= moved[name] == want
            return (got != want) & stable
        want64 = want.astype(np.float64)
        scale = float(np.abs(want64).max(initial=0))
        movement = np.zeros(want.shape)
        for moved in movements:
            movement = np.maximum(movement, np.abs(moved[name] - want64))
        usual = float(np.median(movement)) if movement.size else 0.0
        allowed = ATOL * scale + RTOL * np.abs(want64) + SPREAD * (movement + usual)
        with np.errstate(invalid="ignore"):
            far = ~(np.abs(got - want64) <= allowed)  # also where it is not a number
        return far & (movement <= JUMP * scale)


def named_operator(sentence: str, model: onnx.ModelProto) -> str:
    """The operator of the graph that a refusal names, or nothing."""
    present = {node.op_type for node in model.graph.node}
    return next((word for word in re.findall(r"\b[A-Z]\w+\b", sentence) if word in present), "")
