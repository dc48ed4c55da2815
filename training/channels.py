"""Which channels of a hub's network go together, and what removing each would save and cost.

Torch-Pruning's dependency graph tells what has to go with an output channel of a convolution: the next layers'
input channels, the norm's scale and shift, the style's row of a conditional norm, the other branches of a residual
sum. A :class:`Family` is a set of such channels of which any may be removed by itself.

Fang, Ma, Song, Mi and Wang, "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod

import torch
from torch import nn

from training.hub_layers import Convolution, Product
from training.hub_network import HubNetwork

TRACED_SIDE = 64  # pixels of the picture that the network is traced with, where it takes other sizes
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
# Operators that give channels another number or order; the channels they read stay.
_BARRIERS = ("DepthToSpace", "SpaceToDepth", "Reshape", "Transpose", "Flatten", "Slice", "MatMul", "Gemm", "Softmax")


@dataclass
class Family:
    """Channels of ``root``'s output. ``uses[c]`` lists the (layer, side, index) that go with channel ``c``,
    where ``side`` is "in" or "out"."""

    root: nn.Module
    name: str
    uses: list[list[tuple[nn.Module, str, int]]] = field(repr=False)


def dependency_graph(network: HubNetwork, inputs: tuple[torch.Tensor, ...]):
    """Torch-Pruning's graph of ``network``, traced on ``inputs``."""
    import torch_pruning

    named = [(parameter, _channel_axis(parameter)) for parameter in _loose_parameters(network)]
    return torch_pruning.DependencyGraph().build_dependency(
        network, inputs, unwrapped_parameters=[pair for pair in named if pair[1] is not None], verbose=False
    )


def families(network: HubNetwork, graph) -> list[Family]:
    """The families of channels of ``network`` that may be thinned, by the dependency ``graph`` of it.

    Left out are channels that reach an output, or an operator that gives channels another order or number.
    """
    fixed = _fixed_layers(network)
    found, taken = [], set()
    for node, module in network.graph_nodes():
        layer = layer_of(module)
        if not isinstance(module, Convolution) or layer in taken or layer.groups != 1 or layer not in graph.module2node:
            continue
        pruner = graph.get_pruner_of_module(layer)
        count = pruner.get_out_channels(layer)
        group = graph.get_pruning_group(layer, pruner.prune_out_channels, list(range(count)))
        uses: list[list] = [[] for _ in range(count)]
        members = set()
        for item in group:
            target, handler = item.dep.target.module, item.dep.handler
            side = "in" if graph.is_in_channel_pruning_fn(handler) else "out"
            if isinstance(target, (*LAYERS, nn.InstanceNorm2d, nn.Parameter)):
                if graph.is_out_channel_pruning_fn(handler):
                    side = "out"
                members.add((target, side))
                for index, origin in zip(item.idxs, item.root_idxs, strict=True):
                    uses[origin].append((target, side, index))
        outs = {target for target, side in members if side == "out"}
        taken |= outs
        if not outs & fixed and _consistent(uses):
            found.append(Family(layer, node.name or node.outputs[0].name, uses))
    return found


def layer_of(module: nn.Module) -> nn.Module | None:
    """The torch layer inside a node's module, where there is one with weights over channels."""
    if isinstance(module, Convolution):
        return module.conv
    return module.linear if isinstance(module, Product) else None


def _consistent(uses: list[list]) -> bool:
    """Whether each channel has as many uses as any other: what the tracing did not follow shows here."""
    return len({len(use) for use in uses}) == 1


def _loose_parameters(network: HubNetwork) -> Iterable[nn.Parameter]:
    """Constants of elementwise nodes, which belong to no layer."""
    for module in network.nodes:
        for name, parameter in module.named_parameters(recurse=False):
            del name
            yield parameter


def _channel_axis(parameter: nn.Parameter) -> int | None:
    """The axis of a constant that lies along the channels of a picture (1, C, 1, 1) or (C, 1, 1), or of a row."""
    longer = [axis for axis, length in enumerate(parameter.shape) if length > 1]
    if len(longer) != 1:
        return None
    from_end = parameter.ndim - longer[0]
    return longer[0] if from_end == 3 or (from_end == 1 and parameter.ndim <= 2) else None


def _fixed_layers(network: HubNetwork) -> set[nn.Module]:
    """Layers whose output channels cannot go."""
    modules = {node: module for node, module in network.graph_nodes()}
    fixed: set[nn.Module] = set()
    pending = [value.producer() for value in network.graph_outputs()]
    for node, module in modules.items():
        unclear = any(
            isinstance(parameter, nn.Parameter) and parameter.numel() > 1 and _channel_axis(parameter) is None
            for parameter in module.parameters(recurse=False)
        )
        grouped = isinstance(module, Convolution) and 1 < module.groups != module.conv.out_channels
        grouped = grouped or (
            isinstance(module, Convolution)
            and module.conv.in_channels != module.conv.out_channels
            and module.groups > 1
        )
        if node.op_type in _BARRIERS or unclear or grouped:
            pending += [value.producer() for value in node.inputs if value is not None]
        if grouped:
            fixed.add(module.conv)
    seen = set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        layer = layer_of(modules[node])
        if layer is not None:
            fixed.add(layer)
            if getattr(layer, "groups", 1) == 1:
                continue
        pending += [value.producer() for value in node.inputs if value is not None]
    return fixed


class Work:
    """Multiply-accumulates of a network's layers as their channels go; depthwise layers count once."""

    def __init__(self, network: HubNetwork):
        self.each: dict[nn.Module, int] = {}  # for one input and one output channel
        self.channels: dict[nn.Module, dict[str, int]] = {}
        for node, module in network.graph_nodes():
            layer = layer_of(module)
            if layer is None:
                continue
            if isinstance(layer, nn.Linear):
                self.each[layer] = prod(node.outputs[0].shape[:-1])
                self.channels[layer] = {"in": layer.in_features, "out": layer.out_features}
                continue
            planes = node.inputs[0] if isinstance(layer, nn.ConvTranspose2d) else node.outputs[0]
            self.each[layer] = prod(planes.shape[2:]) * prod(layer.kernel_size)
            inputs = layer.in_channels // layer.groups  # 1 of a depthwise layer, which stays 1
            self.channels[layer] = {"in": inputs, "out": layer.out_channels}

    def total(self, gone: dict[tuple[nn.Module, str], int] | None = None) -> int:
        """With ``gone`` channels removed, by (layer, side)."""
        gone = gone or {}
        return sum(
            each * prod(count - gone.get((layer, side), 0) for side, count in self.channels[layer].items())
            for layer, each in self.each.items()
        )

    def saved(self, uses: Iterable[tuple[nn.Module, str, int]], gone: dict[tuple[nn.Module, str], int]) -> int:
        """By removing one channel with these ``uses`` when ``gone`` are gone already."""
        more: dict[tuple[nn.Module, str], int] = {}
        for layer, side, _ in uses:
            more[layer, side] = more.get((layer, side), 0) + 1
        layers = {layer for layer, _ in more if layer in self.each}
        saved = 0
        for layer in layers:
            before = {side: count - gone.get((layer, side), 0) for side, count in self.channels[layer].items()}
            after = {side: count - more.get((layer, side), 0) for side, count in before.items()}
            saved += self.each[layer] * (prod(before.values()) - prod(after.values()))
        return saved
