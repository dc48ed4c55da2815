"""Small networks through PyTorch's two exporters: what they spell out comes back as one operator, and is the same."""

import contextlib
import io
import logging
import warnings

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import nn

from export.hub import load_hub

CHANNELS = 8
EXPORTERS = {"script 11": (False, 11), "script 17": (False, 17), "dynamo 18": (True, 18), "dynamo 21": (True, 21)}


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class ChannelLayerNorm(nn.Module):
    """Layer norm and a linear layer over the channels, NHWC in between, as ConvNeXt does it."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x):
        return nn.functional.gelu(self.linear(self.norm(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


def moments_norm(x):
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) * torch.rsqrt((x - mean).square().mean((2, 3), keepdim=True) + 1e-3)


def unbiased_norm(x):
    return (x - x.mean((2, 3), keepdim=True)) / torch.sqrt(x.var((2, 3), keepdim=True) + 1e-3)


def grouped_norm(x):
    g = x.reshape(1, 2, -1)
    g = (g - g.mean(2, keepdim=True)) / (g.var(2, keepdim=True, unbiased=False) + 1e-3).sqrt()
    return g.reshape(x.shape)


def shuffled(x):
    n, c, h, w = x.shape
    return x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


def tanh_gelu(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


BRANCHES = {  # module: the operators behind the convolution that all of them share
    "group norm": (nn.GroupNorm(4, CHANNELS), {"GroupNormalization"}),
    "one group": (nn.GroupNorm(1, CHANNELS), {"GroupNormalization"}),
    "plain group norm": (nn.GroupNorm(2, CHANNELS, affine=False), {"GroupNormalization"}),
    "groups of one": (nn.GroupNorm(CHANNELS, CHANNELS), {"InstanceNormalization"}),
    "layer norm": (nn.LayerNorm(12), {"LayerNormalization"}),
    "layer norm over channels": (ChannelLayerNorm(), {"Transpose", "LayerNormalization", "MatMul", "Add", "Gelu"}),
    "instance norm": (nn.InstanceNorm2d(CHANNELS, affine=True), {"InstanceNormalization"}),
    "plain instance norm": (nn.InstanceNorm2d(CHANNELS), {"InstanceNormalization"}),
    "instance norm by hand": (Function(moments_norm), {"InstanceNormalization"}),
    "unbiased instance norm": (Function(unbiased_norm), {"InstanceNormalization"}),
    "group norm by hand": (Function(grouped_norm), {"GroupNormalization"}),
    "GELU": (nn.GELU(), {"Gelu"}),
    "tanh GELU": (nn.GELU("tanh"), {"Gelu"}),
    "GELU by hand": (Function(tanh_gelu), {"Gelu"}),
    "Mish": (nn.Mish(), {"Mish"}),
    "Mish by hand": (Function(lambda x: x * torch.tanh(nn.functional.softplus(x))), {"Mish"}),
    "SiLU": (nn.SiLU(), {"Sigmoid", "Mul"}),
    "softplus": (nn.Softplus(), {"Softplus"}),
    "hard swish": (nn.Hardswish(), {"HardSwish"}),
    "hard swish by hand": (Function(lambda x: x * nn.functional.relu6(x + 3) / 6), {"HardSwish"}),
    "hard sigmoid": (nn.Hardsigmoid(), {"HardSigmoid"}),
    "hard sigmoid by hand": (Function(lambda x: nn.functional.relu6(x + 3) / 6), {"HardSigmoid"}),
    "leaky ReLU by hand": (Function(lambda x: torch.maximum(x, 0.2 * x)), {"LeakyRelu"}),
    "ReLU6 by hand": (Function(lambda x: torch.relu(x).clamp(max=6)), {"Clip"}),
    "pixel shuffle": (nn.PixelShuffle(2), {"DepthToSpace"}),
    "pixel shuffle by hand": (Function(shuffled), {"DepthToSpace"}),
    "pixel unshuffle": (nn.PixelUnshuffle(2), {"Conv"}),
    "permuted there and back": (
        Function(lambda x: torch.relu(x.permute(0, 2, 3, 1) + 1).permute(0, 3, 1, 2).contiguous()),
        {"Add", "Relu"},
    ),
}


class Branches(nn.Module):
    """A convolution, and every module behind it, for one run of each exporter."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.branches = nn.ModuleList(module for module, _ in BRANCHES.values())

    def forward(self, x):
        x = self.first(x)
        return tuple(branch(x) for branch in self.branches)


@pytest.fixture(scope="module", params=EXPORTERS.values(), ids=EXPORTERS)
def hub_and_reference(request, tmp_path_factory):
    """The hub of all branches by one exporter, what it computes of a picture, and what PyTorch does."""
    dynamo, opset = request.param
    path = tmp_path_factory.mktemp("exported") / "m.onnx"
    torch.manual_seed(0)
    network, picture = Branches().eval(), torch.rand(1, 3, 10, 12)
    for parameter in network.parameters():  # not the ones and zeros that norms start with
        nn.init.normal_(parameter, std=0.5)
    names = [f"branch_{i}" for i in range(len(BRANCHES))]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(network, (picture,), path, dynamo=dynamo, opset_version=opset, output_names=names)
        finally:
            logging.disable(logging.NOTSET)
    with torch.no_grad():
        reference = [y.numpy() for y in network(picture)]
    hub = load_hub(path, value_range=(0, 1), output_range=(0, 1))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(ir.to_proto(hub.model).SerializeToString(), options)
    return hub.model.graph, session.run(names, {hub.inputs[0].name: picture.numpy()}), reference


def behind_the_first(value):
    """The operators between ``value`` and the convolution that reads the picture."""
    node = value.producer()
    if node is None or node.inputs[0].is_graph_input():
        return set()
    own = set() if node.op_type == "Identity" else {node.op_type}
    return own.union(*(behind_the_first(v) for v in node.inputs if v is not None))


@pytest.mark.parametrize("name", BRANCHES)
def test_spelling(hub_and_reference, name):
    graph, found, reference = hub_and_reference
    index = list(BRANCHES).index(name)
    assert behind_the_first(graph.outputs[index]) == BRANCHES[name][1]
    error = np.sqrt(np.mean((found[index] - reference[index]) ** 2)) / np.abs(reference[index]).max()
    assert -20 * np.log10(max(error, 1e-9)) > 100
