"""Numeric cases for every registered operator."""

from tests.export.tflite.cases import indexing, norms, numbers, pointwise, ranks, spatial, structural
from tests.export.tflite.cases.table import CASES, Case

__all__ = ["CASES", "Case", "indexing", "norms", "numbers", "pointwise", "ranks", "spatial", "structural"]
