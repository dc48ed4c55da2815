"""One picture at a time for a file whose batch is fixed at more, where each picture is painted by itself.

f([a, b]) = [f(a), f(b)] for a network that does not mix its pictures; then f([a]) is the first of them. Whether that
holds is not read off the graph but tried: ONNX Runtime runs both on as many different pictures.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.folding import fold_constants
from export.hub.passes.rewrite import constant, new_constant
from export.hub.shapes import forget_shapes, infer_shapes, is_image_shape, shape_text
from validate.errors import BrushportError, short
from validate.sessions import cpu_session

MAX_DIFFERENCE = 1e-4  # of the outputs' largest magnitude: float32, summed in another order
TRIED_SIDE = 64  # pixels, where the file leaves the size open and none was asked for
SHAPE_INPUTS = {"Reshape": 1, "Expand": 1, "Resize": 3}  # the input that may have the batch written in, at index 0


def batch_of(model: ir.Model) -> int:
    """How many pictures the file takes at a time; 1 where that is open."""
    batches = (value.shape[0] for value in model.graph.inputs if is_image_shape(value.shape))
    return max((batch for batch in batches if isinstance(batch, int)), default=1)


def rebatch_model(model: ir.Model, size: tuple[int, int] | None) -> None:
    """Make the model take one picture; nothing is folded yet. ``size`` is tried where the file leaves it open.

    Raises :class:`BrushportError` if it does not give for one picture what it gives for that among others.
    """
    batch = batch_of(model)
    image = next(v for v in model.graph.inputs if is_image_shape(v.shape) and v.shape[0] == batch)
    refusal = (
        f"The input '{image.name}' takes {batch} at a time, {shape_text(image.shape)}, and cannot take one ({{}}); "
        "export the ONNX file again with batch size 1."
    )
    inputs = [v for v in model.graph.inputs if len(v.shape) and v.shape[0] == batch]
    feeds = _feeds(model, batch, size)
    together = _run(model, feeds)
    _set_batch(model, inputs, batch)
    try:
        infer_shapes(model)
    except BrushportError as error:
        raise BrushportError(refusal.format("it is written into the graph")) from error
    wanted = {v.name for v in inputs}
    for index in range(batch):
        one = {name: x[index : index + 1] if name in wanted else x for name, x in feeds.items()}
        try:
            alone = _run(model, one)
        except BrushportError as error:
            raise BrushportError(refusal.format("it is written into the graph")) from error
        if not all(_same(a, b[index : index + 1], batch, len(b)) for a, b in zip(alone, together, strict=True)):
            raise BrushportError(refusal.format("what it gives for one depends on the others"))


def _set_batch(model: ir.Model, inputs: list[ir.Value], batch: int) -> None:
    shapes = [list(value.shape) for value in inputs]
    forget_shapes(model)
    for value, shape in zip(inputs, shapes, strict=True):  # so that only what does not follow from the input is folded
        value.shape = ir.Shape([f"{value.name}_{axis}" if axis != 1 else d for axis, d in enumerate(shape)])
    fold_constants(model)
    for value, shape in zip(inputs, shapes, strict=True):
        value.shape = ir.Shape([1, *shape[1:]])
    for node in model.graph:
        position = SHAPE_INPUTS.get(node.op_type, len(node.inputs))
        target = constant(node.inputs[position]) if position < len(node.inputs) else None
        if target is not None and target.size > 1 and target[0] == batch:
            one = np.concatenate([[1], target[1:]]).astype(target.dtype)
            node.replace_input_with(position, new_constant(model.graph, one, f"{node.inputs[position].name}_one"))
    forget_shapes(model)


def _feeds(model: ir.Model, batch: int, size: tuple[int, int] | None) -> dict[str, np.ndarray]:
    """Random inputs in 0..1, zeros and ones of whole numbers; open dimensions are the batch, then ``size``."""
    open_dims = (batch, 1, *(size or (TRIED_SIDE, TRIED_SIDE)))
    rng = np.random.default_rng(0)
    shapes = {
        v.name: [d if isinstance(d, int) else open_dims[i] for i, d in enumerate(v.shape)] for v in model.graph.inputs
    }
    dtypes = {v.name: v.dtype.numpy() for v in model.graph.inputs}
    return {
        name: rng.random(shape, np.float32) if dtypes[name] == np.float32 else rng.integers(0, 2, shape, dtypes[name])
        for name, shape in shapes.items()
    }


def _run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        content = ir.to_proto(model).SerializeToString()
        return cpu_session(content, options).run(None, feeds)
    except Exception as error:  # onnxruntime raises its own classes, which derive from Exception alone
        raise BrushportError(f"ONNX Runtime cannot run the model: {short(error)}.") from error


def _same(alone: np.ndarray, one: np.ndarray, batch: int, together: int) -> bool:
    if together != batch or alone.shape != one.shape:
        return False
    return float(np.abs(alone - one).max(initial=0)) <= MAX_DIFFERENCE * max(1.0, float(np.abs(one).max(initial=0)))
