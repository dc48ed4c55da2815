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
# What holds a compressed weight or a quantized activation: the operator's input that is stored.
_STORED = {
    "constexpr_affine_dequantize": "quantized_data",
    "constexpr_blockwise_shift_scale": "data",
    "constexpr_lut_to_dense": "indices",
    "constexpr_lut_to_sparse": "indices_nonzero_data",
    "constexpr_sparse_to_dense": "nonzero_data",
    "constexpr_sparse_blockwise_shift_scale": "nonzero_data",
    "constexpr_cast": "source_val",
    "dequantize": "input",
}


def census(path: Path | str) -> dict[str, Any]:
    """The dtype census of an ``.mlpackage``.

    Returns ``operators`` (count by name), ``macs`` (multiply-accumulates in all), ``macs_share`` (share by
    ``"activations x weights"``, what they are stored in, such as ``{"float16 x 4-bit palette": 1.0}``) and
    ``weight_bytes`` (constant bytes by what they are stored in, tables, scales and masks included), all at the default
    size. A weight is stored in its dtype, or ``sparse`` before it, or in an ``n-bit palette``. Activations count as 8
    bit where the operator reads a dequantized value. ``products`` has an entry for each operator that multiplies, in
    the program's order: ``operator``, ``macs`` and ``form`` ("activations x weights").
    """
    package = open_package(path)
    features = map(read_feature, package.spec.description.input)
    function = package.load_program({feature.name: feature.shape for feature in features})
    operators: Counter[str] = Counter()
    products: list[dict[str, Any]] = []
    weights: Counter[str] = Counter()
    counted: set[Any] = set()
    for op in function.operations:
        if op.op_type == "const":
            continue
        operators[op.op_type] += 1
        if op.op_type in _DATA_AND_WEIGHTS:
            data, weight = (op.inputs[name] for name in _DATA_AND_WEIGHTS[op.op_type])
            form = f"{_form(data)} x {_form(weight)}"
            products.append({"operator": op.op_type, "macs": _macs(op, data, weight), "form": form})
    for op in reversed(function.operations):  # what is made of a constant, before the constant
        if op.op_type == "const":
            _count(op.outputs[0], _dtype(op.outputs[0]), weights, counted)
        elif op.op_type.startswith("constexpr_"):
            form = _form(op.outputs[-1])
            for variable in op.inputs.values():
                if variable is not None and (variable.op is None or variable.op.op_type == "const"):
                    _count(variable, form, weights, counted)
    macs: Counter[str] = Counter()
    for product in products:
        macs[product["form"]] += product["macs"]
    total = sum(macs.values())
    return {
        "operators": dict(sorted(operators.items())),
        "macs": total,
        "macs_share": {key: count / total for key, count in sorted(macs.items())},
        "weight_bytes": dict(sorted(weights.items())),
        "products": products,
    }


def _macs(op: Any, data: Any, weight: Any) -> int:
    output = prod(op.outputs[0].shape)
    if op.op_type == "conv":
        return output * prod(weight.shape[1:])
    if op.op_type == "conv_transpose":
        return prod(data.shape) * prod(weight.shape[1:])
    return output * data.shape[-1]


def _form(variable: Any) -> str:
    """What a variable is stored in, looking behind decompression and dequantization."""
    sparse = bits = ""
    while variable.op is not None and variable.op.op_type in _STORED:
        op = variable.op
        inner = op.inputs.get(_STORED[op.op_type])
        if inner is None:
            break
        if "sparse" in op.op_type:
            sparse = "sparse "
        if "lut" in op.op_type:
            bits = f"{(op.lut.shape[-2 if len(op.lut.shape) > 1 else -1] - 1).bit_length()}-bit palette"
        variable = inner
    return sparse + (bits or _dtype(variable))


def _count(variable: Any, form: str, weights: Counter[str], counted: set[Any]) -> None:
    """Add a constant's bytes to its form, once; scalars are parameters, not weights."""
    if variable not in counted and getattr(variable, "shape", ()):
        counted.add(variable)
        weights[form] += _bytes(variable)


def _dtype(variable: Any) -> str:
    from coremltools.converters.mil.mil import types

    name = types.builtin_to_string(variable.dtype)
    return {"fp16": "float16", "fp32": "float32"}.get(name, name)


def _bytes(variable: Any) -> int:
    bits = re.search(r"\d+$", _dtype(variable))
    return prod(variable.shape) * int(bits[0]) // 8 if bits else 0
