"""What an ``.mlpackage`` really computes in: counts read from the written program, not from what was asked for."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from validate.coreml.features import read_feature
from validate.coreml.package import open_package

# Operators that multiply and accumulate, with the names of their data and weights.
_DATA_AND_WEIGHTS = {
    "conv": ("x", "weight"),
    "conv_transpose": ("x", "weight"),
    "linear": ("x", "weight"),
    "matmul": ("x", "y"),
}
# What holds a compressed weight: the operator's input that is stored, and what a reader calls it.
_STORED = {
    "constexpr_affine_dequantize": "quantized_data",
    "constexpr_blockwise_shift_scale": "data",
    "constexpr_lut_to_dense": "indices",
    "constexpr_sparse_to_dense": "nonzero_data",
    "constexpr_cast": "source_val",
    "dequantize": "input",
}


def census(path: Path | str) -> dict[str, Any]:
    """The dtype census of an ``.mlpackage``.

    Returns ``operators`` (count by name), ``macs`` (multiply-accumulates in all), ``macs_share`` (share by
    ``"activations x weights"``, the dtypes that they are stored in, such as ``{"float16 x float16": 1.0}``) and
    ``weight_bytes`` (constant bytes by dtype), all at the default size. Activations count as 8 bit where the operator
    reads a dequantized value.
    """
    package = open_package(path)
    features = map(read_feature, package.spec.description.input)
    function = package.load_program({feature.name: feature.shape for feature in features})
    operators: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for op in function.operations:
        if op.op_type == "const":
            if getattr(op.outputs[0], "shape", ()):  # scalars are parameters, not weights
                weights[_dtype(op.outputs[0])] += _bytes(op.outputs[0])
            continue
        operators[op.op_type] += 1
        if op.op_type.startswith("constexpr_"):
            stored = _stored(op.outputs[0])
            if stored.op is None or stored.op.op_type != "const":  # its constant is written inside the operator
                weights[_dtype(stored)] += _bytes(stored)
        if op.op_type in _DATA_AND_WEIGHTS:
            data, weight = (op.inputs[name] for name in _DATA_AND_WEIGHTS[op.op_type])
            macs[f"{_dtype(_stored(data))} x {_dtype(_stored(weight))}"] += _macs(op, data, weight)
    total = sum(macs.values())
    return {
        "operators": dict(sorted(operators.items())),
        "macs": total,
        "macs_share": {key: count / total for key, count in sorted(macs.items())},
        "weight_bytes": dict(sorted(weights.items())),
    }


def _macs(op: Any, data: Any, weight: Any) -> int:
    output = prod(op.outputs[0].shape)
    if op.op_type == "conv":
        return output * prod(weight.shape[1:])
    if op.op_type == "conv_transpose":
        return prod(data.shape) * prod(weight.shape[1:])
    return output * data.shape[-1]


def _stored(variable: Any) -> Any:
    """The variable behind decompression and dequantization: the one that is stored."""
    while variable.op is not None and variable.op.op_type in _STORED:
        inner = variable.op.inputs.get(_STORED[variable.op.op_type])
        if inner is None:
            break
        variable = inner
    return variable


def _dtype(variable: Any) -> str:
    from coremltools.converters.mil.mil import types

    name = types.builtin_to_string(variable.dtype)
    return {"fp16": "float16", "fp32": "float32"}.get(name, name)


def _bytes(variable: Any) -> int:
    bits = re.search(r"\d+$", _dtype(variable))
    return prod(variable.shape) * int(bits[0]) // 8 if bits else 0
