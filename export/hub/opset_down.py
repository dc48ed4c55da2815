"""Operators newer than ``HUB_OPSET`` in its own: relabeled where only types were added, otherwise expanded.

What a newer version gained (an attribute, an input) may be left out where a node does not use it, or uses its
default. Operators that the standard defines by a function of older ones are replaced by that function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.model import HUB_OPSET
from export.hub.passes.rewrite import attribute, dims, new_constant, replace
from validate.errors import UnsupportedError

# The standard defines these by older operators, and onnx.inliner puts in the definition.
EXPANDED = (
    "Attention",
    "CausalConvWithState",
    "RMSNormalization",
    "RotaryEmbedding",
)
TYPED = ("CumProd", "Mod", "SpaceToDepth")  # rewritten here by a rule that needs dtypes or shapes
NEWEST_DTYPE = ir.DataType.INT4  # of opset 21; numbered in the order in which they came

Step = Callable[[ir.Node], None]


def expand_functions(model: ir.Model, version: int) -> ir.Model:
    """Replace the operators in :data:`EXPANDED` by their definition, and find out what the other rules need.

    Returns ``model`` itself where there is nothing to expand. Raises what onnx raises.
    """
    found = {node.op_type for node in ir.traversal.RecursiveGraphIterator(model.graph)}
    if version <= HUB_OPSET or not found & {*EXPANDED, *TYPED}:
        return model
    _state_defaults(model, version)  # which the definitions refer to, and the inliner does not fill in
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), data_prop=True)
    if found & set(EXPANDED):
        # The inliner looks up the type even of an input that is left out, whose name is empty.
        proto.graph.value_info.add(name="").type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        names = [("", name) for name in EXPANDED]
        proto = onnx.inliner.inline_selected_functions(proto, names, inline_schema_functions=True)
        proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    return ir.from_proto(proto)


def _state_defaults(model: ir.Model, version: int) -> None:
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.op_type not in EXPANDED:
            continue
        for name, a in onnx.defs.get_schema(node.op_type, version).attributes.items():
            if name not in node.attributes and a.default_value.name:
                node.attributes[name] = ir.serde.deserialize_attribute(a.default_value)


def lower_node(node: ir.Node, version: int) -> None:
    """Make ``node``, of opset ``version`` > ``HUB_OPSET``, one of ``HUB_OPSET``, or several in its place.

    Raises :class:`UnsupportedError` naming the node if the hub's operators cannot express it.
    """
    rule = _RULES.get(node.op_type)
    if rule is not None:
        rule(node)
        return
    if not onnx.defs.has(node.op_type, HUB_OPSET):
        raise _unsupported(node, f"opset {HUB_OPSET} has no such operator")
    relabel(node, version)


def relabel(node: ir.Node, version: int) -> None:
    """Leave out what only the newer version has; raises :class:`UnsupportedError` if the node depends on it."""
    new, old = onnx.defs.get_schema(node.op_type, version), onnx.defs.get_schema(node.op_type, HUB_OPSET)
    if new.since_version == old.since_version:
        return
    for name in [name for name in node.attributes if name not in old.attributes]:
        default = new.attributes[name].default_value if name in new.attributes else None
        if default is None or onnx.helper.get_attribute_value(default) not in (
            attribute(node, name),
            str(attribute(node, name)).encode(),
        ):
            raise _unsupported(node, f"opset {HUB_OPSET} has no attribute '{name}'")
        del node.attributes[name]
    for value in node.inputs[old.max_input :]:
        if value is not None:
            raise _unsupported(node, f"opset {HUB_OPSET} has no input for '{value.name}'")
    if len(node.inputs) > old.max_input:
        node.resize_inputs(old.max_input)
    if node.op_type in ("Cast", "CastLike") and attribute(node, "to", 0) > NEWEST_DTYPE:
        raise _unsupported(node, f"opset {HUB_OPSET} has no type {ir.DataType(attribute(node, 'to')).name}")


def _quantize_linear(node: ir.Node) -> None:
    """``precision`` says in which type to divide; float32 is the hub's."""
    if attribute(node, "precision", 0) == ir.DataType.FLOAT:
        del node.attributes["precision"]
    relabel(node, onnx.defs.onnx_opset_version())


def _dequantize_linear(node: ir.Node) -> None:
    """``output_dtype`` says in which type to multiply; every float is float32 in the hub."""
    if attribute(node, "output_dtype", 0) in (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16):
        del node.attributes["output_dtype"]
    relabel(node, onnx.defs.onnx_opset_version())


def _range(node: ir.Node) -> None:
    """``stash_type`` says in which type to count up halves; every float is float32 in the hub."""
    node.attributes.pop("stash_type", None)


