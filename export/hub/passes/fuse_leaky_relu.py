"""max(x, αx) for α ≤ 1, min(x, αx) for α ≥ 1, where(x > 0, x, αx) and relu(x) + α·min(x, 0) = LeakyRelu(x; α).

With one α for each channel it is PRelu. min(x, 0), the negative part, is also written −relu(−x), ½(x − |x|),
x − relu(x) and as a Clip.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from export.hub.passes.rewrite import (
    channel_vector,
    constant,
    dims,
    float_constant,
    produced_by,
    replace,
    scalar,
    two_way,
)

ABOVE, BELOW = ("Greater", "GreaterOrEqual"), ("Less", "LessOrEqual")
Multiple = tuple[ir.Value, np.ndarray]
"""(x, c) for the product of a tensor x and constants c, in float64."""


def fuse_leaky_relu(model: ir.Model) -> int:
    """Fuse spelled-out LeakyRelu and PRelu; returns how many."""
    count = 0
    for node in list(model.graph):
        read = READERS.get(node.op_type)
        found = None if read is None or len(node.inputs) < 2 else read(node)
        count += found is not None and _write(node, *found)
    return count


def _write(node: ir.Node, x: ir.Value, slope: np.ndarray) -> bool:
    shape = dims(x)
    if shape is None or shape != dims(node.outputs[0]) or x.dtype is not ir.DataType.FLOAT:
        return False
    if slope.size == 1:
        alpha = float(slope.reshape(()))
        replace(node, lambda tape: tape.op("LeakyRelu", [x], {"alpha": alpha}))
        return True
    each = channel_vector(slope, len(shape), shape[1]) if len(shape) == 4 else None
    if each is None:
        return False
    slopes = float_constant(node.graph, each.reshape(-1, 1, 1), "slopes")
    replace(node, lambda tape: tape.op("PRelu", [x, slopes]))
    return True


def _read_extreme(node: ir.Node) -> Multiple | None:
    """max(x, αx) or min(x, αx)."""
    if len(node.inputs) != 2:
        return None
    for x, other in two_way(node):
        base, slope = multiple(other)
        if base is x and other is not x:
            right = slope <= 1 if node.op_type == "Max" else slope >= 1
            return (x, slope) if np.all(right) else None
    return None


def _read_where(node: ir.Node) -> Multiple | None:
    """where(x > 0, x, αx), with any of the four comparisons."""
    condition, yes, no = node.inputs
    compared = produced_by(condition, *ABOVE, *BELOW)
    if compared is None:
        return None
    (left, right), above = compared.inputs, compared.op_type in ABOVE
    if scalar(left) == 0.0:
        left, above = right, not above
    elif scalar(right) != 0.0:
        return None
    positive, negative = (yes, no) if above else (no, yes)
    base, slope = multiple(negative)
    return (left, slope) if positive is left and base is left and negative is not left else None


def _read_sum(node: ir.Node) -> Multiple | None:
    """relu(x) + α·min(x, 0), or with a minus."""
    pairs = two_way(node) if node.op_type == "Add" else [tuple(node.inputs)]
    for positive, rest in pairs:
        relu = produced_by(positive, "Relu")
        if relu is None:
            continue
        for x, slope in _negative_parts(rest):
            if x is relu.inputs[0]:
                return x, slope if node.op_type == "Add" else -slope
    return None


def _negative_parts(value: ir.Value) -> list[Multiple]:
    """Each (x, c) such that ``value`` is c · min(x, 0)."""
    base, factor = multiple(value)
    node = base.producer()
    if node is None:
        return []
    if node.op_type == "Min" and len(node.inputs) == 2:
        return [(x, factor) for x, zero in two_way(node) if scalar(zero) == 0.0]
    if node.op_type == "Clip":
        low, high = [*node.inputs[1:], None, None][:2]
        unbounded = low is None or (scalar(low) is not None and scalar(low) <= np.finfo(np.float32).min)
        return [(node.inputs[0], factor)] if unbounded and scalar(high) == 0.0 else []
    if node.op_type == "Relu":
        x, sign = multiple(node.inputs[0])
        return [(x, -factor)] if np.all(sign == -1) else []
    if node.op_type == "Sub":
        x, other = node.inputs
        if (part := produced_by(other, "Abs", "Relu")) is not None and part.inputs[0] is x:
            return [(x, factor * (2.0 if part.op_type == "Abs" else 1.0))]
    return []


def multiple(value: ir.Value) -> Multiple:
    """(x, c) such that ``value`` is c · x, with every constant factor in c."""
    factor = np.ones(())
    while (node := produced_by(value, "Mul", "Div", "Neg")) is not None and constant(value) is None:
        if node.op_type == "Neg":
            value, factor = node.inputs[0], -factor
            continue
        array, x = constant(node.inputs[1]), node.inputs[0]
        if array is None and node.op_type == "Mul":
            array, x = constant(node.inputs[0]), node.inputs[1]
        if array is None or array.dtype != np.float32 or dims(x) != dims(value) or not np.all(array):
            break
        value = x
        factor = factor * array if node.op_type == "Mul" else factor / array.astype(np.float64)
    return value, np.asarray(factor, np.float64)


READERS = {"Max": _read_extreme, "Min": _read_extreme, "Where": _read_where, "Add": _read_sum, "Sub": _read_sum}
