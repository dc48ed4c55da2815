import numpy as np
import onnxruntime
import pytest
import torch

from export.pytorch import to_onnx
from training.networks import NETWORKS
from training.start import load_start
from validate.errors import BrushportError


def written(network, path, styles):
    """``network`` as the trainer writes it."""
    example = (torch.rand(1, 3, 64, 64), torch.eye(styles)[:1])
    names = ["image", "style"], ["painting"]
    to_onnx(network.eval(), path, example, input_names=names[0], output_names=names[1], dynamic_size=True)
    return path


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request, tmp_path_factory):
    """The name of a network, and its ONNX file with two styles, with weights that nothing starts with."""
    torch.manual_seed(1)
    network = NETWORKS[request.param](2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.rand_like(parameter))
    return request.param, written(network, tmp_path_factory.mktemp("start") / "model.onnx", 2)


def painted(path, photo, style):
    return onnxruntime.InferenceSession(path).run(None, {"image": photo.numpy(), "style": style.numpy()})[0]


def test_a_network_begins_as_the_file_paints(trained):
    name, path = trained
    network = NETWORKS[name](2)
    load_start(network, path)
    photo, style = torch.rand(1, 3, 64, 96), torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        np.testing.assert_allclose(network.eval()(photo, style).numpy(), painted(path, photo, style), atol=1e-4)


def test_other_styles_begin_with_the_mean_of_the_old(trained):
    name, path = trained
    network = NETWORKS[name](3)
    load_start(network, path)
    photo, style = torch.rand(1, 3, 64, 64), torch.tensor([[0.0, 0.0, 1.0]])
    blend = painted(path, photo, torch.tensor([[0.5, 0.5]]))
    with torch.no_grad():
        np.testing.assert_allclose(network.eval()(photo, style).numpy(), blend, atol=1e-4)


def test_another_network_is_refused_by_what_it_lacks(trained):
    name, path = trained
    other = next(other for other in NETWORKS if other != name)
    with pytest.raises(BrushportError, match=r"model\.onnx' cannot be used: it has no '.*' in float32, so it is of"):
        load_start(NETWORKS[other](2), path)
    wide = NETWORKS[name](2)
    wide.up2.join.pointwise.weight = torch.nn.Parameter(torch.zeros(7, 7, 1, 1))
    with pytest.raises(BrushportError, match=r"its 'up2.join.pointwise.weight' is of .*, not \(7, 7, 1, 1\)"):
        load_start(wide, path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BrushportError, match=r"no file .*none\.onnx"):
        load_start(NETWORKS["unet"](2), tmp_path / "none.onnx")
