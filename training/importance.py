r"""What removing a channel costs the picture, estimated on photos.

Removing channel c sets the slices W[:, c] of all layers that read it to zero. The picture y then moves by
:math:`-J_c W_c` to first order, and for random v of unit variance :math:`E[(v · J_c W_c)^2] = ‖J_c W_c‖^2`, the
squared error of the picture. The inner product is :math:`\sum W_c ∂(v·y)/∂W_c`: one backward pass for all channels.
(First-order Taylor pruning, Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, needs
a loss that is not at its minimum, which the distance from the network itself is; this is its second-order form.)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from training.channels import LAYERS, Family
from training.hub_network import HubNetwork
from training.likeness import Likeness


def measure(
    network: HubNetwork, batches: Iterable[tuple[torch.Tensor, ...]], likeness: Likeness
) -> dict[nn.Module, torch.Tensor]:
    """For each layer that joins channels, the squared error of the picture for each input channel: (inputs,).

    The layers are convolutions without groups and matrix products; ``batches`` are inputs of the network.
    """
    layers = [m for m in network.modules() if isinstance(m, LAYERS) and getattr(m, "groups", 1) == 1]
    layers = [layer for layer in layers if layer.weight is not None]
    costs = {layer: torch.zeros(layer.weight.shape[input_axis(layer)]) for layer in layers}
    generator = torch.Generator().manual_seed(0)
    count = 0
    for inputs in batches:
        pictures = likeness.pictures(network(*inputs))
        total = sum((p * torch.randn(p.shape, generator=generator)).sum() for p in pictures)
        gradients = torch.autograd.grad(total, [layer.weight for layer in layers], allow_unused=True)
        for layer, gradient in zip(layers, gradients, strict=True):
            if gradient is not None:
                moved = (layer.weight.detach() * gradient).transpose(0, input_axis(layer)).flatten(1).sum(1)
                costs[layer] += moved.square()
        count += sum(p.numel() for p in pictures)
    return {layer: cost / max(count, 1) for layer, cost in costs.items()}


def of_family(family: Family, costs: dict[nn.Module, torch.Tensor]) -> torch.Tensor:
    """The squared error for each channel of a family: (channels,); the readers' errors are nearly independent."""
    return torch.tensor(
        [
            sum(float(costs[layer][index]) for layer, side, index in uses if side == "in" and layer in costs)
            for uses in family.uses
        ]
    )


def input_axis(layer: nn.Module) -> int:
    """The axis of a layer's weight that lies along its input channels."""
    return 0 if isinstance(layer, nn.ConvTranspose2d) else 1
