"""The executor runs what Apple's PyTorch frontend wrote, and must paint what PyTorch paints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.validate.coreml.networks import EXPORTED, NETWORKS, randomize_norms
from tests.validate.coreml.torch_frontend import INPUT, capture, convert, psnr
from validate.coreml import CoreMLModel

FLOOR_DB = {"fp16": 60.0, "fp32": 100.0}


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, tmp_path):
    torch.manual_seed(0)
    net = randomize_norms(NETWORKS[name]())
    x = torch.rand(INPUT)
    with torch.no_grad():
        reference = net(x).numpy()
    assert np.isfinite(reference).all()
    assert np.ptp(reference) > 0.01
    captured = capture(net, x, export=name in EXPORTED)
    measured = {}
    for precision in FLOOR_DB:
        model = CoreMLModel(convert(captured, tmp_path / f"{precision}.mlpackage", precision), engine="onnxruntime")
        (result,) = model.predict({"x": x.numpy()}).values()
        assert result.shape == reference.shape
        measured[precision] = psnr(result, reference)
    assert {key: value for key, value in measured.items() if value < FLOOR_DB[key]} == {}, measured
    print(f"{name}: {measured['fp16']:.1f} dB in fp16, {measured['fp32']:.1f} dB in fp32")
