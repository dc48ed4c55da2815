"""Which MIL operation a Resize becomes: the one that phones run fast wherever it samples as ONNX does."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.coreml import compile_coreml
from tests.export.coreml.cases_spatial import resize
from tests.export.coreml.graphs import Case, hub_of, model_of
from tests.export.coreml.test_compile import operations

BY_TWO = (1.0, 1.0, 2.0, 2.0)
SHAPE = (1, 3, 4, 5)
HALF = {"coordinate_transformation_mode": "half_pixel"}
CORNERS = {"coordinate_transformation_mode": "align_corners"}
ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric"}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (resize(SHAPE, BY_TWO, mode="nearest", **HALF), ["upsample_nearest_neighbor"]),
        (resize(SHAPE, BY_TWO, mode="nearest", nearest_mode="floor", **ASYMMETRIC), ["upsample_nearest_neighbor"]),
        (resize(SHAPE, BY_TWO, mode="nearest", nearest_mode="ceil", **ASYMMETRIC), ["gather", "gather"]),
        (resize(SHAPE, (1, 1, 0.5, 1), mode="nearest", nearest_mode="floor", **ASYMMETRIC), ["slice_by_index"]),
        (resize(SHAPE, BY_TWO, mode="linear", **HALF), ["upsample_bilinear"]),
        (resize(SHAPE, BY_TWO, mode="linear", **CORNERS), ["upsample_bilinear"]),
        (resize(SHAPE, BY_TWO, mode="linear", **ASYMMETRIC), ["resize_bilinear"]),
        (resize(SHAPE, sizes=(1, 3, 7, 9), mode="linear", **HALF), ["resize_bilinear"]),
        (resize(SHAPE, sizes=(1, 3, 7, 9), mode="linear", **CORNERS), ["resize_bilinear"]),
        (resize(SHAPE, (1, 1, 1.6, 2.3), mode="linear", **HALF), ["matmul", "matmul"]),
        (resize(SHAPE, BY_TWO, mode="cubic", **HALF), ["matmul", "matmul"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_operation(tmp_path: Path, node: Case, expected: list[str]) -> None:
    model, _ = model_of([node])
    compile_coreml(hub_of(model), tmp_path / "m.mlpackage", precision="fp32", io="tensor")
    ignored = ("const", "cast", "identity")
    assert [op.type for op in operations(tmp_path / "m.mlpackage") if op.type not in ignored] == expected
