"""A hub as a torch module: the same function, trainable, and written back as the same graph with new weights."""

from __future__ import annotations

import copy

import onnx
import onnx_ir as ir
import torch
from torch import nn

from training import hub_layers, hub_moves, hub_rounding  # noqa: F401  (they register their operators)
from training.hub_operators import module_of


class HubNetwork(nn.Module):
    """Computes what the graph of a hub computes, in float32.

    ``model`` is an ``ir.Model`` as :func:`export.hub.load_hub` makes it: static shapes, constants as initializers.
    Every node becomes a module of ``nodes`` in the graph's order, which holds copies of its own constants, so
    weights that two nodes shared are trained apart. Batches larger than the graph's are fine, and so are other
    sizes of picture where no node depends on it. Raises :class:`UnsupportedError` naming a node that has no
    counterpart in :mod:`training.hub_operators`.
    """

    def __init__(self, model: ir.Model):
        super().__init__()
        self._model = model.clone()
        graph = self._model.graph
        self.inputs = [value.name for value in graph.inputs if not value.is_initializer()]
        self.outputs = [value.name for value in graph.outputs]
        self.nodes = nn.ModuleList()
        self._calls: list[tuple[tuple[str | None, ...], list[str]]] = []
        last_use: dict[str, int] = {}
        for index, node in enumerate(graph):
            self.nodes.append(module_of(node))
            names = tuple(None if v is None or v.is_initializer() else v.name for v in node.inputs)
            self._calls.append((names, [value.name for value in node.outputs]))
            last_use.update((name, index) for name in names if name is not None)
        self._done = [
            [name for name, last in last_use.items() if last == index and name not in self.outputs]
            for index in range(len(self._calls))
        ]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """The outputs for ``inputs`` in the graph's order; a single output comes without a tuple."""
        values = self.start(inputs)
        for index in range(len(self.nodes)):
            self.step(index, values)
        results = tuple(values[name] for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def start(self, inputs: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
        """The values by name that :meth:`step` goes on from."""
        return dict(zip(self.inputs, inputs, strict=True))

    def step(self, index: int, values: dict[str, torch.Tensor], keep: bool = False) -> None:
        """Compute node number ``index`` into ``values``, and drop what it was the last to read unless ``keep``."""
        names, outputs = self._calls[index]
        results = self.nodes[index](*(None if name is None else values[name] for name in names))
        values.update(zip(outputs, results if isinstance(results, tuple) else (results,), strict=True))
        if not keep:
            self.forget(index, values)

    def forget(self, index: int, values: dict[str, torch.Tensor]) -> None:
        """Drop from ``values`` what nothing after node number ``index`` reads."""
        for name in self._done[index]:
            del values[name]

    def graph_nodes(self) -> list[tuple[ir.Node, nn.Module]]:
        """Each node of the graph with its module; the nodes are not to be changed."""
        return list(zip(self._model.graph, self.nodes, strict=True))

    def graph_outputs(self) -> list[ir.Value]:
        """The values that the graph gives."""
        return list(self._model.graph.outputs)

    def copy(self) -> HubNetwork:
        """Another network of the same graph and weights."""
        model, self._model = self._model, None
        try:
            twin = copy.deepcopy(self)
        finally:
            self._model = model
        twin._model = model.clone()
        return twin

    def to_model(self) -> ir.Model:
        """The graph with the weights as they are now, whatever their shapes have become, and its shapes inferred."""
        model = self._model.clone()
        graph = model.graph
        for node, module in zip(graph, self.nodes, strict=True):
            for index, tensor in getattr(module, "held", {}).items():
                name = f"{node.name or node.outputs[0].name}_{index}_trained"
                array = tensor.detach().cpu().contiguous().numpy()
                node.replace_input_with(index, _initializer(graph, name, array))
            if hasattr(module, "groups"):
                node.attributes["group"] = ir.AttrInt64("group", module.groups)
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del graph.initializers[name]
        return with_shapes(model)


def with_shapes(model: ir.Model) -> ir.Model:
    """``model`` with the shapes between inputs and outputs inferred anew."""
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True))
    inferred.metadata_props.update(model.metadata_props)
    return inferred


def _initializer(graph: ir.Graph, name: str, array) -> ir.Value:
    while name in graph.initializers:
        name = f"{name}_anew"
    tensor = ir.tensor(array.copy(), name=name)
    value = ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value
