"""Pictures that go in as uint8 go in as float32 of the same 0..255: Cast(x: uint8 → float) = x when x is a float.

Every uint8 number is a float32 number, so the network computes the same. Both targets take 8-bit pictures at their
doors anyway, and a picture that the hub holds in float is compared, sized and scaled as every other.
"""

from __future__ import annotations

import onnx_ir as ir

from export.hub.input_range import BYTES, Range

REASON = "the file takes it as bytes"


def widen_byte_pictures(model: ir.Model) -> tuple[Range, str] | None:
    """Make each uint8 input of rank 4 that only Casts to float32 read a float32 input.

    Returns the range that the pictures then have with the reason, or ``None`` where there is no such input.
    """
    widened = [value for value in model.graph.inputs if value.dtype is ir.DataType.UINT8 and _is_only_cast(value)]
    for value in widened:
        value.dtype = ir.DataType.FLOAT
        for use in list(value.uses()):
            ir.convenience.replace_all_uses_with(use.node.outputs[0], value, replace_graph_outputs=True)
            model.graph.remove(use.node, safe=True)
    return (BYTES, REASON) if widened else None


def _is_only_cast(value: ir.Value) -> bool:
    rank4 = value.shape is not None and len(value.shape) == 4
    casts = [use.node for use in value.uses() if use.node.op_type == "Cast"]
    to_float = all(node.attributes["to"].as_int() == ir.DataType.FLOAT for node in casts)
    return rank4 and bool(casts) and len(casts) == len(value.uses()) and to_float and not value.is_graph_output()
