"""What a TFLite file really computes in: counts read from the written flatbuffer, not from what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
_OP_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}

ROUNDED = "dynamic int8"  # float activations that the kernel rounds when it runs


def census(path: Path | str) -> dict[str, Any]:
    """The dtype census of a ``.tflite`` file.

    Returns ``operators`` (count by name), ``macs`` (multiply-accumulates in all), ``macs_share`` (share by
    ``"activations x weights"``, for example ``{"int8 x int8": 0.97, "float32 x float32": 0.03}``; weights stored as
    float16 behind DEQUANTIZE read ``"float32 x float16"``, hybrid kernels ``"dynamic int8 x int8"``),
    ``weight_bytes`` (constant bytes by dtype) and
    ``activation_bytes`` (bytes of all run-time tensors by dtype). ``products`` has an entry for each operator that
    multiplies, in the file's order: ``operator``, ``macs`` and ``form`` ("activations x weights"). ``float_operators``
    counts, by name, those that read or write a float (QUANTIZE and DEQUANTIZE are none of them).
    """
    data = Path(path).read_bytes()
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    names = [_OP_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]

    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    constant = [bool(model.Buffers(tensor.Buffer()).DataLength()) for tensor in tensors]
    operators: dict[str, int] = {}
    products: list[dict[str, Any]] = []
    stored_as: dict[int, str] = {}
    floats: dict[str, int] = {}
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        name = names[operator.OpcodeIndex()]
        operators[name] = operators.get(name, 0) + 1
        if name == "DEQUANTIZE" and constant[operator.Inputs(0)]:
            stored_as[operator.Outputs(0)] = _dtype(tensors[operator.Inputs(0)])
        if name not in ("QUANTIZE", "DEQUANTIZE") and _touches_floats(operator, tensors):
            floats[name] = floats.get(name, 0) + 1
        count = _macs(name, operator, tensors)
        if count:
            data_index, weight_index = _DATA_AND_WEIGHTS[name]
            weight = operator.Inputs(weight_index)
            activations, weights = _dtype(tensors[operator.Inputs(data_index)]), _dtype(tensors[weight])
            if activations.startswith("float") and weights == "int8":
                activations = ROUNDED  # a hybrid kernel
            key = f"{activations} x {stored_as.get(weight, weights)}"
            products.append({"operator": name, "macs": count, "form": key})
    macs: dict[str, int] = {}
    for product in products:
        macs[product["form"]] = macs.get(product["form"], 0) + product["macs"]
    total = sum(macs.values())
    return {
        "operators": dict(sorted(operators.items())),
        "macs": total,
        "macs_share": {key: count / total for key, count in sorted(macs.items())},
        "weight_bytes": _bytes(tensors[i] for i in range(len(tensors)) if constant[i]),
        "activation_bytes": _bytes(tensors[i] for i in range(len(tensors)) if not constant[i] and i not in stored_as),
        "float_operators": dict(sorted(floats.items())),
        "products": products,
    }


def _touches_floats(operator: schema.Operator, tensors: list[schema.Tensor]) -> bool:
    inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
    outputs = [operator.Outputs(i) for i in range(operator.OutputsLength())]
    return any(index >= 0 and _dtype(tensors[index]).startswith("float") for index in (*inputs, *outputs))


# Operators that multiply and accumulate: where their activations and their weights are among the inputs.
_DATA_AND_WEIGHTS = {
    "CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "TRANSPOSE_CONV": (2, 1), "FULLY_CONNECTED": (0, 1),
    "BATCH_MATMUL": (0, 1),
}  # fmt: skip


def _macs(name: str, operator: schema.Operator, tensors: list[schema.Tensor]) -> int:
    if name not in _DATA_AND_WEIGHTS:
        return 0
    data, weight = (_shape(tensors[operator.Inputs(i)]) for i in _DATA_AND_WEIGHTS[name])
    output = int(np.prod(_shape(tensors[operator.Outputs(0)])))
    if name == "CONV_2D":
        return output * int(np.prod(weight[1:]))
    if name == "DEPTHWISE_CONV_2D":
        return output * int(np.prod(weight[1:3]))
    if name == "TRANSPOSE_CONV":
        return int(np.prod(data)) * int(np.prod(weight[:3]))
    return output * data[-1]


def _dtype(tensor: schema.Tensor) -> str:
    return _TYPE_NAMES[tensor.Type()]


def _shape(tensor: schema.Tensor) -> list[int]:
    return [tensor.Shape(i) for i in range(tensor.ShapeLength())]


def _bytes(tensors: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for tensor in tensors:
        dtype = _dtype(tensor)
        size = 1 if dtype == "bool" else np.dtype(dtype).itemsize
        totals[dtype] = totals.get(dtype, 0) + int(np.prod(_shape(tensor))) * size
    return dict(sorted(totals.items()))
