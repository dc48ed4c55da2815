"""Programs written with coremltools' own builder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from validate.coreml.tools import load_coremltools


def builder() -> Any:
    """coremltools' MIL builder."""
    load_coremltools()
    from coremltools.converters.mil import Builder

    return Builder


def save(program: Any, path: Path, precision: str = "fp16", target: str = "iOS16", passes: Any = None) -> Path:
    """Compile a MIL program and save it, by default through coremltools' usual passes."""
    ct = load_coremltools()
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target[target],
        compute_precision={"fp16": ct.precision.FLOAT16, "fp32": ct.precision.FLOAT32}[precision],
        pass_pipeline=passes or ct.PassPipeline.DEFAULT,
        skip_model_load=True,
    )
    model.save(str(path))
    return path
