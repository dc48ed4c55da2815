"""Numeric cases for every lowering: for each operator, nodes whose results are compared with ONNX Runtime."""

from __future__ import annotations

import numpy as np

from tests.export.coreml.cases_moving import MOVING
from tests.export.coreml.cases_numbers import NUMBERS
from tests.export.coreml.cases_spatial import SPATIAL
from tests.export.coreml.graphs import Case, Const, case
from tests.export.coreml.values import X, f, k

_random = np.random.default_rng(7)
_INT8 = Const(_random.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8))
_SCALES = Const(_random.uniform(0.01, 0.03, 6).astype(np.float32))

CASES: dict[str, list[Case]] = {
    **SPATIAL,
    **MOVING,
    **NUMBERS,
    "QuantizeLinear": [
        case("QuantizeLinear", X, f(0.02), Const(np.array(5, np.int8))),
        case("QuantizeLinear", X, f(0.02), Const(np.array(130, np.uint8))),
        case("QuantizeLinear", X, f(0.02)),
        case("QuantizeLinear", X, k(4, low=0.01, high=0.03), Const(np.array([0, 5, -5, 9], np.int8)), axis=1),
    ],
    "DequantizeLinear": [
        case("DequantizeLinear", _INT8, _SCALES, Const(np.zeros(6, np.int8)), axis=0),
        case("DequantizeLinear", _INT8, f(0.02), Const(np.array(3, np.int8))),
        case("DequantizeLinear", Const(np.arange(12, dtype=np.uint8).reshape(3, 4)), f(0.02)),
        case("DequantizeLinear", Const(np.array([-70000, 3, 90000], np.int32)), k(3, low=1e-4, high=1e-3), axis=0),
    ],
}
