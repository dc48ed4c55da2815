"""Every output of the file stays one output, of its own name, whatever was found to be equal.

Two names for one value become one in the passes that remove Identity and repeated nodes; y = Identity(x) brings the
lost name back. The hub's promise is that no two of its inputs and outputs are one value or share a name.
"""

from __future__ import annotations

import onnx_ir as ir


def restore_outputs(model: ir.Model, names: list[str]) -> list[str]:
    """Give ``model`` the outputs ``names`` again; returns a sentence about each that had to take another name.

    Raises nothing: an output that is an input and has its name is renamed, since no target can tell the two apart.
    """
    graph, notes = model.graph, []
    inputs = {value.name for value in graph.inputs}
    taken: set[ir.Value] = set(graph.inputs)
    for index, name in enumerate(names):
        value = graph.outputs[index]
        if value.name == name and value not in taken and value.producer() is not None:
            taken.add(value)
            continue
        wanted = name
        if name in inputs or name in names[:index]:
            wanted = _free_name(graph, name, names)
            notes.append(f"The output '{name}' is called '{wanted}' in the hub, because the name has another owner.")
        for other in _values(graph):
            if other.name == wanted:
                other.name = _free_name(graph, wanted, names)
        if wanted in graph.initializers:  # a constant that the file gives out under this name
            constant = graph.initializers.pop(wanted)
            constant.name = _free_name(graph, wanted, names)
            graph.initializers.add(constant)
        copy = ir.node("Identity", [value], name=f"{wanted}_copy")
        copy.outputs[0].name, copy.outputs[0].type, copy.outputs[0].shape = wanted, value.type, value.shape
        graph.append(copy)
        graph.outputs[index] = copy.outputs[0]
        taken.add(copy.outputs[0])
    return notes


def _values(graph: ir.Graph) -> list[ir.Value]:
    return [value for node in graph for value in node.outputs]


def _free_name(graph: ir.Graph, name: str, reserved: list[str]) -> str:
    used = {*reserved, *graph.initializers, *(v.name for v in (*graph.inputs, *_values(graph)))}
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"
