"""Every registered operator against PyTorch or NumPy, alone in a program; the registry makes the list."""

from __future__ import annotations

import numpy as np
import pytest

from tests.validate.coreml.operator_cases import CASES, SHAPE
from tests.validate.coreml.programs import builder, save
from validate.coreml import CoreMLModel, supported_ops
from validate.coreml.tools import load_coremltools


def _saved_ops(path):
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model()
    spec.ParseFromString(next(path.rglob("model.mlmodel")).read_bytes())
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    return {op.type for op in block.operations}


@pytest.mark.parametrize("name", supported_ops())
def test_operator(name, tmp_path):
    assert name in CASES, f"operator {name} is registered and has no test"
    build, expected, *target = CASES[name]
    target = target[0] if target else "iOS16"
    mb, ct = builder(), load_coremltools()

    @mb.program(input_specs=[mb.TensorSpec(SHAPE)], opset_version=ct.target[target])
    def program(x):
        return build(mb, x)

    path = save(program, tmp_path / "m.mlpackage", "fp32", target, ct.PassPipeline.EMPTY)
    assert name in _saved_ops(path), f"coremltools left {name} out of the program"
    x = np.random.default_rng(3).uniform(-2, 2, SHAPE).astype(np.float32)
    model = CoreMLModel(path, engine="onnxruntime")
    results = model.predict({"x": x})
    wanted = expected(x)
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for feature, value in zip(model.outputs, wanted, strict=True):
        assert results[feature.name].shape == value.shape
        np.testing.assert_allclose(results[feature.name], value, rtol=2e-5, atol=2e-5)
