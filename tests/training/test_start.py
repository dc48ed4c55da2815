import numpy as np
import onnxruntime
import pytest
import torch

from export.pytorch import to_onnx
from training.networks import NETWORKS
from training.start import load_start
from validate.errors import BrushportError


def written(network, path, styles, named=True):
    """``network`` as the trainer writes it, with its names or without."""
    to_onnx(
        network.eval(),
        path,
        (torch.rand(1, 3, 64, 64), torch.eye(len(styles))[:1]),
        input_names=["image", "style"],
        output_names=["painting"],
        dynamic_size=True,
        metadata={"styles": styles} if named else {},
    )
    return path


@torch.no_grad()
def shake(network):
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.rand_like(parameter))


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request, tmp_path_factory):
    """The name of a network, and its ONNX file with two styles, with weights that nothing starts with."""
    torch.manual_seed(1)
    network = NETWORKS[request.param](2)
    shake(network)
    return request.param, written(network, tmp_path_factory.mktemp("start") / "model.onnx", ["wave", "scream"])


def painted(path, photo, style):
    return onnxruntime.InferenceSession(path).run(None, {"image": photo.numpy(), "style": style.numpy()})[0]


@pytest.mark.parametrize(
    ("styles", "weights", "old"),
    [
        (["wave", "scream"], [0.3, 0.7], [0.3, 0.7]),
        (["Scream", "Wave"], [0.3, 0.7], [0.7, 0.3]),
        (["a", "b"], [0.3, 0.7], [0.3, 0.7]),  # all are new, so by place
        (["scream"], [1.0], [0.0, 1.0]),
        (["scream", "new"], [0.0, 1.0], [0.5, 0.5]),
        (["a", "b", "c"], [0.0, 0.0, 1.0], [0.5, 0.5]),
    ],
)
def test_styles_begin_as_those_of_their_names_or_places_or_as_the_mean(trained, styles, weights, old):
    name, path = trained
    network = NETWORKS[name](len(styles))
    load_start(network, path, styles)
    photo = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        painting = network.eval()(photo, torch.tensor([weights])).numpy()
    np.testing.assert_allclose(painting, painted(path, photo, torch.tensor([old])), atol=1e-4)


def test_styles_without_names_begin_by_place(tmp_path):
    torch.manual_seed(2)
    network, other = NETWORKS["unet"](2), NETWORKS["unet"](2)
    shake(network)
    path = written(network, tmp_path / "model.onnx", ["wave", "scream"], named=False)
    load_start(other, path, ["scream", "wave"])
    photo, style = torch.rand(1, 3, 64, 64), torch.tensor([[1.0, 0.0]])
    with torch.no_grad():
        np.testing.assert_allclose(other.eval()(photo, style).numpy(), painted(path, photo, style), atol=1e-4)


def test_another_network_is_refused_by_what_it_lacks(trained):
    name, path = trained
    other = next(other for other in NETWORKS if other != name)
    with pytest.raises(BrushportError, match=r"model\.onnx' cannot be used: it has no '.*' in float32, so it is of"):
        load_start(NETWORKS[other](2), path, ["wave", "scream"])
    wide = NETWORKS[name](2)
    wide.up2.join.pointwise.weight = torch.nn.Parameter(torch.zeros(7, 7, 1, 1))
    with pytest.raises(BrushportError, match=r"its 'up2.join.pointwise.weight' is of .*, not \(7, 7, 1, 1\)"):
        load_start(wide, path, ["wave", "scream"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BrushportError, match=r"no file .*none\.onnx"):
        load_start(NETWORKS["unet"](2), tmp_path / "none.onnx", ["a", "b"])
