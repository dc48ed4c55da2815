"""Where a run begins that does not begin blank: the weights of a network trained before, read from its ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from export.hub.styles import style_names
from training.weights import unusable
from validate.onnx_files import read_metadata, read_model

FOLDED_BIAS = "{}.weight_bias"  # what the ONNX exporter calls the bias of a convolution that took in its batch norm


@torch.no_grad()
def load_start(network: nn.Module, path: Path, styles: Sequence[str]) -> None:
    """Copy the weights in ``path``, a ``model.onnx`` of an earlier run, into ``network``, in place.

    ``styles`` are the names of the network's styles: each begins as the style of its name in the file, a new one as the
    mean of the file's. Where all are new and as many as the file's, each begins as the one in its place. A batch norm
    that was folded into its convolution becomes the addition of the bias that it left. Raises :class:`BrushportError`
    for a file that cannot be read or is of another network.
    """
    model = read_model(path)
    stored, old = model.graph.initializers, style_names(model, read_metadata(model))
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
        if kind in ("scale", "shift") and weight.ndim == 2:
            weight = _of_styles(weight, old, styles)
        if weight.shape != parameter.shape:
            raise unusable(path, f"its '{key}' is of {tuple(weight.shape)}, not {tuple(parameter.shape)}")
        parameter.copy_(weight)


def _of_styles(table: torch.Tensor, old: Sequence[str], new: Sequence[str]) -> torch.Tensor:
    """The rows for the ``new`` styles out of a ``table`` (styles, channels) of the ``old``; names in any case."""
    old, new = ([name.lower() for name in names] for names in (old, new))
    if len(table) == len(new) and not set(old) & set(new):
        return table
    return torch.stack([table[old.index(name)] if name in old else table.mean(0) for name in new])


def _folded_bias(norm: str) -> str:
    """The name of the bias that the batch norm ``norm`` left in the convolution just before it."""
    head, _, place = norm.rpartition(".")
    return FOLDED_BIAS.format(f"{head}.{int(place) - 1}")
