"""Random valid graphs, node by node: a :class:`Builder` knows the values so far and draws the next decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from export.hub.model import HUB_OPSET

T = TypeVar("T")

MAX_ELEMENTS = 1500  # of any value: sizes do not matter for right or wrong, and small ones are fast
MAX_SIDE = 9
MAX_RANK = 5  # Core ML has no more
INPUT_SIZE = 3.0  # what the normally distributed inputs stay below, nearly always
TAME = 100.0  # a value that may be larger is scaled down before it is used again
FLOAT, INT32, INT64, BOOL = DTYPES = ("float32", "int32", "int64", "bool")


KEEPS_SHAPE = {"GroupNormalization", "MeanVarianceNormalization"}  # functions, whose shapes onnx does not infer


class Unsuitable(Exception):  # noqa: N818 - no error: the node would not be valid, and another is drawn
    """The decisions drawn for a node lead to none that ONNX allows."""


@dataclass(frozen=True)
class Value:
    """A tensor in the graph. ``size`` is a rough bound of its magnitude, ``low`` an exact lower one."""

    name: str
    shape: tuple[int, ...]
    dtype: str = FLOAT
    size: float = INPUT_SIZE
    low: float = -math.inf

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Graph:
    """A finished graph: what to feed it, and which of its constants may be moved without changing its meaning."""

    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    movable: frozenset[str]

    def __repr__(self) -> str:
        return f"Graph({' '.join(node.op_type for node in self.model.graph.node)})"


@lru_cache(maxsize=4096)
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


class Builder:
    """Adds nodes to a graph. Whatever is drawn is simplest first, so that Hypothesis shrinks towards that."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any], seed: int):
        self._draw = draw
        self.random = np.random.default_rng(seed)
        self.values: list[Value] = []
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[Value] = []
        self.feeds: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.exact: set[str] = set()
        self.used: set[str] = set()

    def integer(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``."""
        return low if low == high else self._draw(_integers(low, high))

    def choose(self, options: Sequence[T]) -> T:
        """One of ``options``, the first of which is the simplest."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of a hundred cases."""
        return self._draw(_integers(0, 99)) >= 100 - percent

    def subset(self, options: Sequence[T], least: int = 0) -> list[T]:
        """Some of ``options``, at least ``least``, in a random order."""
        left, picked = list(options), []
        for _ in range(self.integer(least, len(left))):
            picked.append(left.pop(self.integer(0, len(left) - 1)))
        return picked

    def axis(self, rank: int, negative: bool = True) -> int:
        """An axis of a tensor of this rank, perhaps counted from its end."""
        axis = self.integer(0, rank - 1)
        return axis - rank if negative and self.chance(30) else axis

    def shape(self, rank: int | None = None) -> tuple[int, ...]:
        """A shape; pictures (N, C, H, W) are the most frequent."""
        rank = self.choose((4, 4, 4, 4, 3, 2, 5, 1)) if rank is None else rank
        if rank == 0:
            return ()
        batch = self.choose((1, 1, 2)) if rank > 1 else self.integer(1, MAX_SIDE)
        sides = [batch, *(self.integer(1, MAX_SIDE if rank < 5 else 4) for _ in range(rank - 1))]
        while math.prod(sides) > MAX_ELEMENTS:
            place = int(np.argmax(sides))
            sides[place] = (sides[place] + 1) // 2
        return tuple(sides)

    def numbers(self, shape: Sequence[int], dtype: str = FLOAT, low: int = -4, high: int = 4) -> np.ndarray:
        """Normally distributed floats, or integers from ``low`` to ``high``, or truth values."""
        if dtype == FLOAT:
            return self.random.standard_normal(shape).astype(np.float32)
        if dtype == BOOL:
            return self.random.integers(0, 2, shape).astype(bool)
        return self.random.integers(low, high, shape, endpoint=True).astype(dtype)

    def fed(self, array: np.ndarray) -> Value:
        """A new input of the graph, which this array is fed to."""
        value = Value(f"x{len(self.inputs)}", array.shape, array.dtype.name)
        self.inputs.append(value)
        self.feeds[value.name] = array
        self.values.append(value)
        return value

    def constant(self, array: np.ndarray, exact: bool = False) -> Value:
        """A constant; ``exact`` where a change in its last digits would change the graph's meaning."""
        array = np.asarray(array)
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        if exact or array.dtype != np.float32:
            self.exact.add(name)
        size = float(np.abs(array).max()) if array.size and array.dtype == np.float32 else INPUT_SIZE
        return Value(name, array.shape, array.dtype.name, size)

    def tensor(self, shape: Sequence[int], dtype: str = FLOAT, fed: int = 25) -> Value:
        """A tensor of this shape: a constant or, in ``fed`` of a hundred cases, a new input."""
        array = self.numbers(shape, dtype)
        return self.fed(array) if self.chance(fed) else self.constant(array)

    def integers(self, numbers: Sequence[int]) -> Value:
        """A constant list of int64: a shape, axes, sizes."""
        return self.constant(np.asarray(numbers, np.int64))

    def value(
        self, dtype: str = FLOAT, rank: int | Sequence[int] | None = None, where: Callable[[Value], bool] | None = None
    ) -> Value:
        """A value of the graph, the latest more often, or a new input where none fits."""
        ranks = (rank,) if isinstance(rank, int) else rank
        fits = [
            value
            for value in reversed(self.values)
            if value.dtype == dtype
            and (ranks is None or value.rank in ranks)
            and (where is None or where(value))
            and value.rank <= MAX_RANK
        ]
        if fits and not self.chance(15):
            picked = fits[self.integer(0, min(len(fits), 4) - 1)]
        else:
            picked = self.fed(self.numbers(self.shape(self.choose(ranks) if ranks is not None else None), dtype))
            if where is not None and not where(picked):
                raise Unsuitable
        return self.tamed(picked)

    def tamed(self, value: Value, size: float = TAME) -> Value:
        """The value, scaled down where it may be large."""
        if value.dtype != FLOAT or value.size <= size:
            return value
        factor = np.float32(size / 4 / value.size)
        return replace(self.emit("Mul", [value, self.constant(factor)]), size=size / 4)

    def positive(self, value: Value, least: float = 0.25) -> Value:
        """The value or its magnitude, at least ``least``."""
        if value.low >= least:
            return value
        made = self.emit("Add", [self.emit("Abs", [value]), self.constant(np.float32(least))])
        return self.remember(made, size=value.size + least, low=least)

    def within(self, value: Value, bound: float = 1.0) -> Value:
        """The value, squeezed between -bound and bound."""
        if value.size <= bound:
            return value
        return self.emit(
            "Mul", [self.emit("Tanh", [value], magnitude=1.0), self.constant(np.float32(bound))], magnitude=bound
        )

    def remember(self, value: Value, **known: float) -> Value:
        """Note what is known of a value's size."""
        better = replace(value, **known)
        self.values = [better if other.name == value.name else other for other in self.values]
        return better

    def emit(
        self,
        op_type: str,
        inputs: Sequence[Value | None],
        outputs: int = 1,
        magnitude: float | None = None,
        **attributes: Any,
    ) -> Any:
        """Add a node and return its output, or a tuple of them; ``magnitude`` is a rough bound of what it gives.

        Raises :class:`Unsuitable` when ONNX's own rules refuse the node, or a value would be too large.
        """
        names = ["" if value is None else value.name for value in inputs]
        made = [f"v{len(self.nodes)}" if outputs == 1 else f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        node = helper.make_node(op_type, names, made, name=f"n{len(self.nodes)}_{op_type}", **attributes)
        given = [value for value in inputs if value is not None]
        size = max((value.size for value in given), default=1.0) if magnitude is None else magnitude
        values = [
            Value(name, shape, dtype, size) for name, (shape, dtype) in zip(made, self._infer(node, given), strict=True)
        ]
        if any(v.rank > MAX_RANK or v.elements > 2 * MAX_ELEMENTS or not v.elements for v in values):
            raise Unsuitable
        self.nodes.append(node)
        self.values += values
        self.used.update(value.name for value in given)
        return values[0] if outputs == 1 else tuple(values)

    def _infer(self, node: onnx.NodeProto, given: Sequence[Value]) -> list[tuple[tuple[int, ...], str]]:
        types = {
            v.name: helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(np.dtype(v.dtype)), v.shape)
            for v in given
        }
        data = {v.name: numpy_helper.from_array(self.constants[v.name]) for v in given if v.name in self.constants}
        schema = onnx.defs.get_schema(node.op_type, HUB_OPSET)
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=[helper.make_opsetid("", HUB_OPSET)]
            )
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            raise Unsuitable from error
        results = []
        for name in node.output:
            if node.op_type in KEEPS_SHAPE:
                dtype, dims = given[0].dtype, given[0].shape
            elif name in found:
                proto = found[name].tensor_type
                dtype = helper.tensor_dtype_to_np_dtype(proto.elem_type).name
                dims = [d.dim_value if d.HasField("dim_value") else 0 for d in proto.shape.dim]
            else:
                raise Unsuitable
            results.append((tuple(dims), dtype))
        return results

    def finish(self) -> Graph:
        """The graph; what nothing uses comes out, and some of the rest too."""
        produced = [v for v in self.values if v.name not in self.feeds]
        outputs = [v for v in produced if v.name not in self.used]
        outputs += [v for v in produced if v.name in self.used and self.chance(10)]
        read = {name for node in self.nodes for name in node.input}

        def info(value: Value) -> onnx.ValueInfoProto:
            dtype = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
            return helper.make_tensor_value_info(value.name, dtype, value.shape)

        graph = helper.make_graph(
            self.nodes,
            "fuzz",
            [info(value) for value in self.inputs if value.name in read],
            [info(value) for value in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in read],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", HUB_OPSET)], ir_version=10)
        feeds = {name: array for name, array in self.feeds.items() if name in read}
        return Graph(model, feeds, frozenset(self.constants.keys() & read) - self.exact)
