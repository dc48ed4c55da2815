"""Programs by coremltools' own PyTorch frontend, and how far their results are from PyTorch's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch  # before coremltools, or its PyTorch frontend stays away

from validate.coreml.tools import load_coremltools

INPUT = (1, 3, 64, 64)


def coremltools_with_torch() -> Any:
    """The coremltools module, made sure to have its PyTorch frontend."""
    ct = load_coremltools()
    if not ct._deps._HAS_TORCH:
        raise RuntimeError("coremltools was imported before torch in this process; import torch first")
    return ct


def capture(net: torch.nn.Module, x: torch.Tensor, *, export: bool = False) -> Any:
    """The network as coremltools' frontend takes it: an exported program, or a traced module."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if export:
            return torch.export.export(net, (x,)).run_decompositions({})
        return torch.jit.trace(net, x, check_trace=False)


def convert(traced: Any, path: Path, precision: str, shape: tuple[int, ...] = INPUT, **kwargs: Any) -> Path:
    """Write what Apple's frontend makes of a traced network."""
    ct = coremltools_with_torch()
    kwargs.setdefault("minimum_deployment_target", ct.target.iOS16)
    kwargs.setdefault("inputs", [ct.TensorType(name="x", shape=shape)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ct.convert(
            traced,
            compute_precision={"fp16": ct.precision.FLOAT16, "fp32": ct.precision.FLOAT32}[precision],
            skip_model_load=True,
            **kwargs,
        )
    model.save(str(path))
    return path


def psnr(result: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal to noise in dB, the peak being the reference's range."""
    error = np.mean((result.astype(np.float64) - reference.astype(np.float64)) ** 2)
    span = float(reference.max()) - float(reference.min())
    return float("inf") if error == 0 else 10 * float(np.log10(span**2 / error))
