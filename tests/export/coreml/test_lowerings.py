"""Every registered lowering against ONNX Runtime, in float32 and in fp16, through the saved file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.coreml import compile_coreml
from export.coreml.compile import SCALAR
from export.coreml.registry import registered
from tests.export.coreml.cases import CASES
from tests.export.coreml.graphs import hub_of, model_of, run
from validate.coreml import CoreMLModel

OPS = sorted({op for op, _ in registered()})


FP16_ERROR = 2e-3
"""Of the largest value; fp16 rounds by 5e-4 at most, several times in the longer lowerings."""

JUMPY = {
    "Ceil",
    "Floor",
    "Round",
    "QuantizeLinear",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "Equal",
}
"""Operators that jump where fp16's rounding crosses a threshold: compared in float32 only."""

BEYOND_FP16 = {"ReduceProd", "DequantizeLinear"}
"""Cases with values past 65504, and Q/DQ, which test_quantized.py compares in fp16."""


@pytest.mark.parametrize("op", OPS)
def test_matches_onnx_runtime(op: str, tmp_path: Path) -> None:
    assert CASES.get(op), f"{op} is registered without a numeric case in tests/export/coreml/cases.py"
    model, feeds = model_of(CASES[op])
    expected = run(model, feeds)
    compile_coreml(hub_of(model), tmp_path / "fp32.mlpackage", precision="fp32", io="tensor")
    results = CoreMLModel(tmp_path / "fp32.mlpackage").predict(feeds)
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        assert results[name].shape == (value.shape or SCALAR), name
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=2e-5, err_msg=name)
    if op in JUMPY | BEYOND_FP16:
        return
    compile_coreml(hub_of(model), tmp_path / "fp16.mlpackage", precision="fp16", io="tensor")
    results = CoreMLModel(tmp_path / "fp16.mlpackage").predict(feeds)
    for name, value in expected.items():
        tolerance = FP16_ERROR * np.abs(value).max()
        np.testing.assert_allclose(results[name], value, rtol=0, atol=tolerance, err_msg=f"{name} in fp16")


@pytest.mark.parametrize("op", OPS)
def test_matches_behind_a_transpose(op: str, tmp_path: Path) -> None:
    """The same where the inputs arrive with their axes in another order."""
    model, feeds = model_of(CASES[op], reorder=True)
    compile_coreml(hub_of(model), tmp_path / "turned.mlpackage", precision="fp32", io="tensor")
    results = CoreMLModel(tmp_path / "turned.mlpackage").predict(feeds)
    for name, value in run(model, feeds).items():
        assert results[name].shape == (value.shape or SCALAR), name
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


def test_no_case_without_a_lowering() -> None:
    assert set(CASES) == set(OPS)
