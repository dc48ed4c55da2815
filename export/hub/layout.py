"""Pictures are NCHW: an input or output that a file has as NHWC changes its layout, whatever is done with it.

Files from TensorFlow take (1, H, W, 3) and give (1, H, W, 3). Such an input becomes (1, 3, H, W) and a Transpose
back to NHWC is put behind it; an NHWC output gets a Transpose to NCHW. :func:`~export.hub.passes.simplify` then
moves these through the graph and cancels them with the file's own.

The shape alone does not decide: 1×8×8×3 that goes into a convolution of 8 channels is NCHW. So the input is followed
through operators that work element by element until a Transpose or an operator of fixed layout tells.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, produced_by
from export.hub.shapes import IMAGE_CHANNELS

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
FIXED_LAYOUT_OPS = (
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalLpPool",
    "GlobalMaxPool", "GridSample", "GroupNormalization", "InstanceNormalization", "LRN", "LpPool", "MaxPool",
    "SpaceToDepth",
)  # fmt: skip
LAYOUT_FREE_OPS = (
    "Abs", "Add", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "Dropout", "Exp", "Identity", "LeakyRelu", "Log",
    "Max", "Min", "Mul", "Neg", "Pad", "Pow", "QuantizeLinear", "Relu", "Sigmoid", "Slice", "Split", "Sqrt", "Sub",
    "Sum", "Tanh",
)  # fmt: skip
MAX_FOLLOWED = 64  # nodes that are looked at behind an input


def channels_first(model: ir.Model) -> list[str]:
    """Turn NHWC pictures that the model takes to NCHW; returns a sentence about each."""
    notes = []
    for value in list(model.graph.inputs):
        if not value.is_graph_output() and _takes_channels_last(value):
            _turn_input(model, value)
            notes.append(f"Input '{value.name}' is channels last in the file and NCHW in the hub.")
    return notes


def outputs_channels_first(model: ir.Model, turned: bool) -> list[str]:
    """Turn NHWC pictures that the model gives to NCHW; returns a sentence about each.

    Two of three signs are asked for: 1 or 3 channels at the end of the shape, a Transpose to NHWC as the last operator,
    and ``turned``, that the model took NHWC. Shapes must be static.
    """
    notes = []
    for index, value in enumerate(model.graph.outputs):
        node = produced_by(value, "Transpose")
        signs = _is_channels_last(value.shape), turned, node is not None and attribute(node, "perm") == TO_NHWC
        if sum(signs) >= 2 and value.producer() is not None and list(model.graph.outputs).count(value) == 1:
            _turn_output(model, index, value)
            name = model.graph.outputs[index].name
            notes.append(f"Output '{name}' is channels last in the file and NCHW in the hub.")
    return notes


def _is_channels_last(shape: ir.Shape | None) -> bool:
    if shape is None or len(shape) != 4 or shape[3] not in IMAGE_CHANNELS:
        return False
    return shape[1] not in IMAGE_CHANNELS


def _takes_channels_last(value: ir.Value) -> bool:
    if value.shape is None or len(value.shape) != 4 or value.shape[1] in IMAGE_CHANNELS:
        return False
    layouts = _layouts_behind(value)
    if _is_channels_last(value.shape):
        return "NCHW" not in layouts
    return layouts == {"NHWC"}


def _layouts_behind(value: ir.Value) -> set[str]:
    """What the operators behind ``value`` take it for: NHWC, NCHW, both or nothing."""
    found, waiting, seen = set(), [value], 0
    while waiting and seen < MAX_FOLLOWED:
        for use in waiting.pop().uses():
            node, seen = use.node, seen + 1
            if node.op_type == "Transpose" and attribute(node, "perm") == TO_NCHW:
                found.add("NHWC")
            elif node.op_type in FIXED_LAYOUT_OPS and use.idx == 0:
                found.add("NCHW")
            elif node.op_type in LAYOUT_FREE_OPS:
                waiting.extend(node.outputs)
    return found


def _turn_input(model: ir.Model, value: ir.Value) -> None:
    n, h, w, c = value.shape
    users = [(use.node, use.idx) for use in value.uses()]
    back = ir.node("Transpose", [value], {"perm": TO_NHWC}, name=f"{value.name}_channels_last")
    back.outputs[0].name, back.outputs[0].dtype = f"{value.name}_channels_last", value.dtype
    back.outputs[0].shape = ir.Shape([n, h, w, c])
    value.shape = ir.Shape([n, c, h, w])
    for node, index in users:
        node.replace_input_with(index, back.outputs[0])
    model.graph.insert_before(model.graph[0], back)
    for node in [use.node for use in list(back.outputs[0].uses())]:
        turned = node.outputs[0]
        if node.op_type == "Transpose" and attribute(node, "perm") == TO_NCHW and not turned.is_graph_output():
            turned.replace_all_uses_with(value)
            model.graph.remove(node, safe=True)
    if not back.outputs[0].uses():
        model.graph.remove(back, safe=True)


def _turn_output(model: ir.Model, index: int, value: ir.Value) -> None:
    n, h, w, c = value.shape
    node = ir.node("Transpose", [value], {"perm": TO_NCHW}, name=f"{value.name}_channels_first")
    output = node.outputs[0]
    output.name, value.name = value.name, f"{value.name}_channels_last"
    output.dtype, output.shape = value.dtype, ir.Shape([n, c, h, w])
    model.graph.append(node)
    model.graph.outputs[index] = output
