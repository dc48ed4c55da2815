"""A TFLite graph in the making: tensors, operations and constants, before they become a flatbuffer.

Nothing here knows ONNX. Shapes are TFLite's own (physical) shapes; :mod:`export.tflite.lowering` keeps track of
which hub axis lies where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Operators whose options table carries a fused activation that every kernel and XNNPACK honor.
FUSABLE = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "DIV", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
)

# Operators whose outputs hold the numbers of their inputs, each of them once.
MOVING = frozenset({"CONCATENATION", "DEPTH_TO_SPACE", "RESHAPE"})


@dataclass(frozen=True)
class Quantization:
    """Affine quantization ``real = scale * (q - zero_point)``; several scales mean one per index of ``axis``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int) -> Quantization:
        """One scale and zero point for the whole tensor."""
        return cls((float(np.float32(scale)),), (int(zero_point),))


@dataclass(eq=False)
class Tensor:
    """One TFLite tensor. ``data`` makes it a constant; ``producer`` is the operation that writes it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    data: np.ndarray | None = None
    quantization: Quantization | None = None
    producer: Operation | None = None
    consumers: int = 0
    bindings: int = 0
    open_axes: frozenset[int] = frozenset()

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


@dataclass(eq=False)
class Operation:
    """One TFLite operator: its builtin name, tensors and the fields of its options table."""

    code: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: dict[str, Any] = field(default_factory=dict)


class GraphBuilder:
    """Collects operations in execution order; equal constants become one tensor."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self._constants: dict[tuple, Tensor] = {}

    def input(self, name: str, shape: Sequence[int], dtype: Any, quantization: Quantization | None = None) -> Tensor:
        """A tensor that the caller of the model fills."""
        tensor = Tensor(name, tuple(shape), np.dtype(dtype), quantization=quantization)
        self.inputs.append(tensor)
        return tensor

    def output(self, tensor: Tensor, name: str) -> Tensor:
        """Makes ``tensor`` an output called ``name``; inputs, constants and shared tensors are copied first."""
        if tensor.producer is None or tensor in self.outputs:
            tensor = self.emit("RESHAPE", [tensor, self.ints(tensor.shape)], tensor.shape, like=tensor)
        tensor.name = name
        self.outputs.append(tensor)
        return tensor

    def constant(self, array: Any, name: str = "", quantization: Quantization | None = None) -> Tensor:
        """A constant tensor, shared with every equal one."""
        array = np.asarray(array)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (array.dtype.str, array.shape, array.tobytes(), quantization)
        found = self._constants.get(key)
        if found is None:
            found = Tensor(name or f"const_{len(self._constants)}", array.shape, array.dtype, array, quantization)
            self._constants[key] = found
        return found

    def ints(self, values: Iterable[int]) -> Tensor:
        """A 1-D int32 constant: shapes, axes, pads and the like."""
        return self.constant(np.asarray(list(values), np.int32))

    def emit(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shape: Sequence[int],
        *,
        like: Tensor | None = None,
        dtype: Any = None,
        quantization: Quantization | None = None,
        **options: Any,
    ) -> Tensor:
        """Appends an operation with one output and returns that output.

        ``like`` lends dtype and quantization to the output (an operation that only moves values); ``dtype`` and
        ``quantization`` override it; without either the output is float32.
        """
        shapes = [shape]
        return self.emit_many(code, inputs, shapes, like=like, dtype=dtype, quantization=quantization, **options)[0]

    def emit_many(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shapes: Sequence[Sequence[int]],
        *,
        like: Tensor | None = None,
        dtype: Any = None,
        quantization: Quantization | None = None,
        **options: Any,
    ) -> list[Tensor]:
        """As :meth:`emit`, for an operation with one output per entry of ``shapes``."""
        if like is not None:
            dtype = like.dtype if dtype is None else dtype
            quantization = like.quantization if quantization is None else quantization
        kind = np.dtype(np.float32 if dtype is None else dtype)
        outputs = []
        for i, shape in enumerate(shapes):
            name = f"{code.lower()}_{len(self.operations)}" + (f"_{i}" if i else "")
            outputs.append(Tensor(name, tuple(int(d) for d in shape), kind, quantization=quantization))
        operation = Operation(code, list(inputs), outputs, options)
        for tensor in outputs:
            tensor.producer = operation
        for tensor in inputs:
            if tensor is not None:
                tensor.consumers += 1
        self.operations.append(operation)
        return outputs

    def fuse_activation(self, tensor: Tensor, activation: str) -> bool:
        """Folds an activation (``RELU``, ``RELU6``, ``RELU_N1_TO_1``) into the operation that writes ``tensor``.

        What only moves numbers is looked through: the operations in front of it carry the activation. Returns False,
        changing nothing, where one of them cannot, or where others read its output.
        """
        writers = _writers(tensor) if tensor.bindings <= 1 else None
        if writers is None:
            return False
        for operation in writers:
            operation.options["fusedActivationFunction"] = activation
        return True

    def drop_unused(self) -> None:
        """Removes operations none of whose outputs is read."""
        needed = {id(t) for t in self.outputs}
        kept = []
        for operation in reversed(self.operations):
            if any(id(t) in needed for t in operation.outputs):
                kept.append(operation)
                needed.update(id(t) for t in operation.inputs if t is not None)
        self.operations = kept[::-1]


def _writers(tensor: Tensor, readers: int = 0) -> list[Operation] | None:
    """The operations which compute what ``tensor`` holds, if all of them can carry an activation; else None."""
    operation = tensor.producer
    if operation is None or tensor.consumers != readers or tensor.dtype != np.float32:
        return None
    if operation.code in FUSABLE:
        return [operation] if operation.options.get("fusedActivationFunction", "NONE") == "NONE" else None
    if operation.code not in MOVING:
        return None
    sources = operation.inputs if operation.code == "CONCATENATION" else operation.inputs[:1]
    found = [_writers(source, 1) for source in sources]
    if any(writers is None for writers in found) or any(source.bindings for source in sources):
        return None
    return [operation for writers in found for operation in writers]
