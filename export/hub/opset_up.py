"""Operators of opset 7 and later as ``HUB_OPSET`` writes them, one change of the standard a function.

Each function turns a node of an older opset into one that computes the same from opset ``since`` on; the changelog
https://github.com/onnx/onnx/blob/main/docs/Changelog.md states what changed. A version that only takes more types, or
gains inputs and attributes whose defaults are the old meaning, needs no function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import attribute, new_constant
from validate.errors import UnsupportedError

OLDEST_OPSET = 7  # broadcasting as it is today; before, every binary operator had an axis of its own
SIMPLE_NEAREST = "brushport.resize_10"  # marks a Resize of opset 10 whose rounding hangs on scales not known yet
REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")

Step = Callable[[ir.Node], None]
_steps: dict[str, dict[int, Step]] = {}


def changed(since: int, *op_types: str) -> Callable[[Step], Step]:
    """Decorator: the function brings nodes of these operators from the opset before ``since`` to ``since``."""

    def register(step: Step) -> Step:
        for op_type in op_types:
            if since in _steps.setdefault(op_type, {}):
                raise ValueError(f"{op_type} of opset {since} is registered twice.")
            _steps[op_type][since] = step
        return step

    return register


def raise_node(node: ir.Node, version: int) -> None:
    """Rewrite ``node``, of opset ``version``, in place and in its graph; its subgraphs are not looked at.

    Raises :class:`UnsupportedError` naming the node if today's operators cannot express what it asks for.
    """
    while steps := [since for since in _steps.get(node.op_type, ()) if since > version]:
        version = min(steps)
        _steps[node.op_type][version](node)


@changed(14, "BatchNormalization")
def batch_normalization(node: ir.Node) -> None:
    """Inference has one output; ``spatial`` is gone, and with it statistics per pixel."""
    if attribute(node, "spatial", 1) != 1:
        raise _unsupported(node, "its statistics are per pixel (spatial=0)")
    _drop(node, "spatial")
    _keep_outputs(node, 1)


@changed(12, "Dropout")
def dropout(node: ir.Node) -> None:
    """At inference it hands its input on; its mask is not boolean before opset 10."""
    _drop(node, "ratio")
    _keep_outputs(node, 1)
    node.op_type = "Identity"


@changed(11, "Clip")
def clip(node: ir.Node) -> None:
    """The bounds are inputs."""
    for index, name in enumerate(("min", "max"), start=1):
        if name in node.attributes:
            _give(node, index, np.float32(attribute(node, name)), name)
            _drop(node, name)


@changed(11, "Pad")
def pad(node: ir.Node) -> None:
    """Widths and value are inputs."""
    _give(node, 1, np.asarray(attribute(node, "pads", ()), np.int64), "pads")
    if attribute(node, "mode", "constant") == "constant":
        _give(node, 2, np.float32(attribute(node, "value", 0.0)), "value")
    _drop(node, "pads", "value")


@changed(10, "Slice")
def slice_(node: ir.Node) -> None:
    """Starts, ends and axes are inputs."""
    for index, name in enumerate(("starts", "ends", "axes"), start=1):
        if name in node.attributes:
            _give(node, index, np.asarray(attribute(node, name), np.int64), name)
    _drop(node, "starts", "ends", "axes")


@changed(10, "TopK")
def top_k(node: ir.Node) -> None:
    """How many is an input."""
    _give(node, 1, np.asarray([attribute(node, "k")], np.int64), "k")
    _drop(node, "k")


@changed(13, "Squeeze", "Unsqueeze", "ReduceSum")
@changed(18, *(f"Reduce{kind}" for kind in REDUCTIONS))
def axes_as_input(node: ir.Node) -> None:
    """The axes are an input."""
    axes = attribute(node, "axes", ())
    if axes:
        _give(node, 1, np.asarray(axes, np.int64), "axes")
    _drop(node, "axes")


@changed(13, "Split")
def split_sizes(node: ir.Node) -> None:
    """The sizes are an input."""
    sizes = attribute(node, "split", ())
    if sizes:
        _give(node, 1, np.asarray(sizes, np.int64), "split")
    _drop(node, "split")


@changed(18, "Split")
def split_evenly(node: ir.Node) -> None:
    """Equal parts have to be counted."""
    if len(node.inputs) < 2 or node.inputs[1] is None:
        node.attributes["num_outputs"] = ir.AttrInt64("num_outputs", len(node.outputs))


@changed(13, "Softmax", "LogSoftmax", "Hardmax")
def softmax(node: ir.Node) -> None:
    """One axis is normalized; before, all from ``axis`` (by default 1) on, flattened into one.

    Softmax(X, axis) = Reshape(Softmax(Flatten(X, axis), -1), Shape(X)).
    """
    axis, x, y = attribute(node, "axis", 1), node.inputs[0], node.outputs[0]
    node.attributes["axis"] = ir.AttrInt64("axis", -1)
    if axis == -1 or (x.shape is not None and axis == len(x.shape) - 1):
        return
    shape = ir.node("Shape", [x])
    flat = ir.node("Flatten", [x], {"axis": axis})
    inner = ir.node(node.op_type, [flat.outputs[0]], {"axis": -1}, name=node.name)
    back = ir.node("Reshape", [inner.outputs[0], shape.outputs[0]])
    ir.convenience.replace_nodes_and_values(
        node.graph, node, [node], [shape, flat, inner, back], [y], [back.outputs[0]]
    )


@changed(10, "Upsample")
def upsample(node: ir.Node) -> None:
    """Deprecated for Resize; the scales, at least 1, are an attribute before opset 9."""
    if "scales" in node.attributes:
        _give(node, 1, np.asarray(attribute(node, "scales"), np.float32), "scales")
        _drop(node, "scales")
    node.op_type = "Resize"


@changed(11, "Resize")
def resize(node: ir.Node) -> None:
    """Coordinates are what is called asymmetric today; nearest rounds down, or up along an axis that shrinks."""
    mode = attribute(node, "mode", "nearest")
    mode = "linear" if mode in ("bilinear", "trilinear") else mode
    node.attributes["mode"] = ir.AttrString("mode", mode)
    node.attributes["coordinate_transformation_mode"] = ir.AttrString("coordinate_transformation_mode", "asymmetric")
    scales = node.inputs[1]
    node.resize_inputs(3)
    node.replace_input_with(1, None)
    node.replace_input_with(2, scales)
    if mode == "nearest":
        node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "floor")
        node.metadata_props[SIMPLE_NEAREST] = "1"


@changed(18, "Resize")
def resize_inputs(node: ir.Node) -> None:
    """Empty tensors no longer stand for missing inputs."""
    crops = attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    for index, value in enumerate(node.inputs):
        tensor = None if value is None else ir.convenience.get_const_tensor(value)
        empty = tensor is not None and tensor.size == 0
        if index and (empty or (index == 1 and not crops)):
            node.replace_input_with(index, None)
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        node.replace_input_with(2, None)


@changed(11, "Scatter")
def scatter(node: ir.Node) -> None:
    """Renamed."""
    node.op_type = "ScatterElements"


@changed(16, "RoiAlign")
def roi_align(node: ir.Node) -> None:
    """The default moved by half a pixel."""
    node.attributes["coordinate_transformation_mode"] = ir.AttrString(
        "coordinate_transformation_mode", "output_half_pixel"
    )


@changed(20, "GridSample")
def grid_sample(node: ir.Node) -> None:
    """The modes have names that do not say how many dimensions there are."""
    mode = attribute(node, "mode", "bilinear")
    node.attributes["mode"] = ir.AttrString("mode", {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode))


@changed(20, "DFT")
def dft(node: ir.Node) -> None:
    """The axis is an input."""
    _give(node, 2, np.int64(attribute(node, "axis", 1)), "axis")
    _drop(node, "axis")


@changed(21, "GroupNormalization")
def group_normalization(node: ir.Node) -> None:
    """Scale and bias have one number for each channel, not for each group; each is repeated C / groups times."""
    groups = attribute(node, "num_groups")
    for index in (1, 2):
        value = node.inputs[index]
        if value.shape is not None and len(value.shape) == 1 and value.shape[0] not in (1, groups):
            return  # some exporters wrote one for each channel all along
    channels = ir.node("Shape", [node.inputs[0]], {"start": 1, "end": 2})
    many = _constant(node, np.asarray([groups], np.int64), "groups")
    each = ir.node("Div", [channels.outputs[0], many])
    shape = ir.node("Concat", [_constant(node, np.ones(1, np.int64), "one"), each.outputs[0]], {"axis": 0})
    node.graph.insert_before(node, [channels, each, shape])
    for index in (1, 2):
        column = ir.node("Reshape", [node.inputs[index], _constant(node, np.asarray([-1, 1]), "column")])
        repeated = ir.node("Expand", [column.outputs[0], shape.outputs[0]])
        flat = ir.node("Reshape", [repeated.outputs[0], _constant(node, np.asarray([-1]), "flat")])
        node.graph.insert_before(node, [column, repeated, flat])
        node.replace_input_with(index, flat.outputs[0])


def settle_nearest(node: ir.Node, scales: np.ndarray) -> None:
    """Give a Resize that :data:`SIMPLE_NEAREST` marks the rounding that its scales, constants by now, ask for.

    Where it makes one side smaller and another larger it becomes two, as nearest treats every axis by itself.
    """
    if not node.metadata_props.pop(SIMPLE_NEAREST, None) or not (scales < 1).any():
        return
    if (scales > 1).any():
        grow = ir.node("Resize", [node.inputs[0], None, None], node.attributes)
        grow.replace_input_with(2, _constant(node, np.maximum(scales, 1).astype(np.float32), "grow"))
        node.graph.insert_before(node, grow)
        node.replace_input_with(0, grow.outputs[0])
        node.replace_input_with(2, _constant(node, np.minimum(scales, 1).astype(np.float32), "shrink"))
    node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "ceil")


def _give(node: ir.Node, index: int, array: np.ndarray, hint: str) -> None:
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, _constant(node, array, hint))


def _constant(node: ir.Node, array: np.ndarray, hint: str) -> ir.Value:
    return new_constant(node.graph, np.asarray(array), f"{node.outputs[0].name}_{hint}")


def _drop(node: ir.Node, *names: str) -> None:
    for name in names:
        node.attributes.pop(name, None)


def _keep_outputs(node: ir.Node, count: int) -> None:
    for value in node.outputs[count:]:
        if value.uses() or value.is_graph_output():
            raise _unsupported(node, f"its output '{value.name}' is only there while training")
    node.resize_outputs(count)


def _unsupported(node: ir.Node, reason: str) -> UnsupportedError:
    return UnsupportedError(f"Node '{node.name}' ({node.op_type}) cannot be brought to a newer opset: {reason}.")
