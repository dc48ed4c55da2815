"""fp16 programs lose precision and overflow where a device would; no optimizer may undo that."""

from __future__ import annotations

import numpy as np
import pytest

from tests.validate.coreml.programs import builder, save
from validate.coreml import CoreMLModel


def _program(body):
    mb = builder()

    @mb.program(input_specs=[mb.TensorSpec((1, 4, 8, 8))])
    def program(x):
        return body(mb, x)

    return program


def _input():
    return np.random.default_rng(0).uniform(0.1, 1.0, (1, 4, 8, 8)).astype(np.float32)


def test_every_step_is_rounded(tmp_path):
    """A chain of seven operators, against the same chain rounded step by step in numpy."""

    def body(mb, x):
        y = mb.mul(x=x, y=mb.exp(x=x))
        y = mb.add(x=y, y=mb.sqrt(x=y))
        return mb.sub(x=mb.add(x=mb.tanh(x=y), y=y), y=x, name="y")

    x = _input()
    h = x.astype(np.float16)

    def through(value):
        return value.astype(np.float16).astype(np.float32)

    x16 = h.astype(np.float32)
    y = through(x16 * through(np.exp(x16)))
    y = through(y + through(np.sqrt(y)))
    y = through(through(through(np.tanh(y)) + y) - x16)
    model = CoreMLModel(save(_program(body), tmp_path / "m.mlpackage"), engine="onnxruntime")
    result = model.predict({"x": x})["y"]
    steps = np.abs(result - y) / np.spacing(np.abs(y).astype(np.float16)).astype(np.float32)
    assert (steps == 0).mean() > 0.95  # exp and tanh may differ in the last float32 bit, rarely across a tie
    assert steps.max() <= 1
    exact = CoreMLModel(tmp_path / "m.mlpackage", engine="onnxruntime", round_fp16=False).predict({"x": x})["y"]
    assert 0 < np.abs(exact - result).max() < 0.01


@pytest.mark.parametrize("steps", [1, 3])
def test_cancellation_shows_the_rounding(tmp_path, steps):
    """1024 + x − 1024 keeps only whole numbers in fp16, and all of x in fp32."""

    def body(mb, x):
        for i in range(steps):
            x = mb.sub(x=mb.add(x=x, y=1024.0), y=1024.0, name=f"y{i}")
        return x

    x = _input()
    outputs = {}
    for precision in ("fp16", "fp32"):
        model = CoreMLModel(save(_program(body), tmp_path / f"{precision}.mlpackage", precision), engine="onnxruntime")
        (outputs[precision],) = model.predict({"x": x}).values()
    assert set(np.unique(outputs["fp16"])) <= {0.0, 1.0}
    np.testing.assert_allclose(outputs["fp32"], x, atol=1e-3)


def test_overflow_becomes_infinity(tmp_path):
    def body(mb, x):
        return mb.mul(x=mb.square(x=mb.mul(x=x, y=400.0)), y=0.001, name="y")

    x = _input()
    half = CoreMLModel(save(_program(body), tmp_path / "h.mlpackage"), engine="onnxruntime").predict({"x": x})["y"]
    overflows = (x * 400) ** 2 > 65520
    assert overflows.any() and not overflows.all()
    assert np.array_equal(np.isinf(half), overflows)
    full = CoreMLModel(save(_program(body), tmp_path / "f.mlpackage", "fp32"), engine="onnxruntime")
    assert np.isfinite(full.predict({"x": x})["y"]).all()


def test_weights_are_rounded(tmp_path):
    weight = np.full((4, 4, 1, 1), 0.1, np.float32)

    def body(mb, x):
        return mb.conv(x=x, weight=weight, pad_type="valid", name="y")

    x = np.ones((1, 4, 8, 8), np.float32)
    half = CoreMLModel(save(_program(body), tmp_path / "h.mlpackage"), engine="onnxruntime").predict({"x": x})["y"]
    assert half[0, 0, 0, 0] == np.float16(4 * np.float32(np.float16(0.1)))
