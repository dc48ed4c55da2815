"""Where each hub value lives in the TFLite graph, and in which axis order.

Every tensor carries a *permutation*: physical axis ``i`` holds hub axis ``perm[i]``. Pictures and everything that
comes from a spatial operator are NHWC, ``perm = (0, 2, 3, 1)``; the rest lies as the hub has it. An ONNX Transpose
changes only the permutation; a TRANSPOSE is written where an operator asks for another order than the one at hand,
and one that merely moves axes of length 1 is a RESHAPE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from export.tflite.builder import GraphBuilder, Operation, Tensor
from export.tflite.passes.stored_weights import Storage
from export.tflite.registry import unsupported

if TYPE_CHECKING:
    from export.tflite.statistics import Statistics

Perm = tuple[int, ...]
NHWC: Perm = (0, 2, 3, 1)


def plain(rank: int) -> Perm:
    """The hub's own axis order."""
    return tuple(range(rank))


@dataclass(frozen=True)
class Placed:
    """A tensor and the hub axis that each of its axes holds."""

    tensor: Tensor
    perm: Perm


class Lowering:
    """What the rules work with: reads hub values as tensors in the order they need, binds what they write."""

    def __init__(
        self, builder: GraphBuilder, opset: int, exact_weights: bool = True, *, flexible: bool = False
    ) -> None:
        self.builder = builder
        self.opset = opset
        self.flexible = flexible  # the file is to take other picture sizes: no size may be written into an operator
        self.exact_weights = exact_weights  # they stay float32: forms that would enlarge their rounding are allowed
        self.integer_only = False  # no operator may compute in float: slower forms of whole numbers are allowed
        self.statistics: Statistics | None = None  # the file is for tiles: whole planes are averaged by it
        self.done: set[ir.Node] = set()
        self.stored: list[tuple[Operation, Storage]] = []  # operations whose filters go into the file in 8 bits
        self._constants: dict[ir.Value, np.ndarray] = {}
        self._places: dict[ir.Value, list[Placed]] = {}
        self._quantized: dict[ir.Value, Placed] = {}
        self._dequantized: dict[Tensor, Tensor] = {}
        self._keep_quantized = False

    # ---- reading a node

    @staticmethod
    def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
        """The attribute's value, or ``default`` where the node does not carry it."""
        attribute = node.attributes.get(name)
        return default if attribute is None else attribute.value

    @staticmethod
    def input(node: ir.Node, index: int) -> ir.Value | None:
        """The input at ``index``, None where it is left out."""
        return node.inputs[index] if index < len(node.inputs) else None

    @staticmethod
    def shape(value: ir.Value) -> tuple[int, ...]:
        """The hub's shape of a value."""
        return tuple(int(d) for d in value.shape)

    def constant(self, value: ir.Value | None) -> np.ndarray | None:
        """The value's content if it is known at compile time (hub axis order), else None."""
        if value is None:
            return None
        if value not in self._constants and value.const_value is not None:
            array = value.const_value.numpy()
            self._constants[value] = array.astype(np.float32) if array.dtype == np.float64 else array
        return self._constants.get(value)

    def need_constant(self, node: ir.Node, index: int, what: str) -> np.ndarray:
        """As :meth:`constant` for the node's input ``index``, an error naming ``what`` otherwise."""
        array = self.constant(self.input(node, index))
        if array is None:
            raise unsupported(node, f"its {what} is computed at run time; make it a constant (fold it into the model).")
        return array

    # ---- values to tensors

    def bind(self, value: ir.Value, tensor: Tensor, perm: Perm | None = None) -> None:
        """``value`` is what ``tensor`` holds, in the axis order ``perm`` (the hub's own by default)."""
        tensor.bindings += 1
        self._places[value] = [Placed(tensor, plain(tensor.rank) if perm is None else tuple(perm))]

    def bind_constant(self, value: ir.Value, array: np.ndarray) -> None:
        """``value`` is known at compile time."""
        self._constants[value] = array

    def bind_quantized(self, value: ir.Value, tensor: Tensor, perm: Perm) -> None:
        """``value`` is the float meaning of a quantized tensor; DEQUANTIZE is written when a float is asked for."""
        tensor.bindings += 1
        self._quantized[value] = Placed(tensor, perm)

    def quantized(self, value: ir.Value | None) -> Placed | None:
        """The quantized tensor of which ``value`` is the float meaning, if there is one."""
        return None if value is None else self._quantized.get(value)

    def release(self, value: ir.Value) -> Placed:
        """Forgets where ``value`` lives, to bind it in another way; returns what it was."""
        return self._places.pop(value)[0]

    @contextmanager
    def keeping_quantized(self) -> Iterator[None]:
        """Within, values with a quantized tensor are read as that tensor: for rules that only move numbers."""
        self._keep_quantized = True
        try:
            yield
        finally:
            self._keep_quantized = False

    def place(self, value: ir.Value) -> Placed:
        """The value's tensor in whatever order it lies."""
        if self._keep_quantized and value in self._quantized:
            return self._quantized[value]
        if value not in self._places:
            if value in self._quantized:
                source = self._quantized[value]
                self.bind(value, self._dequantize(source.tensor), source.perm)
            else:
                array = self.constant(value)
                self.bind(value, self.builder.constant(array, name=value.name or ""))
        return self._places[value][0]

    def _dequantize(self, tensor: Tensor) -> Tensor:
        if tensor not in self._dequantized:
            self._dequantized[tensor] = self.builder.emit("DEQUANTIZE", [tensor], tensor.shape)
        return self._dequantized[tensor]

    def get(self, value: ir.Value, perm: Perm) -> Tensor:
        """The value's tensor with its axes in the order ``perm``."""
        array = self.constant(value)
        if array is not None:
            return self.builder.constant(array.transpose(perm), name=value.name or "")
        source = self.place(value)
        if source.perm == perm:
            return source.tensor
        if self._keep_quantized and value in self._quantized:
            return self.relayout(source.tensor, source.perm, perm)
        for placed in self._places[value]:
            if placed.perm == perm:
                return placed.tensor
        tensor = self.relayout(source.tensor, source.perm, perm)
        self._places[value].append(Placed(tensor, perm))
        return tensor

    def plain(self, value: ir.Value) -> Tensor:
        """The value's tensor in the hub's own axis order."""
        return self.get(value, plain(len(value.shape)))

    def nhwc(self, node: ir.Node, index: int = 0) -> Tensor:
        """The node's picture-like input (4 axes) in NHWC order."""
        value = node.inputs[index]
        if len(value.shape) != 4:
            raise unsupported(node, "only two-dimensional pictures (inputs of rank 4) are supported.")
        return self.get(value, NHWC)

    # ---- moving axes

    def relayout(self, tensor: Tensor, source: Perm, target: Perm) -> Tensor:
        """``tensor``, whose axes lie as ``source`` says, with its axes as ``target`` says."""
        order = tuple(source.index(axis) for axis in target)
        return self.transpose(tensor, order)

    def transpose(self, tensor: Tensor, order: Perm) -> Tensor:
        """Axis ``i`` of the result is axis ``order[i]`` of ``tensor``; a RESHAPE if only axes of length 1 move."""
        shape = tuple(tensor.shape[i] for i in order)
        moving = [i for i in order if tensor.shape[i] != 1]
        if moving == sorted(moving):
            return self.reshape(tensor, shape)
        producer = tensor.producer
        if producer is not None and producer.code == "TRANSPOSE":
            inner = producer.inputs[1].data
            return self.transpose(producer.inputs[0], tuple(int(inner[i]) for i in order))
        return self.builder.emit("TRANSPOSE", [tensor, self.builder.ints(order)], shape, like=tensor)

    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """``tensor`` with another physical shape; reshapes that follow each other become one."""
        shape = tuple(int(d) for d in shape)
        if tensor.data is not None and tensor.shape != shape:
            return self.builder.constant(tensor.data.reshape(shape), quantization=tensor.quantization)
        while tensor.shape != shape and tensor.producer is not None and tensor.producer.code == "RESHAPE":
            tensor = tensor.producer.inputs[0]
        if tensor.shape == shape:
            return tensor
        return self.builder.emit(
            "RESHAPE", [tensor, self.builder.ints(shape)], shape, like=tensor, newShape=list(shape)
        )

    # ---- broadcasting

    def broadcast(self, values: Sequence[ir.Value]) -> tuple[list[Tensor], Perm]:
        """The values as tensors that TFLite broadcasts as ONNX does, and the axis order of the result.

        The order is that of the largest run-time input of full rank. Constants are laid out for it at compile time and
        lose leading axes of length 1.
        """
        rank = max(len(value.shape) for value in values)
        perm = self.broadcast_perm(values, rank)
        tensors = [self._broadcast_input(value, perm) for value in values]
        if all(tensor.rank < rank for tensor in tensors):  # the operands of full rank were constants
            first = tensors[0]
            tensors[0] = self.reshape(first, (1,) * (rank - first.rank) + first.shape)
        return tensors, perm

    def broadcast_perm(self, values: Sequence[ir.Value], rank: int) -> Perm:
        """The axis order in which :meth:`broadcast` lays the values out."""
        full = [v for v in values if len(v.shape) == rank and self.constant(v) is None]
        if not full:
            return plain(rank)
        return self.place(max(full, key=lambda v: int(np.prod(self.shape(v))))).perm

    def _broadcast_input(self, value: ir.Value, perm: Perm) -> Tensor:
        rank = len(perm)
        array = self.constant(value)
        missing = rank - len(value.shape)
        if array is not None:
            return self.broadcast_constant(array, perm)
        if not missing:
            return self.get(value, perm)
        tensor = self.plain(value)
        if tensor.rank == 0 or int(np.prod(tensor.shape)) == 1:
            return tensor
        return self.relayout(self.reshape(tensor, (1,) * missing + tensor.shape), plain(rank), perm)

    def broadcast_constant(self, array: np.ndarray, perm: Perm) -> Tensor:
        """A constant for an operand in the order ``perm``, without leading axes of length 1."""
        array = array.reshape((1,) * (len(perm) - array.ndim) + array.shape).transpose(perm)
        while array.ndim and array.shape[0] == 1:
            array = array[0]
        return self.builder.constant(array)
