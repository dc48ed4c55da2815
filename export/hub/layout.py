"""Pictures are NCHW: an input or output that a file has as NHWC is turned, if the file turns it itself.

Files from TensorFlow take (1, H, W, 3) and transpose it at once to (1, 3, H, W), and the output back at the end.
Transpose(x) with x then given as that transpose is x: the operator goes and the port changes its layout.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.passes.rewrite import attribute, produced_by
from export.hub.shapes import IMAGE_CHANNELS, shape_text
from validate.errors import UnsupportedError

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def channels_first(model: ir.Model) -> list[str]:
    """Turn NHWC pictures to NCHW; returns a sentence about each that was turned.

    Raises :class:`UnsupportedError` for an NHWC input that is used otherwise.
    """
    notes = []
    for value in list(model.graph.inputs):
        if _is_channels_last(value.shape):
            _turn_input(model, value)
            notes.append(f"Input '{value.name}' is channels last in the file and NCHW in the hub.")
    for index, value in enumerate(model.graph.outputs):
        node = produced_by(value, "Transpose")
        if notes and node is not None and attribute(node, "perm") == TO_NHWC and not value.uses():
            _turn_output(model, index, node)
            notes.append(
                f"Output '{model.graph.outputs[index].name}' is channels last in the file and NCHW in the hub."
            )
    return notes


def _is_channels_last(shape: ir.Shape | None) -> bool:
    if shape is None or len(shape) != 4 or shape[3] not in IMAGE_CHANNELS:
        return False
    return shape[1] not in IMAGE_CHANNELS


def _turn_input(model: ir.Model, value: ir.Value) -> None:
    users = [use.node for use in value.uses()]
    if any(node.op_type != "Transpose" or attribute(node, "perm") != TO_NCHW for node in users):
        raise UnsupportedError(
            f"The input '{value.name}' is {shape_text(value.shape)}, channels last; export the ONNX file again with "
            "channels first, 1×3×H×W (tf2onnx: --inputs-as-nchw)."
        )
    n, h, w, c = value.shape
    value.shape = ir.Shape([n, c, h, w])
    for node in users:
        turned = node.outputs[0]
        if turned.is_graph_output():
            continue
        turned.replace_all_uses_with(value)
        model.graph.remove(node, safe=True)


def _turn_output(model: ir.Model, index: int, node: ir.Node) -> None:
    output, source = node.outputs[0], node.inputs[0]
    if source.is_graph_output() or source.is_graph_input() or source.producer() is None:
        return
    model.graph.outputs[index] = source
    source.name, output.name = output.name, f"{output.name}_channels_last"
    model.graph.remove(node, safe=True)
