"""Models whose input size is a range or a list: one program, compiled for each size that comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from tests.validate.coreml.networks import UNet, johnson, randomize_norms
from tests.validate.coreml.torch_frontend import capture, convert, coremltools_with_torch, psnr
from validate.coreml import CoreMLModel
from validate.errors import BrushportError


def _shapes(kind):
    ct = coremltools_with_torch()
    if kind == "range":
        side = ct.RangeDim(32, 128, default=64)
        return ct.Shape((1, 3, side, ct.RangeDim(32, 128, default=64)))
    return ct.EnumeratedShapes([(1, 3, 64, 64), (1, 3, 48, 80)], default=(1, 3, 64, 64))


@pytest.mark.parametrize("kind", ["range", "enumerated"])
@pytest.mark.parametrize("network", [johnson, UNet])
def test_sizes(network, kind, tmp_path):
    ct = coremltools_with_torch()
    torch.manual_seed(0)
    net = randomize_norms(network())
    captured = capture(net, torch.rand(1, 3, 64, 64))
    inputs = [ct.TensorType(name="x", shape=_shapes(kind))]
    model = CoreMLModel(convert(captured, tmp_path / "m.mlpackage", "fp16", inputs=inputs), engine="onnxruntime")
    assert model.inputs[0].flexible
    for size in ((64, 64), (48, 80)):
        x = torch.rand(1, 3, *size)
        with torch.no_grad():
            reference = net(x).numpy()
        (result,) = model.predict({"x": x.numpy()}).values()
        assert result.shape == reference.shape
        assert psnr(result, reference) > 60


def test_pictures_of_any_size(tmp_path):
    ct = coremltools_with_torch()
    net = randomize_norms(johnson())
    inputs = [ct.ImageType(name="x", shape=_shapes("range"), scale=1 / 255)]
    captured = capture(net, torch.rand(1, 3, 64, 64))
    model = CoreMLModel(convert(captured, tmp_path / "m.mlpackage", "fp16", inputs=inputs), engine="onnxruntime")
    photo = Image.fromarray(data.coffee()[100:148, 100:180])
    (result,) = model.predict({"x": photo}).values()
    with torch.no_grad():
        reference = net(torch.from_numpy(np.asarray(photo, np.float32)).permute(2, 0, 1)[None] / 255).numpy()
    assert psnr(result, reference) > 60
    with pytest.raises(BrushportError, match="32 to 128"):
        model.predict({"x": photo.resize((80, 200))})
