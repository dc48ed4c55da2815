"""Every registered lowering against ONNX Runtime, in float32, through the saved file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.coreml import compile_coreml
from export.coreml.registry import registered
from tests.export.coreml.cases import CASES
from tests.export.coreml.graphs import hub_of, model_of, run
from validate.coreml import CoreMLModel

OPS = sorted({op for op, _ in registered()})


@pytest.mark.parametrize("op", OPS)
def test_matches_onnx_runtime(op: str, tmp_path: Path) -> None:
    assert CASES.get(op), f"{op} is registered without a numeric case in tests/export/coreml/cases.py"
    model, feeds = model_of(CASES[op])
    expected = run(model, feeds)
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    results = CoreMLModel(tmp_path / "m.mlpackage").predict(feeds)
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        assert results[name].shape == value.shape, name
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


def test_no_case_without_a_lowering() -> None:
    assert set(CASES) == set(OPS)
