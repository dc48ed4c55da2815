"""Compressed weights: every weight in the smallest of Core ML's forms that holds exactly the same numbers.

What a weight's numbers are is settled on the hub (:mod:`quantize.palettes`, :mod:`quantize.sparsity`, or the author of
the model). Here few distinct numbers become a palette and many zeros a sparse weight, by coremltools' own passes, at
the end of the pipeline: then every number is the fp16 number of the file. (``coremltools.optimize``, given a finished
model, would run all of coremltools' passes once more, those left out in :mod:`.passes` included.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

PASS = "brushport::encode_weights"

PALETTE_BITS = (1, 2, 4, 6, 8)
"""Of an index: what iOS 16's ``constexpr_lut_to_dense`` takes."""

LEAST_SIZE = 512
"""Elements of the smallest weight that is worth a form of its own."""

GAIN = 0.9
"""A form must be smaller than this share of the dense weight."""

_WEIGHT_OF = {"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y"}


@dataclass(frozen=True)
class Form:
    """How one weight is written: ``bits`` of a palette's index, with a palette for every ``group_size`` channels
    along ``axis`` (0: one in all), or None for a sparse weight. ``bytes`` is what it takes in the file."""

    bits: int | None
    bytes: float
    axis: int = 0
    group_size: int = 0


def smallest_form(weight: np.ndarray, axis: int = 0, group_size: int = 0) -> Form | None:
    """The smallest form of an fp16 or fp32 ``weight``, None where it is best left dense.

    ``axis`` is that of the output channels; with a ``group_size``, a palette for every so many of them is tried, too.
    """
    item = weight.dtype.itemsize
    forms = []
    zeros = 1.0 - np.count_nonzero(weight) / weight.size
    forms.append(Form(None, weight.size * ((1 - zeros) * item + 1 / 8)))
    for size in {0, group_size} if group_size and weight.shape[axis] % group_size == 0 else {0}:
        bits = _index_bits(weight, axis, size)
        if bits is not None:
            tables = weight.shape[axis] // size if size else 1
            forms.append(Form(bits, weight.size * bits / 8 + tables * 2**bits * item, axis, size))
    best = min(forms, key=lambda form: form.bytes)
    return best if best.bytes < GAIN * weight.nbytes else None


def _index_bits(weight: np.ndarray, axis: int, group_size: int) -> int | None:
    parts = np.split(weight, weight.shape[axis] // group_size, axis=axis) if group_size else [weight]
    most = 0
    for part in parts:
        most = max(most, len(distinct(part)[0]))
        if most > 2 ** PALETTE_BITS[-1]:
            return None
    return next(bits for bits in PALETTE_BITS if most <= 2**bits)


def distinct(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers of ``weight``, and the place of each element among them, flat.

    They are sorted as float32: NumPy's own sort of float16 leaves some out of order on processors with AVX-512
    (2.4.6: 34 "distinct" numbers among 10000 that are one of 16).
    """
    values, places = np.unique(weight.astype(np.float32), return_inverse=True)
    return values.astype(weight.dtype), places.reshape(-1)


def add_encoding(pipeline: Any, group_size: int = 0) -> None:
    """Put :data:`PASS` at the end of a coremltools ``PassPipeline``; see :func:`encode`."""
    _register()
    pipeline.append_pass(PASS)
    pipeline.set_options(PASS, {"group_size": group_size})


def _register() -> None:
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

    if PASS in PASS_REGISTRY:
        return

    @register_pass(namespace=PASS.split("::", maxsplit=1)[0])
    class encode_weights(AbstractGraphPass):  # noqa: N801  (its name in the registry)
        """See :func:`encode`."""

        group_size = 0

        def apply(self, program: Any) -> None:
            encode(program, self.group_size)


def encode(program: Any, group_size: int = 0) -> None:
    """Write each weight of a MIL ``program`` in its smallest form."""
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.optimize.coreml import OptimizationConfig

    configs: dict[str, dict[str, Any]] = {"palettize_weights": {}, "prune_weights": {}}
    for op in weights(program):
        form = smallest_form(op.outputs[0].val, channel_axis(op), group_size)
        if form is None:
            continue
        if form.bits is None:
            configs["prune_weights"][op.name] = _sparse_config()
        else:
            configs["palettize_weights"][op.name] = _palette_config(form)
    for name, chosen in configs.items():
        if chosen:
            compress = PASS_REGISTRY[f"compression::{name}"]
            compress.set_options([PassOption("config", OptimizationConfig(op_name_configs=chosen))])
            compress.apply(program)


def weights(program: Any) -> Iterator[Any]:
    """The ``const`` operations of a MIL ``program`` that are nothing but weights, and large enough to matter."""
    for function in program.functions.values():
        for op in list(function.operations):
            if op.op_type != "const":
                continue
            var = op.outputs[0]
            value = var.val
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim < 2:
                continue
            readers = var.child_ops
            if value.size >= LEAST_SIZE and readers and all(_is_weight(var, reader) for reader in readers):
                yield op


def _is_weight(var: Any, reader: Any) -> bool:
    return getattr(reader, _WEIGHT_OF.get(reader.op_type, ""), None) is var


def channel_axis(op: Any) -> int:
    """The axis of a weight's output channels."""
    reader = op.outputs[0].child_ops[0]
    if reader.op_type == "conv_transpose":
        return 1
    if reader.op_type == "matmul" and not reader.transpose_y.val:
        return op.outputs[0].rank - 1
    return 0


def _palette_config(form: Form) -> Any:
    from coremltools.optimize.coreml import OpPalettizerConfig

    grouped = {"granularity": "per_grouped_channel", "group_size": form.group_size, "channel_axis": form.axis}
    return OpPalettizerConfig(
        mode="custom",
        lut_function=_table(form.bits),
        weight_threshold=LEAST_SIZE - 1,
        **(grouped if form.group_size else {}),
    )


def _table(bits: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What gives coremltools the palette of a weight and the places in it."""

    def table_and_places(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table, places = distinct(weight)
        table = np.concatenate([table, np.zeros(2**bits - len(table), table.dtype)])
        return table, places.astype(np.uint8)

    return table_and_places


def _sparse_config() -> Any:
    from coremltools.optimize.coreml import OpThresholdPrunerConfig

    return OpThresholdPrunerConfig(threshold=0.0, minimum_sparsity_percentile=0.0, weight_threshold=LEAST_SIZE - 1)