def _mod(node: ir.Node) -> None:
    """Floats too may follow the divisor's sign: r = fmod(A, B), and A mod B = r + B where r and B differ in sign.

    Zeros excepted: 0 is 0 whatever the sign of B. Source: https://onnx.ai/onnx/operators/onnx__Mod.html, opset 28.
    """
    if attribute(node, "fmod", 0):
        return
    dtype = next((value.dtype for value in node.inputs if value.dtype is not None), None)
    if dtype is None:
        raise _unsupported(node, "its dtype is not known")
    if dtype.is_integer():
        return
    a, b = node.inputs
    graph = node.graph
    zero = new_constant(graph, np.zeros((), dtype.numpy()), f"{node.outputs[0].name}_zero")

    def build(tape: Tape) -> ir.Value:
        rest = tape.op("Mod", [a, b], {"fmod": 1})
        crossed = tape.op("Less", [tape.op("Mul", [tape.op("Sign", [rest]), tape.op("Sign", [b])]), zero])
        return tape.op("Where", [crossed, tape.op("Add", [rest, b]), rest])

    replace(node, build)


def _space_to_depth(node: ir.Node) -> None:
    """CRD order is DCR order with the channels exchanged: [b², C] read as [C, b²]."""
    crossed = attribute(node, "mode", "DCR") == "CRD"
    node.attributes.pop("mode", None)
    if not crossed:
        return
    shape = node.inputs[0].shape
    if shape is None or not isinstance(shape[1], int):
        raise _unsupported(node, "the number of its channels is not known")
    count, block = shape[1], attribute(node, "blocksize")
    order = np.arange(count * block**2).reshape(block**2, count).T.reshape(-1)
    index = new_constant(node.graph, order, f"{node.outputs[0].name}_order")
    x = node.inputs[0]
    replace(
        node,
        lambda tape: tape.op("Gather", [tape.op("SpaceToDepth", [x], {"blocksize": block}), index], {"axis": 1}),
    )


def _swish(node: ir.Node) -> None:
    """x · sigmoid(αx). Source: https://onnx.ai/onnx/operators/onnx__Swish.html"""
    x, alpha = node.inputs[0], _alpha(node)
    replace(node, lambda tape: _swished(tape, x, alpha))


def _swiglu(node: ir.Node) -> None:
    """a · sigmoid(αa) · b. Source: https://onnx.ai/onnx/operators/onnx__SwiGLU.html"""
    (a, b), alpha = node.inputs, _alpha(node)
    replace(node, lambda tape: tape.op("Mul", [_swished(tape, a, alpha), b]))


def _swished(tape: Tape, x: ir.Value, alpha: ir.Value | None) -> ir.Value:
    if alpha is None:
        return tape.op("Mul", [x, tape.op("Sigmoid", [x])])
    scaled = tape.op("Mul", [x, tape.op("CastLike", [alpha, x])])
    return tape.op("Mul", [x, tape.op("Sigmoid", [scaled])])


def _alpha(node: ir.Node) -> ir.Value | None:
    alpha = attribute(node, "alpha", 1.0)
    return None if alpha == 1 else new_constant(node.graph, np.float32(alpha), f"{node.outputs[0].name}_alpha")


def _cum_prod(node: ir.Node) -> None:
    """Products of the 2ᵏ entries before each, doubled up: y ← y · (y moved by 2ᵏ, filled up with ones)."""
    shape, tensor = dims(node.inputs[0]), ir.convenience.get_const_tensor(node.inputs[1])
    if shape is None or tensor is None:
        raise _unsupported(node, "its shape or its axis is not fixed")
    axis = int(tensor.numpy().reshape(())) % len(shape)
    back, length = bool(attribute(node, "reverse", 0)), shape[axis]
    exclusive = bool(attribute(node, "exclusive", 0))
    dtype = node.inputs[0].dtype or ir.DataType.FLOAT
    hint = node.outputs[0].name

    def moved(tape: Tape, y: ir.Value, by: int) -> ir.Value:
        ones = np.ones([by if k == axis else d for k, d in enumerate(shape)], dtype.numpy())
        fill = new_constant(node.graph, ones, f"{hint}_ones")
        start, stop = (by, length) if back else (0, length - by)
        bounds = [new_constant(node.graph, np.asarray([n]), f"{hint}_bound") for n in (start, stop, axis)]
        rest = tape.op("Slice", [y, *bounds])
        return tape.op("Concat", [rest, fill] if back else [fill, rest], {"axis": axis})

    def build(tape: Tape) -> ir.Value:
        y = moved(tape, node.inputs[0], 1) if exclusive and length > 1 else node.inputs[0]
        by = 1
        while by < length:
            y = tape.op("Mul", [y, moved(tape, y, by)])
            by *= 2
        if exclusive and length == 1:
            return tape.op("Identity", [new_constant(node.graph, np.ones(shape, dtype.numpy()), f"{hint}_ones")])
        return tape.op("Identity", [y]) if y is node.inputs[0] else y

    replace(node, build)


_RULES: dict[str, Step] = {
    "QuantizeLinear": _quantize_linear,
    "DequantizeLinear": _dequantize_linear,
    "Range": _range,
    "Mod": _mod,
    "SpaceToDepth": _space_to_depth,
    "CumProd": _cum_prod,
    "Swish": _swish,
    "SwiGLU": _swiglu,
}


def _unsupported(node: ir.Node, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"Node '{node.name}' ({node.op_type}) cannot be brought to opset {HUB_OPSET}: {reason}; "
        f"export the ONNX file again with opset {HUB_OPSET}."
    )
