"""Rounding a weight and letting the others make up for it (OBS, Hassibi and Stork, 1993; GPTQ, Frantar et al., 2022).

A node's outputs are rows ``w`` of its weight times patches ``x`` of its input. Changing w to w' costs (w - w') H
(w - w')^T over the patches seen, with the Gram matrix H = sum x x^T. Once w_i is fixed at w'_i, the best the others can
do is to move by -(w_i - w'_i) / [H^-1]_ii times row i of H^-1, where H is that of the numbers still free. One Cholesky
factor of H^-1 holds those rows for a fixed order of all numbers: here, by falling energy of what they multiply.

Where some numbers are fixed at zero and the others are free to the end, the best for them is a least squares problem,
whose matrix is H without what belongs to the zeros; conjugate gradients solve it for all rows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import onnxruntime

from quantize.graph import integer, text, values_by_name
from quantize.runtime import Sample, open_session, run
from quantize.weights import WEIGHTED

PATCHES = 2048  # of each photo; a matrix of 1152 x 1152 needs some thousands in all
BYTES_AT_ONCE = 2**27  # of activations that one run gives back, and the matrices of what reads them
BLOCK = 64  # columns whose rounding is passed on to those behind all at once
DAMPING = 0.01  # of the mean energy, so that H can be inverted
LEAST_ENERGY = 1e-12
TINY = 1e-30  # in place of zero, to divide by
ITERATIONS = 16  # of conjugate gradients; eight cost Johnson's network with half its weights 3 dB, four 7
MOST_BYTES = 2**28  # of all matrices together


@dataclass
class Gram:
    """The Gram matrices of what one weight multiplies: ``matrix`` (groups, K, K), and how the weight becomes rows."""

    node: ir.Node
    matrix: np.ndarray

    def rows(self, weight: np.ndarray) -> np.ndarray:
        """``weight`` as (groups, rows, K)."""
        groups = len(self.matrix)
        if self.node.op_type == "Conv":
            return weight.reshape(groups, weight.shape[0] // groups, -1)
        if self.node.op_type == "ConvTranspose":
            parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
            return parts.transpose(0, 2, 1, 3).reshape(groups, weight.shape[1], -1)
        turned = self.node.op_type == "Gemm" and integer(self.node, "transB", 0)
        return (weight if turned else weight.T)[None]

    def weight(self, rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The weight of ``shape`` whose rows are ``rows``."""
        groups = len(self.matrix)
        if self.node.op_type == "Conv":
            return rows.reshape(shape)
        if self.node.op_type == "ConvTranspose":
            parts = rows.reshape(groups, shape[1], shape[0] // groups, -1)
            return parts.transpose(0, 2, 1, 3).reshape(shape)
        turned = self.node.op_type == "Gemm" and integer(self.node, "transB", 0)
        return rows[0] if turned else np.ascontiguousarray(rows[0].T)

    def damped(self) -> np.ndarray:
        """The matrix with a little more on its diagonal, so that it can be inverted, in float64."""
        matrix = self.matrix.astype(np.float64)
        energy = np.einsum("gkk->gk", matrix)
        energy += (DAMPING * energy.mean(axis=1) + LEAST_ENERGY)[:, None]
        return matrix

    def error(self, weight: np.ndarray, made: np.ndarray) -> float:
        """What ``made`` in place of ``weight`` adds to the squared error of the node's outputs."""
        change = self.rows((made - weight).astype(np.float32))
        return float(np.sum((change @ self.matrix.astype(np.float32)) * change, dtype=np.float64))


def grams(model: ir.Model, samples: Iterable[Sample], names: Iterable[str]) -> dict[str, Gram]:
    """The :class:`Gram` of each weight ``names`` of ``model`` that one node alone reads, over patches of ``samples``.

    Weights of convolutions over other than two axes, of those with ``auto_pad`` and of products of batches stay out;
    so do the largest, where the matrices would take more than ``MOST_BYTES``.
    """
    nodes = _affordable(_known(model, names))
    return {name: gram for batch in _measured(model, list(samples), nodes) for name, gram in batch.items()}


def grams_in_turn(model: ir.Model, samples: Iterable[Sample], names: Iterable[str]) -> Iterator[tuple[str, Gram]]:
    """The same, one by one, with the largest, too: a few are in memory at a time."""
    nodes = [node for node in _known(model, names) if _bytes(node) <= MOST_BYTES]
    for batch in _measured(model, list(samples), nodes):
        while batch:
            yield batch.popitem()


def _known(model: ir.Model, names: Iterable[str]) -> list[ir.Node]:
    wanted = set(names)
    nodes = [node for node in model.graph if node.op_type in WEIGHTED and node.inputs[1] is not None]
    return [node for node in nodes if node.inputs[1].name in wanted and _is_known(node)]


def _measured(model: ir.Model, samples: list[Sample], nodes: list[ir.Node]) -> Iterator[dict[str, Gram]]:
    """The Gram matrices of ``nodes``, a batch of them after the other."""
    for batch in _batches(nodes):
        found: dict[str, Gram] = {}
        computed = [node.inputs[0].name for node in batch if not node.inputs[0].is_graph_input()]
        computed = list(dict.fromkeys(computed))
        session = _session(model, computed) if computed else None
        for number, sample in enumerate(samples):
            values = dict(sample)
            if session is not None:
                values.update(zip(computed, run(session, sample, computed), strict=True))
            for node in batch:
                patches = _patches(node, values[node.inputs[0].name], np.random.default_rng(number))
                matrix = patches @ patches.transpose(0, 2, 1)
                name = node.inputs[1].name
                if name in found:
                    found[name].matrix += matrix
                else:
                    found[name] = Gram(node, matrix)
        del session, values
        yield found


def compensated(weight: np.ndarray, gram: Gram, fix: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """``weight`` with all numbers fixed, one column of its rows after the other, the rest making up for it.

    ``fix(column, i)`` gives the numbers (groups, rows) that stand for ``column`` of the same shape; ``i`` (groups,) is
    which column of each group's rows it is.
    """
    rows = gram.rows(weight).astype(np.float64)
    energy = np.einsum("gkk->gk", gram.matrix)
    order = np.argsort(-energy, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order[:, None, :], axis=2)
    group = np.arange(len(order))[:, None, None]
    inverse = np.linalg.inv(gram.damped()[group, order[:, :, None], order[:, None, :]])
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    for first in range(0, rows.shape[2], BLOCK):
        block, own = rows[:, :, first : first + BLOCK], upper[:, first : first + BLOCK, first : first + BLOCK]
        missing = np.empty_like(block)
        for i in range(block.shape[2]):
            fixed = fix(block[:, :, i], order[:, first + i])
            missing[:, :, i] = (block[:, :, i] - fixed) / own[:, i, i, None]
            block[:, :, i + 1 :] -= missing[:, :, i, None] * own[:, i, None, i + 1 :]
            block[:, :, i] = fixed
        rows[:, :, first + BLOCK :] -= missing @ upper[:, first : first + BLOCK, first + BLOCK :]
    back = np.empty_like(rows)
    np.put_along_axis(back, np.broadcast_to(order[:, None, :], rows.shape), rows, axis=2)
    return gram.weight(back, weight.shape).astype(np.float32)


def refitted(rows: np.ndarray, kept: np.ndarray, matrix: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The rows closest to ``rows`` in what ``matrix`` (:meth:`Gram.damped`) says, zero where they are not ``kept``.

    ``rows``, ``kept`` and ``start``, where the search begins, are (groups, rows, K). ``ITERATIONS`` steps of conjugate
    gradients, preconditioned by the diagonal; each comes closer.
    """
    energy = np.einsum("gkk->gk", matrix)[:, None, :]
    x = np.where(kept, start, 0)
    left = np.where(kept, (rows - x) @ matrix, 0)
    step = left / energy
    slope = np.sum(left * step, axis=2, keepdims=True)
    for _ in range(ITERATIONS):
        bent = np.where(kept, step @ matrix, 0)
        length = slope / np.maximum(np.sum(step * bent, axis=2, keepdims=True), TINY)
        x = x + length * step
        left = left - length * bent
        before, slope = slope, np.sum(left * left / energy, axis=2, keepdims=True)
        step = left / energy + slope / np.maximum(before, TINY) * step
    return x


def _is_known(node: ir.Node) -> bool:
    if len(node.inputs[1].uses()) != 1 or node.inputs[0].const_value is not None:
        return False
    if node.op_type in ("Gemm", "MatMul"):
        return len(node.inputs[0].shape) == 2 and not integer(node, "transA", 0)
    return len(node.inputs[1].shape) == 4 and text(node, "auto_pad", "NOTSET") == "NOTSET"


def _affordable(nodes: Sequence[ir.Node]) -> list[ir.Node]:
    """Those of ``nodes``, in their order, whose matrices are held: the smallest, as many as there is room for."""
    held, taken = 0, set()
    for node in sorted(nodes, key=_bytes):
        held += _bytes(node)
        if held > MOST_BYTES:
            break
        taken.add(node)
    return [node for node in nodes if node in taken]


def _bytes(node: ir.Node) -> int:
    """Of the node's Gram matrices."""
    return 4 * _groups(node) * _columns(node) ** 2


def _groups(node: ir.Node) -> int:
    return integer(node, "group", 1)


def _columns(node: ir.Node) -> int:
    """How many numbers of the input one row of the weight multiplies."""
    shape = [int(d) for d in node.inputs[1].shape]
    if node.op_type == "Conv":
        return int(np.prod(shape[1:]))
    if node.op_type == "ConvTranspose":
        return shape[0] // _groups(node) * int(np.prod(shape[2:]))
    return int(node.inputs[0].shape[1])


def _batches(nodes: Sequence[ir.Node]) -> Iterator[list[ir.Node]]:
    """Nodes whose inputs together are not too large to be held at once."""
    batch: list[ir.Node] = []
    held = 0
    for node in nodes:
        size = 4 * int(np.prod(list(node.inputs[0].shape))) + _bytes(node)
        if batch and held + size > BYTES_AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(node)
        held += size
    if batch:
        yield batch


def _session(model: ir.Model, names: Sequence[str]) -> onnxruntime.InferenceSession:
    """A session that gives the values ``names``."""
    model = model.clone()
    values = values_by_name(model.graph)
    model.graph.outputs[:] = [values[name] for name in names]
    return open_session(model)


def _patches(node: ir.Node, x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Patches that the rows of the weight multiply, float32 (groups, K, count)."""
    if node.op_type in ("Gemm", "MatMul"):
        return np.ascontiguousarray(x.T[None])
    kernel = list(node.inputs[1].shape)[2:]
    size = list(node.outputs[0].shape)[2:]
    count = min(PATCHES, size[0] * size[1])
    at = random.choice(size[0] * size[1], count, replace=False)
    position = np.divmod(at, size[1])
    strides, dilations, pads = (_pair(node, key, 1, 2) for key in ("strides", "dilations", "pads"))
    indices, valid = [], []
    for axis in range(2):
        taps = np.arange(kernel[axis])[:, None] * dilations[axis]
        if node.op_type == "Conv":
            index = position[axis][None] * strides[axis] - pads[axis] + taps
            hits = np.ones(index.shape, bool)
        else:
            moved = position[axis][None] + pads[axis] - taps
            index, hits = moved // strides[axis], moved % strides[axis] == 0
        hits &= (index >= 0) & (index < x.shape[2 + axis])
        indices.append(np.clip(index, 0, x.shape[2 + axis] - 1))
        valid.append(hits)
    taken = x[0][:, indices[0][:, None], indices[1][None]]  # (channels, kernel height, kernel width, count)
    taken = taken * (valid[0][:, None] & valid[1][None])
    return np.ascontiguousarray(taken.reshape(_groups(node), -1, count), np.float32)


def _pair(node: ir.Node, key: str, default: int, axes: int) -> Sequence[int]:
    """An attribute of integers, the first ``axes`` of them; pads are 0 where there are none."""
    if key in node.attributes:
        return list(node.attributes[key].as_ints())[:axes]
    return [0 if key == "pads" else default] * axes
