"""What a lowering sees of an ONNX node: its attributes, its inputs as MIL variables or as constants, its shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from export.coreml.mil import mb
from validate.errors import UnsupportedError

_NARROWED = {"float64": np.float32, "float16": np.float32, "int64": np.int32, "uint64": np.int32, "uint32": np.int32}
_INT32 = np.iinfo(np.int32)

HELD = (ir.DataType.FLOAT, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL)
"""Element types that MIL computes in, int64 as int32."""

SMALL_INTEGERS = (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT16, ir.DataType.UINT16)
"""Integers that are held as int32: only operators whose results stay in range take them, since nothing wraps there."""

QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
"""Operators that read and write real 8-bit values."""

_CLOSED = frozenset(
    {
        "BitwiseAnd",
        "BitwiseOr",
        "BitwiseXor",
        "ArgMax",
        "ArgMin",
        "Cast",
        "Clip",
        "Concat",
        "Constant",
        "DepthToSpace",
        "Equal",
        "Expand",
        "Flatten",
        "Gather",
    }
    | {
        "GatherElements",
        "GatherND",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "MaxPool",
        "Min",
        "Pad",
        "Resize",
    }
    | {"ReduceMax", "ReduceMin", "Relu", "Reshape", "ReverseSequence", "Sign", "Slice", "SpaceToDepth", "Split"}
    | {"Squeeze", "Tile", "TopK", "Transpose", "Unsqueeze", "Where"}
)
"""Operators whose results are among their inputs' values, or of another type: they take ``SMALL_INTEGERS``."""


class Values:
    """The MIL variables of the program under construction, by the ONNX value they stand for."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self._vars: dict[ir.Value, Any] = {}

    def __setitem__(self, value: ir.Value, var: Any) -> None:
        self._vars[value] = var

    def __getitem__(self, value: ir.Value) -> Any:
        """The variable of ``value``; an initializer becomes a MIL const on first use."""
        if value not in self._vars:
            self._vars[value] = mb.const(val=constant(value), name=value.name)
        return self._vars[value]

    def widened(self, value: ir.Value) -> Any:
        """The variable of ``value``, of 8 or 16 bits in the hub, as the int32 that MIL computes in."""
        if value.const_value is not None:
            return mb.const(val=constant(value).astype(np.int32), name=value.name)
        var = self[value]
        return var if mil_dtype(var) == "int32" else mb.cast(x=var, dtype="int32")


def mil_dtype(var: Any) -> str:
    """The name of a MIL variable's element type, such as ``fp32``."""
    from coremltools.converters.mil.mil import types

    return types.builtin_to_string(var.dtype)


def constant(value: ir.Value | None) -> np.ndarray | None:
    """The array of an initializer, narrowed to the types MIL has (float32, int32), or ``None`` if it is computed.

    Integers beyond 32 bits become the nearest that 32 bits hold: right for bounds and positions, where "as far as
    possible" is meant, and not for data, which :meth:`Call.var` refuses.
    """
    if value is None or value.const_value is None:
        return None
    array = value.const_value.numpy()
    narrow = _NARROWED.get(array.dtype.name)
    if narrow is None:
        return array
    if narrow is np.int32:
        array = np.clip(array, _INT32.min, _INT32.max)
    return array.astype(narrow)


