"""Where a run begins that does not begin blank: the weights of a network trained before, read from its ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from training.weights import unusable
from validate.onnx_files import read_model

FOLDED_BIAS = "{}.weight_bias"  # what the ONNX exporter calls the bias of a convolution that took in its batch norm


@torch.no_grad()
def load_start(network: nn.Module, path: Path) -> None:
    """Copy the weights in ``path``, a ``model.onnx`` of an earlier run, into ``network``, in place.

    Styles are taken by their place. A style table of another number of styles gives each new style the mean of the old
    ones. A batch norm that was folded into its convolution becomes the addition of the bias that it left. Raises
    :class:`BrushportError` for a file that cannot be read or is of another network.
    """
    stored = read_model(path).graph.initializers
    norms = {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, parameter in network.named_parameters():
        owner, _, kind = name.rpartition(".")
        if owner in norms and kind == "weight":
            norms[owner].reset_running_stats()
            parameter.fill_((1 + norms[owner].eps) ** 0.5)
            continue
        key = _folded_bias(owner) if owner in norms else name
        value = None if key not in stored else stored[key].const_value
        if value is None or value.numpy().dtype != "float32":
            raise unusable(path, f"it has no '{key}' in float32, so it is of another kind than --network says")
        weight = torch.from_numpy(value.numpy().copy())
        if kind in ("scale", "shift") and weight.ndim == 2 and len(weight) != len(parameter):
            weight = weight.mean(0).expand(len(parameter), -1)
        if weight.shape != parameter.shape:
            raise unusable(path, f"its '{key}' is of {tuple(weight.shape)}, not {tuple(parameter.shape)}")
        parameter.copy_(weight)


def _folded_bias(norm: str) -> str:
    """The name of the bias that the batch norm ``norm`` left in the convolution just before it."""
    head, _, place = norm.rpartition(".")
    return FOLDED_BIAS.format(f"{head}.{int(place) - 1}")
