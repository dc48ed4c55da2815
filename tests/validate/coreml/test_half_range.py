"""The executor says which operator leaves the range of fp16, and how far it goes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.validate.coreml.programs import builder, save
from validate.coreml import CoreMLModel


def model_of(path, body):
    mb = builder()

    @mb.program(input_specs=[mb.TensorSpec((1, 2, 64, 64))])
    def program(x):
        return body(mb, x)

    return CoreMLModel(save(program, path / "m.mlpackage"), engine="onnxruntime")


def x_of(size):
    return {"x": np.random.default_rng(0).normal(0, size, (1, 2, 64, 64)).astype(np.float32)}


def test_the_operator_where_it_happens_is_named(tmp_path):
    def body(mb, x):
        large = mb.mul(x=mb.tanh(x=x), y=np.float32(3e4), name="gained")
        return mb.mul(x=mb.mul(x=large, y=np.float32(4), name="too_much"), y=np.float32(1e-5), name="y")

    model = model_of(tmp_path, body)
    (beyond,) = model.half_range(x_of(3.0))
    assert "too_much" in beyond.name
    assert (beyond.op_type, beyond.what) == ("mul", "value")
    assert beyond.peak == pytest.approx(1.2e5, rel=0.01)
    assert "65504" in str(beyond)
    assert model.half_range(x_of(0.1)) == []  # tanh(0.5) * 1.2e5 is within


def test_a_norm_may_overflow_while_it_adds(tmp_path):
    model = model_of(tmp_path, lambda mb, x: mb.instance_norm(x=x, epsilon=np.float32(1e-5), name="y"))
    (beyond,) = model.half_range(x_of(5.0))
    assert (beyond.op_type, beyond.what) == ("instance_norm", "sum of squares")
    x = x_of(5.0)["x"].astype(np.float16).astype(np.float32)
    assert beyond.peak == pytest.approx(np.square(x).sum(axis=(2, 3)).max(), rel=1e-3)
    assert model.half_range(x_of(3.0)) == []


def test_float32_programs_have_nothing_to_fear(tmp_path):
    mb = builder()

    @mb.program(input_specs=[mb.TensorSpec((1, 4))])
    def program(x):
        return mb.mul(x=x, y=np.float32(1e6), name="y")

    model = CoreMLModel(save(program, tmp_path / "m.mlpackage", "fp32"), engine="onnxruntime")
    assert model.half_range({"x": np.ones((1, 4), np.float32)}) == []
