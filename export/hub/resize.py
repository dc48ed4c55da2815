"""Another picture size for a file whose size is fixed, where the graph itself does not depend on it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.folding import clean_up, fold_constants
from export.hub.passes.fuse_crop import fuse_crop
from export.hub.passes.fuse_instance_norm import fuse_instance_norm
from export.hub.passes.fuse_pixel_shuffle import fuse_pixel_shuffle
from export.hub.passes.rewrite import attribute, constant, dims, float_constant
from export.hub.shapes import forget_shapes, infer_shapes, is_image_shape
from validate.errors import BrushportError

ALL_THE_REST = np.iinfo(np.int32).max  # what exporters write as the end of a Slice that has none
MAX_ROUNDING = 32  # pixels by which an output may miss its proportion: strides and paddings round


def resize_model(model: ir.Model, size: tuple[int, int]) -> None:
    """Give the picture inputs ``size``; they have a static one so far, and nothing is folded yet.

    Sizes that were only written down as numbers are made relative first: a Resize to twice its input is one by
    the scale 2, a spelled-out pixel shuffle is DepthToSpace, a crop behind a transposed convolution its padding,
    a sum over the plane divided by its size an instance norm. Raises :class:`BrushportError` if a size is
    written into the graph otherwise, naming the node.
    """
    inputs = [value for value in model.graph.inputs if is_image_shape(value.shape)]
    old = {tuple(value.shape[2:]) for value in inputs}
    if len(old) != 1:
        raise BrushportError("The model's pictures have different sizes, so --size cannot change them; leave it out.")
    before = old.pop()
    forget_shapes(model)
    _set_size(inputs, ("height", "width"))  # so that only what does not follow from the size is folded
    fold_constants(model)
    _set_size(inputs, before)
    infer_shapes(model)
    for rewrite in (fuse_instance_norm, fuse_pixel_shuffle, fuse_crop, fuse_crop):
        rewrite(model)
    clean_up(model)
    for node in model.graph:
        if node.op_type == "Resize":
            _scale_by_factors(node)
        if _has_size_written_in(node):
            raise _fixed(before, f"node '{node.name}' ({node.op_type}) has it written in")
    proportions = [_proportion(value, before) for value in model.graph.outputs]
    _set_size(inputs, size)
    forget_shapes(model)
    try:
        infer_shapes(model)
    except BrushportError as error:
        raise BrushportError(
            f"{size[0]}x{size[1]} does not suit this network, made for {before[0]}x{before[1]}: its shapes do not fit "
            "together there; sides that 32 divides usually do."
        ) from error
    for value, expected in zip(model.graph.outputs, proportions, strict=True):
        if expected is not None and not _keeps_proportion(dims(value), size, expected):
            raise _fixed(before, f"at {size[0]}x{size[1]} its output '{value.name}' does not keep its proportion")


def _set_size(values: list[ir.Value], size: tuple) -> None:
    for value in values:
        value.shape = ir.Shape([*list(value.shape)[:2], *size])


def _fixed(size: tuple[int, int], why: str) -> BrushportError:
    return BrushportError(
        f"This file's size is fixed at {size[0]}x{size[1]}: {why}; leave --size out, or export the ONNX file again "
        "with an open height and width."
    )


def _proportion(value: ir.Value, size: tuple[int, int]) -> tuple[float, float] | None:
    shape = dims(value)
    return None if shape is None or len(shape) != 4 else (shape[2] / size[0], shape[3] / size[1])


def _keeps_proportion(shape: tuple | None, size: tuple[int, int], expected: tuple[float, float]) -> bool:
    if shape is None:  # it follows from values that are folded later
        return True
    misses = (abs(n - s * p) / p for n, s, p in zip(shape[2:], size, expected, strict=True))
    return shape[0] == 1 and all(miss <= MAX_ROUNDING for miss in misses)


def _scale_by_factors(node: ir.Node) -> None:
    """Of a Resize to constant sizes: the same by scales, if those are whole numbers or one over one."""
    x, y = dims(node.inputs[0]), dims(node.outputs[0])
    if len(node.inputs) < 4 or constant(node.inputs[3]) is None or x is None or y is None:
        return
    if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch" or "axes" in node.attributes:
        return
    if any(a % b and b % a for a, b in zip(x, y, strict=True)):
        return
    scales = np.array([b / a for a, b in zip(x, y, strict=True)])
    node.replace_input_with(3, None)
    node.replace_input_with(2, float_constant(node.graph, scales, "scales"))
    node.resize_inputs(3)


def _has_size_written_in(node: ir.Node) -> bool:
    """Whether a constant of ``node`` holds a height or width that would have to change with the picture's."""
    shape = dims(node.inputs[0]) if node.inputs else None
    if shape is None or len(shape) < 3:
        return False
    if node.op_type == "Resize":
        return len(node.inputs) > 3 and constant(node.inputs[3]) is not None
    if node.op_type in ("AveragePool", "MaxPool"):
        return attribute(node, "kernel_shape")[-2:] == shape[-2:] and max(shape[-2:]) > 1
    if node.op_type == "Slice":
        ends = constant(node.inputs[2])
        axes = constant(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] is not None else None
        axes = np.arange(len(ends)) if ends is not None and axes is None else axes
        if ends is None or axes is None:
            return False
        return any(a % len(shape) >= 2 and 0 < e < ALL_THE_REST for a, e in zip(axes, ends, strict=True))
    if node.op_type == "ReduceSum":  # which a constant may turn into a mean over this very plane
        axes = constant(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else None
        return axes is None or any(axis % len(shape) >= 2 for axis in axes)
    if node.op_type in ("Reshape", "Expand"):
        target = constant(node.inputs[1])
        return target is not None and any(d > 1 for d in target[2:])
    return False