class Call:
    """One ONNX node, as a lowering reads it. Missing optional inputs read as ``None``."""

    def __init__(self, node: ir.Node, values: Values) -> None:
        self.node = node
        self.values = values
        self.op_type = node.op_type

    def __len__(self) -> int:
        return len(self.node.inputs)

    def _input(self, index: int) -> ir.Value | None:
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def has(self, index: int) -> bool:
        """Whether the optional input ``index`` is given."""
        return self._input(index) is not None

    def var(self, index: int) -> Any:
        """Input ``index`` as a MIL variable, or ``None`` when it is left out."""
        value = self._input(index)
        if value is None:
            return None
        self._refuse_wide_numbers(value)
        if value.dtype in SMALL_INTEGERS and self.op_type not in QUANTIZERS:
            return self.values.widened(value)
        return self.values[value]

    def vars(self) -> list[Any]:
        """All inputs as MIL variables."""
        return [self.var(index) for index in range(len(self))]

    def _refuse_wide_numbers(self, value: ir.Value) -> None:
        if value.const_value is None or value.dtype not in (ir.DataType.INT64, ir.DataType.UINT64, ir.DataType.UINT32):
            return
        array = value.const_value.numpy()
        if array.size and (array.min() < _INT32.min or array.max() > _INT32.max):
            wide = array.max() if array.max() > _INT32.max else array.min()
            raise self.unsupported(f"its constant {value.name!r} holds {wide}, and Core ML's integers have 32 bits")

    def array(self, index: int) -> np.ndarray | None:
        """Input ``index`` as an array where it is a constant, else ``None``."""
        return constant(self._input(index))

    def required(self, index: int, meaning: str) -> np.ndarray:
        """Input ``index`` as an array; ``meaning`` names it in the error if the model computes it.

        Raises:
            UnsupportedError: the input is not a constant.
        """
        array = self.array(index)
        if array is None:
            raise self.unsupported(f"its {meaning} must be a constant")
        return array

    def constant_output(self) -> Any:
        """The constant that this node is, as a MIL variable."""
        (output,) = self.node.outputs
        if output.const_value is None:
            (attribute,) = self.node.attributes.values()
            given = attribute.value
            output.const_value = given if isinstance(given, ir.TensorProtocol) else ir.tensor(given, output.dtype)
        self._refuse_wide_numbers(output)
        array = constant(output)
        return mb.const(val=array.astype(np.int32) if output.dtype in SMALL_INTEGERS else array)

    def shape(self, index: int) -> tuple[int, ...]:
        """The static shape of input ``index``."""
        return _static_shape(self._input(index))

    def out_shape(self, index: int = 0) -> tuple[int, ...]:
        """The static shape of output ``index``."""
        return _static_shape(self.node.outputs[index])

    @property
    def rank(self) -> int:
        """The rank of the first input."""
        return len(self.shape(0))

    def dtype(self, index: int) -> ir.DataType:
        """The ONNX element type of input ``index``."""
        return self._input(index).dtype

    def is_float(self, index: int = 0) -> bool:
        """Whether input ``index`` holds floating-point numbers."""
        return self.dtype(index).is_floating_point()

    def attr(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, decoded, or ``default``."""
        attribute = self.node.attributes.get(name)
        if attribute is None:
            return default
        value = attribute.value
        return value.decode() if isinstance(value, bytes) else value

    def axis(self, default: int, rank: int | None = None) -> int:
        """The ``axis`` attribute, counted from the front."""
        axis = self.attr("axis", default)
        return axis % (self.rank if rank is None else rank)

    def check_dtypes(self) -> None:
        """Refuse element types that MIL cannot hold, or in which it would compute otherwise.

        Raises:
            UnsupportedError: naming the first of them.
        """
        if self.op_type in QUANTIZERS:
            return
        for value in (*self.node.inputs, *self.node.outputs):
            if value is None or value.dtype is None or value.dtype in HELD:
                continue
            name = value.dtype.name.lower()
            if value.dtype not in SMALL_INTEGERS:
                raise self.unsupported(f"Core ML cannot hold its {name} values")
            if self.op_type not in _CLOSED:
                raise self.unsupported(f"results of {name} arithmetic wrap around, and Core ML computes it in int32")

    def only_first_output(self) -> None:
        """Refuse a node whose optional further outputs are used.

        Raises:
            UnsupportedError: another output than the first is read or is a graph output.
        """
        for output in self.node.outputs[1:]:
            if output.uses() or output.is_graph_output():
                raise self.unsupported(f"only its first output is supported, and {output.name!r} is used")

    def unsupported(self, reason: str) -> UnsupportedError:
        """The error that says why this node cannot be compiled: its name, operator and input shapes, and the reason."""
        shapes = ", ".join(describe(value) for value in self.node.inputs)
        return UnsupportedError(f"Core ML: node {self.node.name!r} ({self.op_type} of {shapes}): {reason}.")


def describe(value: ir.Value | None) -> str:
    """A value's element type and shape in words, such as ``float32[1, 3, 512, 512]``."""
    if value is None:
        return "nothing"
    dtype = value.dtype.name.lower() if value.dtype is not None else "unknown"
    shape = [str(dim) for dim in value.shape] if value.shape is not None else ["?"]
    return f"{'float32' if dtype == 'float' else dtype}[{', '.join(shape)}]"


def _static_shape(value: ir.Value) -> tuple[int, ...]:
    if value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
        raise UnsupportedError(f"Core ML: value {value.name!r} has no static shape; give a size with --size.")
    return tuple(value.shape)
