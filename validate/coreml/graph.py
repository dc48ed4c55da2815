"""The ONNX graph under construction while a MIL program is translated.

MIL tensors are carried in three ONNX types: every float as float32 (rounded through fp16 where the program says
fp16, see :mod:`validate.coreml.translate`), every integer as int32, and bool as bool.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from validate.errors import UnsupportedError

OPSET = 20
"""ONNX operator set of the translated graph (20: Gelu, GridSample)."""

IR_VERSION = 9

INLINE_BYTES = 1024
"""Constants larger than this are handed to the runtime as they are, instead of being copied into the model."""

ONNX_TYPE = {"f": TensorProto.FLOAT, "i": TensorProto.INT32, "b": TensorProto.BOOL}
_CARRIER = {"f": np.float32, "i": np.int32, "u": np.int32, "b": np.bool_}


def carrier(value: Any) -> np.ndarray:
    """``value`` as an array of the type that carries it: float32, int32 or bool."""
    array = np.asarray(value)
    if array.dtype.kind not in _CARRIER:
        raise UnsupportedError(f"a constant of type {array.dtype} has no place in an image network")
    return np.ascontiguousarray(array, dtype=_CARRIER[array.dtype.kind]).reshape(array.shape)


def shape_of(var: Any) -> tuple[int, ...]:
    """The static shape of a MIL variable as plain integers (MIL computes some of them as floats)."""
    return tuple(int(dim) for dim in var.shape)


def kind_of(var: Any) -> str:
    """``"f"``, ``"i"`` or ``"b"``: what kind of number a MIL variable holds."""
    name = str(var.dtype.__type_info__()) if hasattr(var.dtype, "__type_info__") else str(var.dtype)
    if "bool" in name:
        return "b"
    return "i" if "int" in name else "f"


def is_fp16(var: Any) -> bool:
    """Whether the program keeps this variable in half precision."""
    return "fp16" in str(var.dtype.__type_info__())


def unsupported(op: Any, reason: str) -> UnsupportedError:
    """An error that names the MIL operator, its result, its input shapes and why it cannot be run."""
    shapes = []
    for name, value in op.inputs.items():
        for var in value if isinstance(value, (list, tuple)) else [value]:
            if var is not None and len(getattr(var, "shape", ())) > 0:
                shapes.append(f"{name} {list(var.shape)}")
    return UnsupportedError(
        f"Core ML operator {op.op_type} ({op.name!r}, {', '.join(shapes) or 'no tensors'}) cannot be run here: {reason}"
    )


class Graph:
    """Collects ONNX nodes and constants; values are known by their ONNX name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self._names: dict[Any, str] = {}
        self._small: dict[tuple, str] = {}
        self._count = 0
        self.prefix = ""

    def _new_name(self, op_type: str) -> str:
        self._count += 1
        return f"{self.prefix}/{op_type}_{self._count}"

    def node(self, op_type: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node and return its output name (a list of names when ``outputs`` > 1).

        Inputs are value names, ``None`` for one left out, or numbers and arrays, which become constants.
        """
        names = [self._input(value) for value in inputs]
        results = [self._new_name(op_type) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op_type, names, results, name=results[0], **attributes))
        return results[0] if outputs == 1 else results

    def _input(self, value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else self.constant(value)

    def constant(self, value: Any) -> str:
        """The name of a constant holding ``value`` in its carrier type."""
        return self._store(carrier(value))

    def ints(self, values: Any) -> str:
        """The name of an int64 constant, as ONNX wants for shapes, axes, pads and the like."""
        return self._store(np.asarray(values, dtype=np.int64))

    def _store(self, array: np.ndarray) -> str:
        if array.nbytes > INLINE_BYTES:
            name = self._new_name("constant")
            self.constants[name] = array
            return name
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._small:
            self._small[key] = self._new_name("constant")
            self.constants[self._small[key]] = array
        return self._small[key]

    def bind(self, var: Any, name: str) -> None:
        """Say that the MIL variable ``var`` is the ONNX value ``name``."""
        self._names[var] = name

    def tensor(self, var: Any) -> str:
        """The ONNX name of a MIL variable; a constant one becomes an ONNX constant on first use."""
        if var not in self._names:
            value = constant_value(var)
            if value is None:
                raise UnsupportedError(f"the Core ML program uses {var.name!r} before computing it")
            self._names[var] = self.constant(value)
        return self._names[var]

    def tensors(self, *variables: Any) -> list[str]:
        """The ONNX names of several MIL variables, integers turned to floats when some of them are floats."""
        kinds = [kind_of(var) for var in variables]
        names = [self.tensor(var) for var in variables]
        if "f" in kinds:
            names = [
                name if kind == "f" else self.node("Cast", name, to=TensorProto.FLOAT)
                for name, kind in zip(names, kinds, strict=True)
            ]
        return names

    def reshape(self, value: str, shape: Any) -> str:
        """Reshape to ``shape``, given as plain sizes; a size of 0 is a size of 0."""
        return self.node("Reshape", value, self.ints([int(size) for size in shape]), allowzero=1)

    def transpose(self, value: str, perm: Any) -> str:
        """Permute the axes."""
        return self.node("Transpose", value, perm=[int(axis) for axis in perm])

    def cast(self, value: str, kind: str) -> str:
        """Cast to the carrier of kind ``"f"``, ``"i"`` or ``"b"``."""
        return self.node("Cast", value, to=ONNX_TYPE[kind])

    def round_fp16(self, value: str) -> str:
        """Round to the nearest fp16 value, overflow to infinity included, and carry on in float32."""
        half = self.node("Cast", value, to=TensorProto.FLOAT16)
        return self.node("Cast", half, to=TensorProto.FLOAT)


def constant_value(var: Any) -> np.ndarray | None:
    """The value of a MIL variable that is known without running the program, else ``None``.

    Compressed weights (``constexpr_*``: palettes, affine, sparse, blockwise, and one inside another) are
    decompressed here, by coremltools' own functions.
    """
    if var.val is not None:
        return np.asarray(var.val)
    if var.op is None or not var.op.op_type.startswith("constexpr_"):
        return None
    value = _decompress(var.op)
    if isinstance(value, tuple):
        value = value[list(var.op.outputs).index(var)]
    return np.asarray(value).reshape(shape_of(var))


def _decompress(op: Any) -> Any:
    """The value or values of a ``constexpr_*`` operator, whose own inputs may be compressed too."""
    if not hasattr(op, "decompress"):
        return op.materialized_val_inference()
    names = inspect.signature(op.decompress).parameters
    inputs = {name: op.inputs.get(name) for name in names}
    values = {name: None if var is None else constant_value(var) for name, var in inputs.items()}
    return op.decompress(**{name: v[()] if v is not None and v.ndim == 0 else v for name, v in values.items()})


def param(op: Any, name: str, default: Any = None) -> Any:
    """The compile-time value of the parameter ``name`` of ``op``; ``default`` when it has none.

    Raises :class:`UnsupportedError` when the parameter is computed by the program as it runs.
    """
    var = op.inputs.get(name)
    if var is None:
        return default
    value = constant_value(var)
    if value is None:
        raise unsupported(op, f"its parameter {name} is computed at run time; make it a constant")
    if value.ndim == 0:
        return value.item()
    return value
