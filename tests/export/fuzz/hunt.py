"""Hunting: random graphs one after the other, and the smallest one that shows each fault."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.export.fuzz.builder import Graph
from tests.export.fuzz.graphs import graphs, op_types
from tests.export.fuzz.judge import REFUSED, Verdict, judge

SHRINKING = 20.0  # seconds for making a failing graph small


class _SmallEnough(BaseException):
    """Ends a run of Hypothesis that has been shrinking for long enough."""


@dataclass
class Fault:
    """The smallest graph that showed a fault."""

    graph: Graph
    verdict: Verdict

    @property
    def cost(self) -> tuple[int, int]:
        """What shrinking makes smaller: nodes, then bytes."""
        return len(self.graph.model.graph.node), self.graph.model.ByteSize()


@dataclass
class Hunt:
    """What a run found: how many graphs came to each outcome, which operators were refused, one fault at most."""

    outcomes: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, str] = field(default_factory=dict)
    invalid: str = ""
    fault: Fault | None = None


def hunt(
    target: str,
    number: int,
    start: int,
    ops: Sequence[str] | None = None,
    trace: Path | None = None,
    shrinking: float = SHRINKING,
) -> Hunt:
    """Judge ``number`` graphs drawn from the seed ``start``, or fewer where one shows a fault, which is shrunk.

    ``trace`` is a file to keep each graph in while it is judged, for the case that the process dies of it.
    """
    found = Hunt()
    deadline = 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:

        @seed(start)
        @settings(
            max_examples=number,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(graph=graphs(ops or op_types(target)))
        def check(graph: Graph) -> None:
            nonlocal deadline
            if found.fault and time.monotonic() > deadline:
                raise _SmallEnough
            if trace is not None:
                save(graph, trace)
            verdict = judge(graph, target, Path(folder))
            if found.fault is None:
                _count(found, graph, verdict)
            if verdict.broken:
                deadline = deadline or time.monotonic() + shrinking
                fault = Fault(graph, verdict)
                if found.fault is None or fault.cost < found.fault.cost:
                    found.fault = fault
                raise AssertionError(verdict.outcome)

        with contextlib.suppress(AssertionError, _SmallEnough):
            check()
    return found


MOVABLE = "movable"  # the key of a saved graph's metadata that names its movable constants


def save(graph: Graph, path: Path) -> None:
    """Write the graph to the ``.onnx`` file ``path``, and what it is fed to an ``.npz`` file beside it."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    onnx.helper.set_model_props(model, {MOVABLE: " ".join(sorted(graph.movable))})
    path.write_bytes(model.SerializeToString())
    np.savez(path.with_suffix(".npz"), **graph.feeds)


def load(path: Path) -> Graph:
    """The graph that :func:`save` wrote."""
    model = onnx.load(path)
    movable = next((prop.value.split() for prop in model.metadata_props if prop.key == MOVABLE), [])
    with np.load(path.with_suffix(".npz")) as feeds:
        return Graph(model, dict(feeds), frozenset(movable))


def _count(found: Hunt, graph: Graph, verdict: Verdict) -> None:
    found.outcomes[verdict.outcome] += 1
    found.operators.update({node.op_type for node in graph.model.graph.node})
    if verdict.outcome == REFUSED:
        named = verdict.op_type or "no operator named"
        found.refusals[named] += 1
        found.sentences.setdefault(named, verdict.reason)
    elif verdict.outcome == "invalid":
        found.invalid = verdict.reason
