r"""After channels went: each convolution in turn is fitted to give what it gave, from what it is given now.

The dense and the pruned network are run side by side, node by node. Where a convolution of the dense network gives
y at some places, that of the pruned one reads patches x there, already computed by fitted layers, and its weights
become the least squares solution :math:`W = E[y xᵀ] (E[x xᵀ] + λ I)^{-1}`, about the means where a constant may be
added back (by the layer's bias, or for nothing in front of an instance norm, which removes it). So each layer makes
up for the errors of those before it. λ pulls towards the weights that were there, not towards zero.
(He, Zhang and Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, eq. 1 and section 3.1.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from training.hub_layers import Convolution
from training.hub_network import HubNetwork

RIDGE = 1e-3  # of the mean square of x: how far a solution goes for little
POSITIONS = 4096  # of a batch that count, at random
LARGEST = 2400  # unknowns of an output channel; layers of more are left as they are


@torch.no_grad()
def refit(
    dense: HubNetwork, pruned: HubNetwork, kept: dict[nn.Module, list[int]], batches: Sequence[tuple[torch.Tensor, ...]]
) -> None:
    """Fit the convolutions of ``pruned``, in place, on ``batches`` of inputs.

    ``kept`` gives the output channels of ``dense`` that each layer of ``pruned`` still has, by the pruned layer;
    layers that are not in it have all of theirs. All batches' tensors that are still to be read are in memory.
    """
    wanted = [dense.start(inputs) for inputs in batches]
    given = [pruned.start(inputs) for inputs in batches]
    generator = torch.Generator().manual_seed(0)
    for index, ((node, _), module) in enumerate(zip(dense.graph_nodes(), pruned.nodes, strict=True)):
        for values in wanted:
            dense.step(index, values, keep=True)
        if isinstance(module, Convolution) and not module.computed and _fits(module.conv):
            name, output = node.inputs[0].name, node.outputs[0].name
            centered = module.conv.bias is not None or [n.op_type for n in node.outputs[0].consumers()] == [
                "InstanceNormalization"
            ]
            channels = kept.get(module.conv, list(range(module.conv.out_channels)))
            pairs = [(g[name], w[output][:, channels]) for g, w in zip(given, wanted, strict=True)]
            if any(
                g[name].shape != w[name].shape or not torch.equal(g[name], w[name])
                for g, w in zip(given, wanted, strict=True)
            ):
                _solve(module, pairs, centered, generator)
        for values in given:
            pruned.step(index, values)
        for values in wanted:
            dense.forget(index, values)


def _solve(module: Convolution, pairs: list[tuple[torch.Tensor, torch.Tensor]], centered: bool, generator) -> None:
    conv = module.conv
    groups = conv.groups
    size = conv.weight[0].numel()
    total = 0
    sum_x = torch.zeros(groups, size, dtype=torch.float64)
    sum_y = torch.zeros(groups, conv.out_channels // groups, dtype=torch.float64)
    xx = torch.zeros(groups, size, size, dtype=torch.float64)
    yx = torch.zeros(groups, conv.out_channels // groups, size, dtype=torch.float64)
    for x, y in pairs:
        rows, columns = y.shape[2:]
        place = torch.randint(len(x) * rows * columns, (min(POSITIONS, len(x) * rows * columns),), generator=generator)
        patches = _patches(module, x, place, rows, columns)  # (N, C, kh * kw)
        patches = patches.reshape(len(place), groups, size).transpose(0, 1).double()  # (groups, N, size)
        batch, place = place // (rows * columns), place % (rows * columns)
        targets = y[batch, :, place // columns, place % columns]
        targets = targets.reshape(len(place), groups, -1).transpose(0, 1).double()
        total += len(place)
        sum_x += patches.sum(1)
        sum_y += targets.sum(1)
        xx += patches.transpose(1, 2) @ patches
        yx += targets.transpose(1, 2) @ patches
    mean_x, mean_y, xx, yx = sum_x / total, sum_y / total, xx / total, yx / total
    old = conv.weight.double().reshape(groups, -1, size)
    if centered:
        xx = xx - mean_x[:, :, None] * mean_x[:, None]
        yx = yx - mean_y[:, :, None] * mean_x[:, None]
    ridge = RIDGE * xx.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)[:, None, None]
    ridge = ridge * torch.eye(size, dtype=torch.float64)
    weight = torch.linalg.solve(xx + ridge, (yx + old @ ridge).transpose(1, 2)).transpose(1, 2)
    conv.weight.copy_(weight.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.copy_((mean_y - (weight @ mean_x[:, :, None])[..., 0]).flatten())


def _patches(module: Convolution, x: torch.Tensor, place: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """What the convolution reads for the outputs number ``place`` of (batch, rows, columns): (N, C, kh·kw)."""
    conv = module.conv
    top, left = conv.padding
    x = F.pad(x, module.before or (left, left, top, top))
    batch, place = place // (rows * columns), place % (rows * columns)
    row, column = place // columns * conv.stride[0], place % columns * conv.stride[1]
    parts = [
        x[batch, :, row + i * conv.dilation[0], column + j * conv.dilation[1]]
        for i in range(conv.kernel_size[0])
        for j in range(conv.kernel_size[1])
    ]
    return torch.stack(parts, dim=2)


def _fits(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.weight[0].numel() <= LARGEST
