"""ONNX's own backend node tests as models that a phone can take: their parameters stored, their data fed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import onnx

from tests.export.backend.scope import DTYPES, OPERATORS, PARAMETERS

EXPANDED = "_expanded"  # in the name of a case whose operator is spelled out by ONNX's own definition of it


@dataclass(frozen=True)
class BackendCase:
    """One case: ``feeds`` go into the serialized ``model`` at run time, ``expected`` must come out."""

    name: str
    op_type: str
    model: bytes
    feeds: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    rtol: float
    atol: float


@dataclass
class Cases:
    """The cases to run, and how many others each operator has by the reason for leaving them out."""

    cases: list[BackendCase] = field(default_factory=list)
    outside: dict[str, Counter[str]] = field(default_factory=dict)


def collect(op_types: Collection[str] = OPERATORS) -> Cases:
    """The backend node tests of these operators; the variants ``_expanded`` count for the operator they expand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases compute with infinities
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    subjects = {case.name: case.model.graph.node[0] for case in found if EXPANDED not in case.name}
    collection = Cases()
    for case in found:
        subject = subjects.get(case.name.partition(EXPANDED)[0])
        if subject is None or subject.op_type not in op_types or subject.domain not in ("", "ai.onnx"):
            continue
        reason = _outside(case.model)
        if reason:
            collection.outside.setdefault(subject.op_type, Counter())[reason] += 1
        else:
            collection.cases.append(_prepare(case, subject))
    return collection


def _outside(model: onnx.ModelProto) -> str | None:
    """Why a case is outside the scope, or None: a port that is no tensor, or an input of another dtype."""
    for value in (*model.graph.input, *model.graph.output):
        if not value.type.HasField("tensor_type"):
            return value.type.WhichOneof("value").removesuffix("_type")
    for value in model.graph.input:
        name = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        name = {"float": "float32", "double": "float64"}.get(name, name)
        if name not in DTYPES:
            return name
    return None


def _prepare(case, subject: onnx.NodeProto) -> BackendCase:
    """The case with the subject's parameters stored in the model."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    given, expected = case.data_sets[0]
    values = {info.name: _array(value) for info, value in zip(model.graph.input, given, strict=True)}
    positions = PARAMETERS.get(subject.op_type, ((), ""))[0]
    frozen = {subject.input[i] for i in positions if i < len(subject.input) and subject.input[i]}
    kept = [info for info in model.graph.input if info.name not in frozen]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(values[name], name) for name in values if name in frozen
    )
    return BackendCase(
        case.name,
        subject.op_type,
        model.SerializeToString(),
        {name: value for name, value in values.items() if name not in frozen},
        {info.name: _array(value) for info, value in zip(model.graph.output, expected, strict=True)},
        case.rtol,
        case.atol,
    )


def _array(value: object) -> np.ndarray:
    """A stored value, which some cases keep as a TensorProto."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
