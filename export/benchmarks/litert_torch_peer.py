"""Converts an ONNX network with litert-torch; a script for the peers' own environment, never imported by the rest.

    PEER_PYTHON litert_torch_peer.py NETWORK.onnx OUT.tflite

litert-torch takes a PyTorch module. The benchmark's networks are ONNX files exported from PyTorch, so the module is
built back from the graph: one PyTorch call a node, in PyTorch's own NCHW, with the operators that its user would have
written (``instance_norm``, ``hardswish``, ``interpolate``). An operator that is not listed here is refused by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import litert_torch
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

WITH_SETTINGS = ("Pad", "Resize", "ReduceMean")  # all inputs but the first are pads, scales or axes, not tensors
PAD_MODES = {"reflect": "reflect", "edge": "replicate", "constant": "constant"}


class Network(torch.nn.Module):
    """The ONNX graph as a module: weights are buffers, nodes run in the file's order."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        self.nodes = list(model.graph.node)
        settings = {name for node in self.nodes if node.op_type in WITH_SETTINGS for name in node.input[1:]}
        self.known = {}
        for initializer in model.graph.initializer:
            array = numpy_helper.to_array(initializer)
            if array.dtype == np.float32 and array.ndim and initializer.name not in settings:
                name = f"w_{len(self.known)}"
                self.register_buffer(name, torch.from_numpy(array.copy()))
                self.known[initializer.name] = name
            else:
                self.known[initializer.name] = array
        self.inputs = [value.name for value in model.graph.input if value.name not in self.known]
        self.outputs = [value.name for value in model.graph.output]

    def forward(self, *images: torch.Tensor) -> Any:
        """The graph's outputs; a tuple if there are several."""
        values = dict(zip(self.inputs, images, strict=True))
        for node in self.nodes:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            operator = OPERATORS.get(node.op_type)
            if operator is None:
                raise SystemExit(f"{node.op_type} (node '{node.name}') is not in {__file__}; add it there.")
            values[node.output[0]] = operator([self._value(values, name) for name in node.input], attributes)
        found = [values[name] for name in self.outputs]
        return found[0] if len(found) == 1 else tuple(found)

    def _value(self, values: dict[str, torch.Tensor], name: str) -> Any:
        if not name:
            return None
        if name in values:
            return values[name]
        known = self.known[name]
        return getattr(self, known) if isinstance(known, str) else known


def _conv(i: Sequence[Any], a: dict[str, Any]) -> torch.Tensor:
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise SystemExit("A convolution with different pads at its two ends is not in this script; add it.")
    bias = i[2] if len(i) > 2 else None
    return F.conv2d(i[0], i[1], bias, a.get("strides", 1), (top, left), a.get("dilations", 1), a.get("group", 1))


def _pad(i: Sequence[Any], a: dict[str, Any]) -> torch.Tensor:
    pads = [int(p) for p in i[1]]
    if any(pads[:2] + pads[4:6]):
        raise SystemExit("A pad of batch or channels is not in this script; add it.")
    around = (pads[3], pads[7], pads[2], pads[6])
    return F.pad(i[0], around, mode=PAD_MODES[a.get("mode", b"constant").decode()])


def _resize(i: Sequence[Any], a: dict[str, Any]) -> torch.Tensor:
    modes = a.get("mode", b"nearest").decode(), a.get("coordinate_transformation_mode", b"half_pixel").decode()
    scale = tuple(float(s) for s in i[2][2:])
    if modes == ("nearest", "asymmetric"):
        return F.interpolate(i[0], scale_factor=scale, mode="nearest")
    if modes == ("linear", "half_pixel"):
        return F.interpolate(i[0], scale_factor=scale, mode="bilinear", align_corners=False)
    raise SystemExit(f"Resize {modes} is not in this script; add it.")


def _mean(i: Sequence[Any], a: dict[str, Any]) -> torch.Tensor:
    return torch.mean(i[0], [int(axis) for axis in i[1]], keepdim=bool(a.get("keepdims", 1)))


def _constant(value: Any) -> Any:
    return float(value) if isinstance(value, np.ndarray) else value


def _binary(function: Callable[[Any, Any], torch.Tensor]) -> Callable[[Sequence[Any], dict[str, Any]], torch.Tensor]:
    return lambda i, a: function(_constant(i[0]), _constant(i[1]))


OPERATORS: dict[str, Callable[[Sequence[Any], dict[str, Any]], torch.Tensor]] = {
    "Add": _binary(lambda x, y: x + y),
    "Concat": lambda i, a: torch.cat(list(i), dim=a["axis"]),
    "Conv": _conv,
    "Div": _binary(lambda x, y: x / y),
    "HardSigmoid": lambda i, a: F.hardsigmoid(i[0]),
    "HardSwish": lambda i, a: F.hardswish(i[0]),
    "InstanceNormalization": lambda i, a: F.instance_norm(i[0], weight=i[1], bias=i[2], eps=a["epsilon"]),
    "MaxPool": lambda i, a: F.max_pool2d(i[0], a["kernel_shape"], a["strides"], a["pads"][:2]),
    "Mul": _binary(lambda x, y: x * y),
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": lambda i, a: F.relu(i[0]),
    "Resize": _resize,
    "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
    "Sub": _binary(lambda x, y: x - y),
    "Tanh": lambda i, a: torch.tanh(i[0]),
}


def main() -> None:
    """Read the network, convert it, write the file, and say how far litert-torch's result is from PyTorch's."""
    source, target = sys.argv[1:]
    model = onnx.load(source)
    network = Network(model).eval()
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    sample = (torch.rand(shape, generator=torch.Generator().manual_seed(0)),)
    converted = litert_torch.convert(network, sample)
    converted.export(target)
    with torch.no_grad():
        difference = float((network(*sample) - torch.from_numpy(np.asarray(converted(*sample)))).abs().max())
    print(f"largest difference from PyTorch {difference:.2g}")


if __name__ == "__main__":
    main()
