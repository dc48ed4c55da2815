import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from export.hub import load_hub
from export.pytorch import to_onnx
from tests.export.hub.graphs import ops
from validate.errors import BrushportError

METADATA = {"value_range": [0, 1], "styles": ["wave", "scream"]}
NAMES = (["image", "style"], ["painting"])


class Painter(nn.Module):
    """A style network in small: padded strided convolution, conditional norm, upsampling."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2)
        self.scale = nn.Parameter(torch.randn(2, 8))
        self.paint = nn.Conv2d(8, 3, 3, padding=1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, image, style):
        x = F.instance_norm(self.down(F.pad(image, (0, 1, 0, 1)))) * (style @ self.scale)[:, :, None, None]
        x = F.interpolate(self.dropout(F.relu(x)), scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.paint(x))


class Restless(nn.Module):
    """Another output at every call, so no file can compute the same."""

    def forward(self, image, style):
        return image + torch.rand_like(image) * style.sum()


@pytest.fixture(scope="module")
def examples():
    torch.manual_seed(0)
    return torch.rand(1, 3, 32, 32), torch.tensor([[1.0, 0.0]])


@pytest.fixture(scope="module")
def written(tmp_path_factory, examples):
    folder = tmp_path_factory.mktemp("run")
    module = Painter().train()
    to_onnx(module, folder / "model.onnx", examples, *NAMES, dynamic_size=True, metadata=METADATA)
    assert module.training
    return folder


def test_file_is_clean(written):
    assert [path.name for path in written.iterdir()] == ["model.onnx"]
    proto = onnx.load(written / "model.onnx")
    assert [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [
        1,
        3,
        "height",
        "width",
    ]
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_hub_of_any_size(written):
    hub = load_hub(written, size=(48, 64))
    assert hub.styles == ("wave", "scream")
    assert hub.inputs[0].value_range == (0, 1)
    assert hub.outputs[0].shape == (1, 3, 48, 64)
    baked = load_hub(written, size=(48, 64), styles=["scream"])
    assert ops(baked.model) == {"Conv": 2, "InstanceNormalization": 1, "Relu": 1, "Resize": 1, "Sigmoid": 1}


def test_file_that_computes_something_else_is_not_kept(tmp_path, examples):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old one")
    with pytest.raises(BrushportError, match="does not compute what PyTorch does"):
        to_onnx(Restless(), path, examples, *NAMES, dynamic_size=False, metadata=METADATA)
    assert path.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_folder_that_does_not_exist(tmp_path, examples):
    with pytest.raises(BrushportError, match="Cannot write"):
        to_onnx(Painter(), tmp_path / "no" / "model.onnx", examples, *NAMES, dynamic_size=True, metadata=METADATA)
